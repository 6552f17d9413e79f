// Generated from src/state-layout.ts by tools/generate-layout.ts; do not edit.
// @ts-ignore: decorator
@external("env", "cpuBase") declare const cpuBase: usize;
// @ts-ignore: decorator
@inline export function base(): usize { return cpuBase; }
export const STATE_SIZE: usize = 1728;
export const AREA_RUNTIME_DATA: u32 = 65536;
export const AREA_RUNTIME_DATA_SIZE: u32 = 983040;
export const AREA_PHYS_MAP: u32 = 1048576;
export const AREA_PAGE_INFO: u32 = 5242880;
export const AREA_CODE_MASK: u32 = 9437184;
export const AREA_WRITE_HEADS: u32 = 17825792;
export const AREA_PT_POOL: u32 = 22020096;
export const AREA_PT_POOL_COUNT: u32 = 16384;
export const AREA_PT_ENTRY_SIZE: u32 = 192;
export const AREA_CPU: u32 = 25165824;
export const AREA_CPU_SIZE: u32 = 41943040;
export const AREA_BLOCK_HASH: u32 = 71303168;
export const AREA_BLOCK_HASH_COUNT: u32 = 65536;
export const AREA_CODE_POOL: u32 = 75497472;
export const AREA_CODE_POOL_SIZE: u32 = 58720256;
export const AREA_RAM: u32 = 134217728;
export const PAGE_FLAG_CODE: u32 = 1;
export const PAGE_FLAG_PAGE_TABLE: u32 = 2;
export const PAGE_FLAG_ROM: u32 = 4;
export const CPU_AREA_JUMP_CACHE: u32 = 65536;
export const CPU_AREA_BLOCK_CACHE: u32 = 327680;
export const CPU_AREA_WRITE_LINKS: u32 = 1048576;
export const CPU_AREA_EMPTY_TABLE: u32 = 6291456;
export const CPU_AREA_SPACES: u32 = 983040;
export const CPU_AREA_SHADOW: u32 = 8388608;
export const JUMP_CACHE_COUNT: u32 = 16384;
export const JUMP_CACHE_ENTRY_SIZE: u32 = 16;
export const MODE_CODE_SIZE: u32 = 3;
export const MODE_STACK32: u32 = 4;
export const MODE_USER: u32 = 8;
export const MODE_FLAT_DATA: u32 = 16;
export const MODE_FLAT_CODE: u32 = 32;
export const MODE_NO_X87: u32 = 64;
export const MODE_NO_SSE: u32 = 128;
export const MODE_LONG: u32 = 256;
export const MODE_VIRTUAL_8086: u32 = 512;
export const MODE_REAL: u32 = 1024;
export const MODE_SINGLE_STEP: u32 = 2048;
export const MODE_SMAP_OVERRIDE: u32 = 4096;
export const MODE_ALIGNMENT: u32 = 8192;
export const PENDING_SERVICE: u32 = 1;
export const PENDING_INTERRUPT: u32 = 2;
export const PENDING_NMI: u32 = 4;
export const PENDING_STOP: u32 = 8;
export const PENDING_INIT: u32 = 16;
export const PENDING_UNWIND: u32 = 32;
export const EXIT_NONE: u32 = 0;
export const EXIT_HALT: u32 = 1;
export const EXIT_SHUTDOWN: u32 = 2;
export const EXIT_FAILURE: u32 = 3;
export const INHIBIT_NONE: u32 = 0;
export const INHIBIT_INTERRUPTS: u32 = 1;
export const INHIBIT_ALL: u32 = 2;
export const SEG_CHECK_READ: u32 = 1;
export const SEG_CHECK_WRITE: u32 = 2;
export const SEG_TYPE: u32 = 15;
export const SEG_ACCESSED: u32 = 1;
export const SEG_WRITABLE: u32 = 2;
export const SEG_EXPAND_DOWN: u32 = 4;
export const SEG_CODE: u32 = 8;
export const SEG_S: u32 = 16;
export const SEG_DPL_SHIFT: u32 = 5;
export const SEG_P: u32 = 128;
export const SEG_AVL: u32 = 4096;
export const SEG_L: u32 = 8192;
export const SEG_DB: u32 = 16384;
export const SEG_G: u32 = 32768;
export const SREG_ES: u32 = 0;
export const SREG_CS: u32 = 1;
export const SREG_SS: u32 = 2;
export const SREG_DS: u32 = 3;
export const SREG_FS: u32 = 4;
export const SREG_GS: u32 = 5;
export const SREG_LDTR: u32 = 6;
export const SREG_TR: u32 = 7;
export const FLAG_KIND_EFLAGS: u32 = 0;
export const FLAG_KIND_ADD: u32 = 1;
export const FLAG_KIND_SUB: u32 = 2;
export const FLAG_KIND_LOGIC: u32 = 3;
export const FLAG_KIND_RESULT: u32 = 4;
export const EFLAGS_CF: u32 = 1;
export const EFLAGS_PF: u32 = 4;
export const EFLAGS_AF: u32 = 16;
export const EFLAGS_ZF: u32 = 64;
export const EFLAGS_SF: u32 = 128;
export const EFLAGS_TF: u32 = 256;
export const EFLAGS_IF: u32 = 512;
export const EFLAGS_DF: u32 = 1024;
export const EFLAGS_OF: u32 = 2048;
export const EFLAGS_IOPL: u32 = 12288;
export const EFLAGS_NT: u32 = 16384;
export const EFLAGS_RF: u32 = 65536;
export const EFLAGS_VM: u32 = 131072;
export const EFLAGS_AC: u32 = 262144;
export const EFLAGS_VIF: u32 = 524288;
export const EFLAGS_VIP: u32 = 1048576;
export const EFLAGS_ID: u32 = 2097152;
export const EFLAGS_ARITHMETIC: u32 = 2261;
export const BLOCK_HOST: u32 = 0;
export const BLOCK_MODE: u32 = 4;
export const BLOCK_FUNCTION: u32 = 8;
export const BLOCK_COUNT: u32 = 12;
export const BLOCK_HASH_NEXT: u32 = 16;
export const BLOCK_SECOND_PAGE: u32 = 24;
export const BLOCK_LENGTH: u32 = 28;
export const BLOCK_BYTES: u32 = 32;
export const BLOCK_DEAD: u32 = 36;
export const BLOCK_PAGES: u32 = 40;
export const BLOCK_MISFITS: u32 = 44;
export const BLOCK_HEADER_SIZE: u32 = 64;
export const RECORD_HANDLER: u32 = 0;
export const RECORD_OFFSET: u32 = 4;
export const RECORD_NEXT: u32 = 6;
export const RECORD_REG: u32 = 8;
export const RECORD_RM: u32 = 10;
export const RECORD_BASE: u32 = 12;
export const RECORD_INDEX: u32 = 14;
export const RECORD_DISP: u32 = 16;
export const RECORD_SCALE: u32 = 20;
export const RECORD_SEG: u32 = 21;
export const RECORD_ADDRESS_SHIFT: u32 = 22;
export const RECORD_EXTRA: u32 = 23;
export const RECORD_IMM: u32 = 24;
export const RECORD_SIZE: u32 = 32;
export const STATUS_NEXT: u32 = 0;
export const STATUS_JUMP: u32 = 1;
export const STATUS_FAULT: u32 = 2;
export const STATUS_LEAVE: u32 = 3;
export const STATUS_BAIL: u32 = 4;
export const STATUS_SYSTEM: u32 = 5;
export const STATUS_RETURN: u32 = 6;
export const BLOCK_MODE_MASK: u32 = 10487;
export const JUMP_MODE_MASK: u32 = 14591;
export const ACCESS_STACK: u32 = 256;
export const SHADOW_ENTRIES: u32 = 4096;
export const SHADOW_ENTRY_SIZE: u32 = 16;
export const SHADOW_TABLE_SIZE: u32 = 65536;
export const SHADOW_TABLES: u32 = 8;
export const SHADOW_SPACES: u32 = 32;
export const TABLE_READ_K: u32 = 0;
export const TABLE_WRITE_K: u32 = 1;
export const TABLE_READ_A: u32 = 2;
export const TABLE_WRITE_A: u32 = 3;
export const TABLE_READ_U: u32 = 4;
export const TABLE_WRITE_U: u32 = 5;
export const TABLE_FETCH_K: u32 = 6;
export const TABLE_FETCH_U: u32 = 7;
export const OFFSET_gpr: usize = 0;
// @ts-ignore: decorator
@inline export function gpr(i: u32): u64 { return load<u64>(cpuBase + (<usize>i << 3), 0); }
// @ts-ignore: decorator
@inline export function setGpr(i: u32, v: u64): void { store<u64>(cpuBase + (<usize>i << 3), v, 0); }
export const OFFSET_zero: usize = 128;
// @ts-ignore: decorator
@inline export function zero(): u64 { return load<u64>(cpuBase, 128); }
// @ts-ignore: decorator
@inline export function setZero(v: u64): void { store<u64>(cpuBase, v, 128); }
export const OFFSET_rip: usize = 136;
// @ts-ignore: decorator
@inline export function rip(): u64 { return load<u64>(cpuBase, 136); }
// @ts-ignore: decorator
@inline export function setRip(v: u64): void { store<u64>(cpuBase, v, 136); }
export const OFFSET_nextRip: usize = 144;
// @ts-ignore: decorator
@inline export function nextRip(): u64 { return load<u64>(cpuBase, 144); }
// @ts-ignore: decorator
@inline export function setNextRip(v: u64): void { store<u64>(cpuBase, v, 144); }
export const OFFSET_flagA: usize = 152;
// @ts-ignore: decorator
@inline export function flagA(): u64 { return load<u64>(cpuBase, 152); }
// @ts-ignore: decorator
@inline export function setFlagA(v: u64): void { store<u64>(cpuBase, v, 152); }
export const OFFSET_flagB: usize = 160;
// @ts-ignore: decorator
@inline export function flagB(): u64 { return load<u64>(cpuBase, 160); }
// @ts-ignore: decorator
@inline export function setFlagB(v: u64): void { store<u64>(cpuBase, v, 160); }
export const OFFSET_flagOp: usize = 168;
// @ts-ignore: decorator
@inline export function flagOp(): u32 { return load<u32>(cpuBase, 168); }
// @ts-ignore: decorator
@inline export function setFlagOp(v: u32): void { store<u32>(cpuBase, v, 168); }
export const OFFSET_systemFlags: usize = 172;
// @ts-ignore: decorator
@inline export function systemFlags(): u32 { return load<u32>(cpuBase, 172); }
// @ts-ignore: decorator
@inline export function setSystemFlags(v: u32): void { store<u32>(cpuBase, v, 172); }
export const OFFSET_segSelector: usize = 176;
// @ts-ignore: decorator
@inline export function segSelector(i: u32): u32 { return load<u32>(cpuBase + (<usize>i << 2), 176); }
// @ts-ignore: decorator
@inline export function setSegSelector(i: u32, v: u32): void { store<u32>(cpuBase + (<usize>i << 2), v, 176); }
export const OFFSET_segAttr: usize = 208;
// @ts-ignore: decorator
@inline export function segAttr(i: u32): u32 { return load<u32>(cpuBase + (<usize>i << 2), 208); }
// @ts-ignore: decorator
@inline export function setSegAttr(i: u32, v: u32): void { store<u32>(cpuBase + (<usize>i << 2), v, 208); }
export const OFFSET_segLimit: usize = 240;
// @ts-ignore: decorator
@inline export function segLimit(i: u32): u32 { return load<u32>(cpuBase + (<usize>i << 2), 240); }
// @ts-ignore: decorator
@inline export function setSegLimit(i: u32, v: u32): void { store<u32>(cpuBase + (<usize>i << 2), v, 240); }
export const OFFSET_segCheck: usize = 272;
// @ts-ignore: decorator
@inline export function segCheck(i: u32): u32 { return load<u32>(cpuBase + (<usize>i << 2), 272); }
// @ts-ignore: decorator
@inline export function setSegCheck(i: u32, v: u32): void { store<u32>(cpuBase + (<usize>i << 2), v, 272); }
export const OFFSET_segBase: usize = 304;
// @ts-ignore: decorator
@inline export function segBase(i: u32): u64 { return load<u64>(cpuBase + (<usize>i << 3), 304); }
// @ts-ignore: decorator
@inline export function setSegBase(i: u32, v: u64): void { store<u64>(cpuBase + (<usize>i << 3), v, 304); }
export const OFFSET_segEffBase: usize = 368;
// @ts-ignore: decorator
@inline export function segEffBase(i: u32): u64 { return load<u64>(cpuBase + (<usize>i << 3), 368); }
// @ts-ignore: decorator
@inline export function setSegEffBase(i: u32, v: u64): void { store<u64>(cpuBase + (<usize>i << 3), v, 368); }
export const OFFSET_cpl: usize = 432;
// @ts-ignore: decorator
@inline export function cpl(): u32 { return load<u32>(cpuBase, 432); }
// @ts-ignore: decorator
@inline export function setCpl(v: u32): void { store<u32>(cpuBase, v, 432); }
export const OFFSET_modeKey: usize = 436;
// @ts-ignore: decorator
@inline export function modeKey(): u32 { return load<u32>(cpuBase, 436); }
// @ts-ignore: decorator
@inline export function setModeKey(v: u32): void { store<u32>(cpuBase, v, 436); }
export const OFFSET_stackMask: usize = 440;
// @ts-ignore: decorator
@inline export function stackMask(): u64 { return load<u64>(cpuBase, 440); }
// @ts-ignore: decorator
@inline export function setStackMask(v: u64): void { store<u64>(cpuBase, v, 440); }
export const OFFSET_ipMask: usize = 448;
// @ts-ignore: decorator
@inline export function ipMask(): u64 { return load<u64>(cpuBase, 448); }
// @ts-ignore: decorator
@inline export function setIpMask(v: u64): void { store<u64>(cpuBase, v, 448); }
export const OFFSET_gdtrBase: usize = 456;
// @ts-ignore: decorator
@inline export function gdtrBase(): u64 { return load<u64>(cpuBase, 456); }
// @ts-ignore: decorator
@inline export function setGdtrBase(v: u64): void { store<u64>(cpuBase, v, 456); }
export const OFFSET_idtrBase: usize = 464;
// @ts-ignore: decorator
@inline export function idtrBase(): u64 { return load<u64>(cpuBase, 464); }
// @ts-ignore: decorator
@inline export function setIdtrBase(v: u64): void { store<u64>(cpuBase, v, 464); }
export const OFFSET_gdtrLimit: usize = 472;
// @ts-ignore: decorator
@inline export function gdtrLimit(): u32 { return load<u32>(cpuBase, 472); }
// @ts-ignore: decorator
@inline export function setGdtrLimit(v: u32): void { store<u32>(cpuBase, v, 472); }
export const OFFSET_idtrLimit: usize = 476;
// @ts-ignore: decorator
@inline export function idtrLimit(): u32 { return load<u32>(cpuBase, 476); }
// @ts-ignore: decorator
@inline export function setIdtrLimit(v: u32): void { store<u32>(cpuBase, v, 476); }
export const OFFSET_cr0: usize = 480;
// @ts-ignore: decorator
@inline export function cr0(): u64 { return load<u64>(cpuBase, 480); }
// @ts-ignore: decorator
@inline export function setCr0(v: u64): void { store<u64>(cpuBase, v, 480); }
export const OFFSET_cr2: usize = 488;
// @ts-ignore: decorator
@inline export function cr2(): u64 { return load<u64>(cpuBase, 488); }
// @ts-ignore: decorator
@inline export function setCr2(v: u64): void { store<u64>(cpuBase, v, 488); }
export const OFFSET_cr3: usize = 496;
// @ts-ignore: decorator
@inline export function cr3(): u64 { return load<u64>(cpuBase, 496); }
// @ts-ignore: decorator
@inline export function setCr3(v: u64): void { store<u64>(cpuBase, v, 496); }
export const OFFSET_cr4: usize = 504;
// @ts-ignore: decorator
@inline export function cr4(): u64 { return load<u64>(cpuBase, 504); }
// @ts-ignore: decorator
@inline export function setCr4(v: u64): void { store<u64>(cpuBase, v, 504); }
export const OFFSET_pdpte: usize = 512;
// @ts-ignore: decorator
@inline export function pdpte(i: u32): u64 { return load<u64>(cpuBase + (<usize>i << 3), 512); }
// @ts-ignore: decorator
@inline export function setPdpte(i: u32, v: u64): void { store<u64>(cpuBase + (<usize>i << 3), v, 512); }
export const OFFSET_xcr0: usize = 544;
// @ts-ignore: decorator
@inline export function xcr0(): u64 { return load<u64>(cpuBase, 544); }
// @ts-ignore: decorator
@inline export function setXcr0(v: u64): void { store<u64>(cpuBase, v, 544); }
export const OFFSET_efer: usize = 552;
// @ts-ignore: decorator
@inline export function efer(): u64 { return load<u64>(cpuBase, 552); }
// @ts-ignore: decorator
@inline export function setEfer(v: u64): void { store<u64>(cpuBase, v, 552); }
export const OFFSET_dr: usize = 560;
// @ts-ignore: decorator
@inline export function dr(i: u32): u64 { return load<u64>(cpuBase + (<usize>i << 3), 560); }
// @ts-ignore: decorator
@inline export function setDr(i: u32, v: u64): void { store<u64>(cpuBase + (<usize>i << 3), v, 560); }
export const OFFSET_msrStar: usize = 624;
// @ts-ignore: decorator
@inline export function msrStar(): u64 { return load<u64>(cpuBase, 624); }
// @ts-ignore: decorator
@inline export function setMsrStar(v: u64): void { store<u64>(cpuBase, v, 624); }
export const OFFSET_msrLstar: usize = 632;
// @ts-ignore: decorator
@inline export function msrLstar(): u64 { return load<u64>(cpuBase, 632); }
// @ts-ignore: decorator
@inline export function setMsrLstar(v: u64): void { store<u64>(cpuBase, v, 632); }
export const OFFSET_msrCstar: usize = 640;
// @ts-ignore: decorator
@inline export function msrCstar(): u64 { return load<u64>(cpuBase, 640); }
// @ts-ignore: decorator
@inline export function setMsrCstar(v: u64): void { store<u64>(cpuBase, v, 640); }
export const OFFSET_msrSfmask: usize = 648;
// @ts-ignore: decorator
@inline export function msrSfmask(): u64 { return load<u64>(cpuBase, 648); }
// @ts-ignore: decorator
@inline export function setMsrSfmask(v: u64): void { store<u64>(cpuBase, v, 648); }
export const OFFSET_msrKernelGsBase: usize = 656;
// @ts-ignore: decorator
@inline export function msrKernelGsBase(): u64 { return load<u64>(cpuBase, 656); }
// @ts-ignore: decorator
@inline export function setMsrKernelGsBase(v: u64): void { store<u64>(cpuBase, v, 656); }
export const OFFSET_msrSysenterCs: usize = 664;
// @ts-ignore: decorator
@inline export function msrSysenterCs(): u64 { return load<u64>(cpuBase, 664); }
// @ts-ignore: decorator
@inline export function setMsrSysenterCs(v: u64): void { store<u64>(cpuBase, v, 664); }
export const OFFSET_msrSysenterEsp: usize = 672;
// @ts-ignore: decorator
@inline export function msrSysenterEsp(): u64 { return load<u64>(cpuBase, 672); }
// @ts-ignore: decorator
@inline export function setMsrSysenterEsp(v: u64): void { store<u64>(cpuBase, v, 672); }
export const OFFSET_msrSysenterEip: usize = 680;
// @ts-ignore: decorator
@inline export function msrSysenterEip(): u64 { return load<u64>(cpuBase, 680); }
// @ts-ignore: decorator
@inline export function setMsrSysenterEip(v: u64): void { store<u64>(cpuBase, v, 680); }
export const OFFSET_msrPat: usize = 688;
// @ts-ignore: decorator
@inline export function msrPat(): u64 { return load<u64>(cpuBase, 688); }
// @ts-ignore: decorator
@inline export function setMsrPat(v: u64): void { store<u64>(cpuBase, v, 688); }
export const OFFSET_msrTscAux: usize = 696;
// @ts-ignore: decorator
@inline export function msrTscAux(): u64 { return load<u64>(cpuBase, 696); }
// @ts-ignore: decorator
@inline export function setMsrTscAux(v: u64): void { store<u64>(cpuBase, v, 696); }
export const OFFSET_msrMiscEnable: usize = 704;
// @ts-ignore: decorator
@inline export function msrMiscEnable(): u64 { return load<u64>(cpuBase, 704); }
// @ts-ignore: decorator
@inline export function setMsrMiscEnable(v: u64): void { store<u64>(cpuBase, v, 704); }
export const OFFSET_msrMtrrDefType: usize = 712;
// @ts-ignore: decorator
@inline export function msrMtrrDefType(): u64 { return load<u64>(cpuBase, 712); }
// @ts-ignore: decorator
@inline export function setMsrMtrrDefType(v: u64): void { store<u64>(cpuBase, v, 712); }
export const OFFSET_msrMtrrFixed: usize = 720;
// @ts-ignore: decorator
@inline export function msrMtrrFixed(i: u32): u64 { return load<u64>(cpuBase + (<usize>i << 3), 720); }
// @ts-ignore: decorator
@inline export function setMsrMtrrFixed(i: u32, v: u64): void { store<u64>(cpuBase + (<usize>i << 3), v, 720); }
export const OFFSET_msrMtrrVariable: usize = 808;
// @ts-ignore: decorator
@inline export function msrMtrrVariable(i: u32): u64 { return load<u64>(cpuBase + (<usize>i << 3), 808); }
// @ts-ignore: decorator
@inline export function setMsrMtrrVariable(i: u32, v: u64): void { store<u64>(cpuBase + (<usize>i << 3), v, 808); }
export const OFFSET_msrMcgStatus: usize = 936;
// @ts-ignore: decorator
@inline export function msrMcgStatus(): u64 { return load<u64>(cpuBase, 936); }
// @ts-ignore: decorator
@inline export function setMsrMcgStatus(v: u64): void { store<u64>(cpuBase, v, 936); }
export const OFFSET_msrMcgCtl: usize = 944;
// @ts-ignore: decorator
@inline export function msrMcgCtl(): u64 { return load<u64>(cpuBase, 944); }
// @ts-ignore: decorator
@inline export function setMsrMcgCtl(v: u64): void { store<u64>(cpuBase, v, 944); }
export const OFFSET_msrSpecCtrl: usize = 952;
// @ts-ignore: decorator
@inline export function msrSpecCtrl(): u64 { return load<u64>(cpuBase, 952); }
// @ts-ignore: decorator
@inline export function setMsrSpecCtrl(v: u64): void { store<u64>(cpuBase, v, 952); }
export const OFFSET_msrDebugCtl: usize = 960;
// @ts-ignore: decorator
@inline export function msrDebugCtl(): u64 { return load<u64>(cpuBase, 960); }
// @ts-ignore: decorator
@inline export function setMsrDebugCtl(v: u64): void { store<u64>(cpuBase, v, 960); }
export const OFFSET_msrTscAdjust: usize = 968;
// @ts-ignore: decorator
@inline export function msrTscAdjust(): u64 { return load<u64>(cpuBase, 968); }
// @ts-ignore: decorator
@inline export function setMsrTscAdjust(v: u64): void { store<u64>(cpuBase, v, 968); }
export const OFFSET_msrFeatureControl: usize = 976;
// @ts-ignore: decorator
@inline export function msrFeatureControl(): u64 { return load<u64>(cpuBase, 976); }
// @ts-ignore: decorator
@inline export function setMsrFeatureControl(v: u64): void { store<u64>(cpuBase, v, 976); }
export const OFFSET_tscOffset: usize = 984;
// @ts-ignore: decorator
@inline export function tscOffset(): u64 { return load<u64>(cpuBase, 984); }
// @ts-ignore: decorator
@inline export function setTscOffset(v: u64): void { store<u64>(cpuBase, v, 984); }
export const OFFSET_msrValue: usize = 992;
// @ts-ignore: decorator
@inline export function msrValue(): u64 { return load<u64>(cpuBase, 992); }
// @ts-ignore: decorator
@inline export function setMsrValue(v: u64): void { store<u64>(cpuBase, v, 992); }
export const OFFSET_faultPending: usize = 1000;
// @ts-ignore: decorator
@inline export function faultPending(): u32 { return load<u32>(cpuBase, 1000); }
// @ts-ignore: decorator
@inline export function setFaultPending(v: u32): void { store<u32>(cpuBase, v, 1000); }
export const OFFSET_faultVector: usize = 1004;
// @ts-ignore: decorator
@inline export function faultVector(): u32 { return load<u32>(cpuBase, 1004); }
// @ts-ignore: decorator
@inline export function setFaultVector(v: u32): void { store<u32>(cpuBase, v, 1004); }
export const OFFSET_faultHasError: usize = 1008;
// @ts-ignore: decorator
@inline export function faultHasError(): u32 { return load<u32>(cpuBase, 1008); }
// @ts-ignore: decorator
@inline export function setFaultHasError(v: u32): void { store<u32>(cpuBase, v, 1008); }
export const OFFSET_faultError: usize = 1012;
// @ts-ignore: decorator
@inline export function faultError(): u32 { return load<u32>(cpuBase, 1012); }
// @ts-ignore: decorator
@inline export function setFaultError(v: u32): void { store<u32>(cpuBase, v, 1012); }
export const OFFSET_faultIsTrap: usize = 1016;
// @ts-ignore: decorator
@inline export function faultIsTrap(): u32 { return load<u32>(cpuBase, 1016); }
// @ts-ignore: decorator
@inline export function setFaultIsTrap(v: u32): void { store<u32>(cpuBase, v, 1016); }
export const OFFSET_exitReason: usize = 1020;
// @ts-ignore: decorator
@inline export function exitReason(): u32 { return load<u32>(cpuBase, 1020); }
// @ts-ignore: decorator
@inline export function setExitReason(v: u32): void { store<u32>(cpuBase, v, 1020); }
export const OFFSET_exitDetail: usize = 1024;
// @ts-ignore: decorator
@inline export function exitDetail(): u32 { return load<u32>(cpuBase, 1024); }
// @ts-ignore: decorator
@inline export function setExitDetail(v: u32): void { store<u32>(cpuBase, v, 1024); }
export const OFFSET_inhibitInterrupts: usize = 1028;
// @ts-ignore: decorator
@inline export function inhibitInterrupts(): u32 { return load<u32>(cpuBase, 1028); }
// @ts-ignore: decorator
@inline export function setInhibitInterrupts(v: u32): void { store<u32>(cpuBase, v, 1028); }
export const OFFSET_debugPending: usize = 1032;
// @ts-ignore: decorator
@inline export function debugPending(): u64 { return load<u64>(cpuBase, 1032); }
// @ts-ignore: decorator
@inline export function setDebugPending(v: u64): void { store<u64>(cpuBase, v, 1032); }
export const OFFSET_nmiMasked: usize = 1040;
// @ts-ignore: decorator
@inline export function nmiMasked(): u32 { return load<u32>(cpuBase, 1040); }
// @ts-ignore: decorator
@inline export function setNmiMasked(v: u32): void { store<u32>(cpuBase, v, 1040); }
export const OFFSET_nmiLatched: usize = 1044;
// @ts-ignore: decorator
@inline export function nmiLatched(): u32 { return load<u32>(cpuBase, 1044); }
// @ts-ignore: decorator
@inline export function setNmiLatched(v: u32): void { store<u32>(cpuBase, v, 1044); }
export const OFFSET_deliveryDepth: usize = 1048;
// @ts-ignore: decorator
@inline export function deliveryDepth(): u32 { return load<u32>(cpuBase, 1048); }
// @ts-ignore: decorator
@inline export function setDeliveryDepth(v: u32): void { store<u32>(cpuBase, v, 1048); }
export const OFFSET_deliveryVector: usize = 1052;
// @ts-ignore: decorator
@inline export function deliveryVector(): u32 { return load<u32>(cpuBase, 1052); }
// @ts-ignore: decorator
@inline export function setDeliveryVector(v: u32): void { store<u32>(cpuBase, v, 1052); }
export const OFFSET_pending: usize = 1056;
// @ts-ignore: decorator
@inline export function pending(): i32 { return load<i32>(cpuBase, 1056); }
// @ts-ignore: decorator
@inline export function setPending(v: i32): void { store<i32>(cpuBase, v, 1056); }
export const OFFSET_codeChanged: usize = 1060;
// @ts-ignore: decorator
@inline export function codeChanged(): u32 { return load<u32>(cpuBase, 1060); }
// @ts-ignore: decorator
@inline export function setCodeChanged(v: u32): void { store<u32>(cpuBase, v, 1060); }
export const OFFSET_a20Mask: usize = 1064;
// @ts-ignore: decorator
@inline export function a20Mask(): u64 { return load<u64>(cpuBase, 1064); }
// @ts-ignore: decorator
@inline export function setA20Mask(v: u64): void { store<u64>(cpuBase, v, 1064); }
export const OFFSET_maxPhysMask: usize = 1072;
// @ts-ignore: decorator
@inline export function maxPhysMask(): u64 { return load<u64>(cpuBase, 1072); }
// @ts-ignore: decorator
@inline export function setMaxPhysMask(v: u64): void { store<u64>(cpuBase, v, 1072); }
export const OFFSET_blockRip: usize = 1080;
// @ts-ignore: decorator
@inline export function blockRip(): u64 { return load<u64>(cpuBase, 1080); }
// @ts-ignore: decorator
@inline export function setBlockRip(v: u64): void { store<u64>(cpuBase, v, 1080); }
export const OFFSET_blockPointer: usize = 1088;
// @ts-ignore: decorator
@inline export function blockPointer(): u32 { return load<u32>(cpuBase, 1088); }
// @ts-ignore: decorator
@inline export function setBlockPointer(v: u32): void { store<u32>(cpuBase, v, 1088); }
export const OFFSET_generation: usize = 1092;
// @ts-ignore: decorator
@inline export function generation(): u32 { return load<u32>(cpuBase, 1092); }
// @ts-ignore: decorator
@inline export function setGeneration(v: u32): void { store<u32>(cpuBase, v, 1092); }
export const OFFSET_jumpKey: usize = 1096;
// @ts-ignore: decorator
@inline export function jumpKey(): u32 { return load<u32>(cpuBase, 1096); }
// @ts-ignore: decorator
@inline export function setJumpKey(v: u32): void { store<u32>(cpuBase, v, 1096); }
export const OFFSET_interruptLine: usize = 1100;
// @ts-ignore: decorator
@inline export function interruptLine(): u32 { return load<u32>(cpuBase, 1100); }
// @ts-ignore: decorator
@inline export function setInterruptLine(v: u32): void { store<u32>(cpuBase, v, 1100); }
export const OFFSET_engine: usize = 1104;
// @ts-ignore: decorator
@inline export function engine(): u32 { return load<u32>(cpuBase, 1104); }
// @ts-ignore: decorator
@inline export function setEngine(v: u32): void { store<u32>(cpuBase, v, 1104); }
export const OFFSET_cr4Hidden: usize = 1108;
// @ts-ignore: decorator
@inline export function cr4Hidden(): u32 { return load<u32>(cpuBase, 1108); }
// @ts-ignore: decorator
@inline export function setCr4Hidden(v: u32): void { store<u32>(cpuBase, v, 1108); }
export const OFFSET_eferHidden: usize = 1112;
// @ts-ignore: decorator
@inline export function eferHidden(): u32 { return load<u32>(cpuBase, 1112); }
// @ts-ignore: decorator
@inline export function setEferHidden(v: u32): void { store<u32>(cpuBase, v, 1112); }
export const OFFSET_mmuTwoStage: usize = 1116;
// @ts-ignore: decorator
@inline export function mmuTwoStage(): u32 { return load<u32>(cpuBase, 1116); }
// @ts-ignore: decorator
@inline export function setMmuTwoStage(v: u32): void { store<u32>(cpuBase, v, 1116); }
export const OFFSET_readTable: usize = 1120;
// @ts-ignore: decorator
@inline export function readTable(): u32 { return load<u32>(cpuBase, 1120); }
// @ts-ignore: decorator
@inline export function setReadTable(v: u32): void { store<u32>(cpuBase, v, 1120); }
export const OFFSET_writeTable: usize = 1124;
// @ts-ignore: decorator
@inline export function writeTable(): u32 { return load<u32>(cpuBase, 1124); }
// @ts-ignore: decorator
@inline export function setWriteTable(v: u32): void { store<u32>(cpuBase, v, 1124); }
export const OFFSET_fetchTable: usize = 1128;
// @ts-ignore: decorator
@inline export function fetchTable(): u32 { return load<u32>(cpuBase, 1128); }
// @ts-ignore: decorator
@inline export function setFetchTable(v: u32): void { store<u32>(cpuBase, v, 1128); }
export const OFFSET_space: usize = 1132;
// @ts-ignore: decorator
@inline export function space(): u32 { return load<u32>(cpuBase, 1132); }
// @ts-ignore: decorator
@inline export function setSpace(v: u32): void { store<u32>(cpuBase, v, 1132); }
export const OFFSET_scratch: usize = 1136;
// @ts-ignore: decorator
@inline export function scratch(i: u32): u64 { return load<u64>(cpuBase + (<usize>i << 3), 1136); }
// @ts-ignore: decorator
@inline export function setScratch(i: u32, v: u64): void { store<u64>(cpuBase + (<usize>i << 3), v, 1136); }
export const OFFSET_statFills: usize = 1200;
// @ts-ignore: decorator
@inline export function statFills(): u64 { return load<u64>(cpuBase, 1200); }
// @ts-ignore: decorator
@inline export function setStatFills(v: u64): void { store<u64>(cpuBase, v, 1200); }
export const OFFSET_statSlowReads: usize = 1208;
// @ts-ignore: decorator
@inline export function statSlowReads(): u64 { return load<u64>(cpuBase, 1208); }
// @ts-ignore: decorator
@inline export function setStatSlowReads(v: u64): void { store<u64>(cpuBase, v, 1208); }
export const OFFSET_statSlowWrites: usize = 1216;
// @ts-ignore: decorator
@inline export function statSlowWrites(): u64 { return load<u64>(cpuBase, 1216); }
// @ts-ignore: decorator
@inline export function setStatSlowWrites(v: u64): void { store<u64>(cpuBase, v, 1216); }
export const OFFSET_statFaults: usize = 1224;
// @ts-ignore: decorator
@inline export function statFaults(): u64 { return load<u64>(cpuBase, 1224); }
// @ts-ignore: decorator
@inline export function setStatFaults(v: u64): void { store<u64>(cpuBase, v, 1224); }
export const OFFSET_statInterrupts: usize = 1232;
// @ts-ignore: decorator
@inline export function statInterrupts(): u64 { return load<u64>(cpuBase, 1232); }
// @ts-ignore: decorator
@inline export function setStatInterrupts(v: u64): void { store<u64>(cpuBase, v, 1232); }
export const OFFSET_statBlocks: usize = 1240;
// @ts-ignore: decorator
@inline export function statBlocks(): u64 { return load<u64>(cpuBase, 1240); }
// @ts-ignore: decorator
@inline export function setStatBlocks(v: u64): void { store<u64>(cpuBase, v, 1240); }
export const OFFSET_statJumpMisses: usize = 1248;
// @ts-ignore: decorator
@inline export function statJumpMisses(): u64 { return load<u64>(cpuBase, 1248); }
// @ts-ignore: decorator
@inline export function setStatJumpMisses(v: u64): void { store<u64>(cpuBase, v, 1248); }
export const OFFSET_statSpaceSwitches: usize = 1256;
// @ts-ignore: decorator
@inline export function statSpaceSwitches(): u64 { return load<u64>(cpuBase, 1256); }
// @ts-ignore: decorator
@inline export function setStatSpaceSwitches(v: u64): void { store<u64>(cpuBase, v, 1256); }
export const OFFSET_statInterpreted: usize = 1264;
// @ts-ignore: decorator
@inline export function statInterpreted(): u64 { return load<u64>(cpuBase, 1264); }
// @ts-ignore: decorator
@inline export function setStatInterpreted(v: u64): void { store<u64>(cpuBase, v, 1264); }
export const OFFSET_fpuSignificand: usize = 1272;
// @ts-ignore: decorator
@inline export function fpuSignificand(i: u32): u64 { return load<u64>(cpuBase + (<usize>i << 3), 1272); }
// @ts-ignore: decorator
@inline export function setFpuSignificand(i: u32, v: u64): void { store<u64>(cpuBase + (<usize>i << 3), v, 1272); }
export const OFFSET_fpuExponent: usize = 1336;
// @ts-ignore: decorator
@inline export function fpuExponent(i: u32): u16 { return load<u16>(cpuBase + (<usize>i << 1), 1336); }
// @ts-ignore: decorator
@inline export function setFpuExponent(i: u32, v: u16): void { store<u16>(cpuBase + (<usize>i << 1), v, 1336); }
export const OFFSET_fpuControl: usize = 1352;
// @ts-ignore: decorator
@inline export function fpuControl(): u32 { return load<u32>(cpuBase, 1352); }
// @ts-ignore: decorator
@inline export function setFpuControl(v: u32): void { store<u32>(cpuBase, v, 1352); }
export const OFFSET_fpuStatus: usize = 1356;
// @ts-ignore: decorator
@inline export function fpuStatus(): u32 { return load<u32>(cpuBase, 1356); }
// @ts-ignore: decorator
@inline export function setFpuStatus(v: u32): void { store<u32>(cpuBase, v, 1356); }
export const OFFSET_fpuTag: usize = 1360;
// @ts-ignore: decorator
@inline export function fpuTag(): u32 { return load<u32>(cpuBase, 1360); }
// @ts-ignore: decorator
@inline export function setFpuTag(v: u32): void { store<u32>(cpuBase, v, 1360); }
export const OFFSET_fpuLastOpcode: usize = 1364;
// @ts-ignore: decorator
@inline export function fpuLastOpcode(): u32 { return load<u32>(cpuBase, 1364); }
// @ts-ignore: decorator
@inline export function setFpuLastOpcode(v: u32): void { store<u32>(cpuBase, v, 1364); }
export const OFFSET_fpuLastIp: usize = 1368;
// @ts-ignore: decorator
@inline export function fpuLastIp(): u64 { return load<u64>(cpuBase, 1368); }
// @ts-ignore: decorator
@inline export function setFpuLastIp(v: u64): void { store<u64>(cpuBase, v, 1368); }
export const OFFSET_fpuLastDp: usize = 1376;
// @ts-ignore: decorator
@inline export function fpuLastDp(): u64 { return load<u64>(cpuBase, 1376); }
// @ts-ignore: decorator
@inline export function setFpuLastDp(v: u64): void { store<u64>(cpuBase, v, 1376); }
export const OFFSET_fpuLastCs: usize = 1384;
// @ts-ignore: decorator
@inline export function fpuLastCs(): u32 { return load<u32>(cpuBase, 1384); }
// @ts-ignore: decorator
@inline export function setFpuLastCs(v: u32): void { store<u32>(cpuBase, v, 1384); }
export const OFFSET_fpuLastDs: usize = 1388;
// @ts-ignore: decorator
@inline export function fpuLastDs(): u32 { return load<u32>(cpuBase, 1388); }
// @ts-ignore: decorator
@inline export function setFpuLastDs(v: u32): void { store<u32>(cpuBase, v, 1388); }
export const OFFSET_mxcsr: usize = 1392;
// @ts-ignore: decorator
@inline export function mxcsr(): u32 { return load<u32>(cpuBase, 1392); }
// @ts-ignore: decorator
@inline export function setMxcsr(v: u32): void { store<u32>(cpuBase, v, 1392); }
export const OFFSET_mxcsrPad: usize = 1396;
// @ts-ignore: decorator
@inline export function mxcsrPad(i: u32): u32 { return load<u32>(cpuBase + (<usize>i << 2), 1396); }
// @ts-ignore: decorator
@inline export function setMxcsrPad(i: u32, v: u32): void { store<u32>(cpuBase + (<usize>i << 2), v, 1396); }
export const OFFSET_xmm: usize = 1408;
// @ts-ignore: decorator
@inline export function xmm(i: u32): v128 { return load<v128>(cpuBase + (<usize>i << 4), 1408); }
// @ts-ignore: decorator
@inline export function setXmm(i: u32, v: v128): void { store<v128>(cpuBase + (<usize>i << 4), v, 1408); }
export const OFFSET_xmmScratch: usize = 1664;
// @ts-ignore: decorator
@inline export function xmmScratch(i: u32): v128 { return load<v128>(cpuBase + (<usize>i << 4), 1664); }
// @ts-ignore: decorator
@inline export function setXmmScratch(i: u32, v: v128): void { store<v128>(cpuBase + (<usize>i << 4), v, 1664); }
