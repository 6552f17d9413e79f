/**
 * The one table of where things are in the machine's memory block: the shared areas, and the state
 * block of a processor. The translator, the AssemblyScript runtime (through a generated file),
 * snapshots and the debugger all take their addresses and names from here.
 */

/** Addresses of the areas that a machine's processors share, as offsets in the memory block. */
export const AREA = {
  /** Static data of the AssemblyScript runtime. */
  RUNTIME_DATA: 0x0001_0000,
  RUNTIME_DATA_SIZE: 0x000f_0000,
  /**
   * Guest-physical page (below 4 GiB) to host page: u32 each. Bits 31:12 are the host offset of the
   * page, bit 0 = readable memory is there, bit 1 = writable.
   */
  PHYS_MAP: 0x0010_0000,
  /** Flags of each host page, u32: see PAGE_FLAG. */
  PAGE_INFO: 0x0050_0000,
  /** Which 64-byte granules of a host page were decoded as code: u64 each. */
  CODE_MASK: 0x0090_0000,
  /** First shadow slot that maps a host page writable: u32 each (0 = none). */
  WRITE_HEADS: 0x0110_0000,
  /** Descriptions of tracked page-table pages. */
  PT_POOL: 0x0150_0000,
  PT_POOL_COUNT: 0x4000,
  PT_ENTRY_SIZE: 192,
  /** State blocks of the processors. */
  CPU: 0x0180_0000,
  CPU_SIZE: 0x0280_0000,
  /** Heads of the hash chains of blocks: u32 each. */
  BLOCK_HASH: 0x0440_0000,
  BLOCK_HASH_COUNT: 0x1_0000,
  /** Decoded blocks and their instruction records. */
  CODE_POOL: 0x0480_0000,
  CODE_POOL_SIZE: 0x0380_0000,
  /** Guest RAM; video memory and ROMs follow it. */
  RAM: 0x0800_0000,
} as const;

/** Flags in AREA.PAGE_INFO. The upper 16 bits are the index into PT_POOL. */
export const PAGE_FLAG = {
  /** Holds decoded or translated code: stores take the slow path. */
  CODE: 1 << 0,
  /** Served as a page table: stores take the slow path. */
  PAGE_TABLE: 1 << 1,
  /** ROM: stores are ignored. */
  ROM: 1 << 2,
} as const;

export type FieldType = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'v128';

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly count: number;
  readonly offset: number;
}

const SIZE: Record<FieldType, number> = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, v128: 16 };

type Row = readonly [name: string, type: FieldType, count?: number];

const ROWS = [
  // General registers in the order of their encoding; zero and rip follow for address forms.
  ['gpr', 'u64', 16],
  ['zero', 'u64'], // Always 0: the base or index of an address without one.
  ['rip', 'u64'], // Of the current instruction while a helper runs or a fault is pending.
  ['nextRip', 'u64'], // Of the following one; a helper that transfers control sets it.
  // RFLAGS: arithmetic flags are lazy (flagOp, flagA, flagB; see flags.ts), the rest is here.
  ['flagA', 'u64'],
  ['flagB', 'u64'],
  ['flagOp', 'u32'],
  ['systemFlags', 'u32'], // TF IF DF IOPL NT RF VM AC VIF VIP ID at their places; other bits 0.
  // Segment registers in the order ES CS SS DS FS GS LDTR TR.
  ['segSelector', 'u32', 8],
  ['segAttr', 'u32', 8], // Bits 23:8 of the descriptor's high doubleword, shifted down by 8: see SEG.
  ['segLimit', 'u32', 8], // In bytes, expanded by G.
  ['segCheck', 'u32', 8], // 0: every access is in bounds and allowed; else SEG_CHECK bits.
  ['segBase', 'u64', 8], // As loaded.
  ['segEffBase', 'u64', 8], // As added to addresses: 0 for ES CS SS DS in 64-bit mode.
  ['cpl', 'u32'],
  ['modeKey', 'u32'], // See MODE.
  ['stackMask', 'u64'], // 0xffff, 0xffffffff or all ones: the width of the stack pointer.
  ['ipMask', 'u64'], // The same for the instruction pointer.
  ['gdtrBase', 'u64'],
  ['idtrBase', 'u64'],
  ['gdtrLimit', 'u32'],
  ['idtrLimit', 'u32'],
  ['cr0', 'u64'],
  ['cr2', 'u64'],
  ['cr3', 'u64'],
  ['cr4', 'u64'],
  ['pdpte', 'u64', 4], // PAE paging's four top entries, as latched.
  ['xcr0', 'u64'],
  ['efer', 'u64'],
  ['dr', 'u64', 8],
  // Model-specific registers.
  ['msrStar', 'u64'],
  ['msrLstar', 'u64'],
  ['msrCstar', 'u64'],
  ['msrSfmask', 'u64'],
  ['msrKernelGsBase', 'u64'],
  ['msrSysenterCs', 'u64'],
  ['msrSysenterEsp', 'u64'],
  ['msrSysenterEip', 'u64'],
  ['msrPat', 'u64'],
  ['msrTscAux', 'u64'],
  ['msrMiscEnable', 'u64'],
  ['msrMtrrDefType', 'u64'],
  ['msrMtrrFixed', 'u64', 11],
  ['msrMtrrVariable', 'u64', 16],
  ['msrMcgStatus', 'u64'],
  ['msrMcgCtl', 'u64'],
  ['msrSpecCtrl', 'u64'],
  ['msrDebugCtl', 'u64'],
  ['msrTscAdjust', 'u64'],
  ['msrFeatureControl', 'u64'],
  ['tscOffset', 'u64'], // Added to the counter derived from the machine's clock.
  ['msrValue', 'u64'], // Passes a value between wasm and JavaScript.
  // The pending fault: raised by the memory path and the helpers, delivered by the run loop.
  ['faultPending', 'u32'],
  ['faultVector', 'u32'],
  ['faultHasError', 'u32'],
  ['faultError', 'u32'],
  ['faultIsTrap', 'u32'], // 1: RIP to push is nextRip already stored in rip (#DB after single step).
  // What happened while an instruction ran.
  ['exitReason', 'u32'], // See EXIT.
  ['exitDetail', 'u32'],
  ['inhibitInterrupts', 'u32'], // Until the end of the next instruction: see INHIBIT.
  ['debugPending', 'u64'], // DR6 bits of a #DB due at the end of the instruction.
  ['nmiMasked', 'u32'],
  ['nmiLatched', 'u32'], // An NMI waits for the mask to go.
  ['deliveryDepth', 'u32'], // Exceptions being delivered inside each other: double fault, shutdown.
  ['deliveryVector', 'u32'],
  // Asynchronous requests: written by other threads with Atomics.or; see PENDING.
  ['pending', 'i32'],
  ['codeChanged', 'u32'], // A store hit decoded code: leave the block after this instruction.
  ['a20Mask', 'u64'], // ANDed to guest-physical addresses.
  ['maxPhysMask', 'u64'], // Bits of a physical address that exist.
  // Where the current block began: RIP = blockRip + record.offset while the interpreter runs.
  ['blockRip', 'u64'],
  ['blockPointer', 'u32'],
  ['generation', 'u32'], // Number of the current space's code mappings; changes when one goes.
  ['jumpKey', 'u32'], // generation << 14 | modeKey & JUMP_MODE: tag of entries in the jump cache.
  ['interruptLine', 'u32'], // 1 while INTR is asserted.
  ['engine', 'u32'], // Executions of a block after which it is translated; 0 = never.
  ['cr4Hidden', 'u32'], // Bits of CR4 that this processor model lacks.
  ['eferHidden', 'u32'],
  ['mmuTwoStage', 'u32'], // 1: no shadow is kept across CR3 loads.
  // Shadow page tables of the current space: addresses of the tables in use at this privilege.
  ['readTable', 'u32'],
  ['writeTable', 'u32'],
  ['fetchTable', 'u32'],
  ['space', 'u32'], // Index of the current space.
  // Scratch for helpers.
  ['scratch', 'u64', 8],
  // Counters.
  ['statFills', 'u64'],
  ['statSlowReads', 'u64'],
  ['statSlowWrites', 'u64'],
  ['statFaults', 'u64'],
  ['statInterrupts', 'u64'],
  ['statBlocks', 'u64'],
  ['statJumpMisses', 'u64'],
  ['statSpaceSwitches', 'u64'],
  ['statInterpreted', 'u64'],
  // x87: the register file holds 80-bit values as 64-bit significand then 16-bit sign+exponent.
  ['fpuSignificand', 'u64', 8], // Physical registers R0 to R7.
  ['fpuExponent', 'u16', 8],
  ['fpuControl', 'u32'],
  ['fpuStatus', 'u32'], // TOP kept in bits 13:11.
  ['fpuTag', 'u32'], // Abridged: bit i set = physical register i is not empty (as in FXSAVE).
  ['fpuLastOpcode', 'u32'], // FOP, 11 bits.
  ['fpuLastIp', 'u64'],
  ['fpuLastDp', 'u64'],
  ['fpuLastCs', 'u32'],
  ['fpuLastDs', 'u32'],
  ['mxcsr', 'u32'],
  ['mxcsrPad', 'u32', 3],
  ['xmm', 'v128', 16],
  ['xmmScratch', 'v128', 4],
] as const satisfies readonly Row[];

export type FieldName = (typeof ROWS)[number][0];

function layOut(): { fields: readonly Field[]; sizeBytes: number } {
  const fields: Field[] = [];
  let offset = 0;
  for (const row of ROWS as readonly Row[]) {
    const [name, type, count = 1] = row;
    const align = SIZE[type];
    offset = Math.ceil(offset / align) * align;
    fields.push({ name, type, count, offset });
    offset += align * count;
  }
  return { fields, sizeBytes: offset };
}

const LAID_OUT = layOut();

/** All fields of a processor's state block, in order. */
export const FIELDS: readonly Field[] = LAID_OUT.fields;

/** Offset of each field from the start of a processor's block. */
export const STATE: Readonly<Record<FieldName, number>> = Object.fromEntries(
  FIELDS.map((field) => [field.name, field.offset]),
) as Record<FieldName, number>;

/** Bytes of the state block proper (the tables below come after it). */
export const STATE_SIZE = LAID_OUT.sizeBytes;

/** Parts of a processor's block behind its state, as offsets from the block's start. */
export const CPU_AREA = {
  /** Jump cache: linear address to translated function; see JUMP_CACHE. */
  JUMP_CACHE: 0x0001_0000,
  /** The run loop's cache: linear address to block, with entries like those of the jump cache. */
  BLOCK_CACHE: 0x0005_0000,
  /** Reverse map: next and previous slot of each write-table slot, two u32 each. */
  WRITE_LINKS: 0x0010_0000,
  /** A shadow table that stays empty: the one in use while alignment is checked. */
  EMPTY_TABLE: 0x0060_0000,
  /** Spaces' descriptions. */
  SPACES: 0x000f_0000,
  /** Shadow tables of all spaces. */
  SHADOW: 0x0080_0000,
} as const;

/** Jump cache entries: u64 linear address, u32 key (generation and mode), u32 function. */
export const JUMP_CACHE = { COUNT: 16_384, ENTRY_SIZE: 16 } as const;

/**
 * Shadow tables: direct-mapped entries of 16 bytes, u64 tag (linear page address, or all ones), i32
 * addend (host offset minus linear address, modulo 2^32), u32 host page.
 */
export const SHADOW = {
  ENTRIES: 4096,
  ENTRY_SIZE: 16,
  /** Bytes of one table. */
  TABLE_SIZE: 4096 * 16,
  /** A space's tables. K: supervisor, A: supervisor with EFLAGS.AC under SMAP, U: user. */
  TABLE: {
    READ_K: 0,
    WRITE_K: 1,
    READ_A: 2,
    WRITE_A: 3,
    READ_U: 4,
    WRITE_U: 5,
    FETCH_K: 6,
    FETCH_U: 7,
  },
  TABLES: 8,
  SPACES: 32,
} as const;

/** Bits of the mode key under which code is decoded and translated. */
export const MODE = {
  /** Default operand and address size of code: 0 = 16, 1 = 32, 2 = 64 bits. */
  CODE_SIZE: 0b11,
  /** The stack pointer is ESP (SS.B = 1); in 64-bit mode always clear. */
  STACK32: 1 << 2,
  USER: 1 << 3,
  /** ES, SS and DS have base 0 and never fail a check. */
  FLAT_DATA: 1 << 4,
  /** CS has base 0 and limit 4 GiB (or 64-bit mode). */
  FLAT_CODE: 1 << 5,
  /** CR0.EM or CR0.TS: x87 instructions raise #NM. */
  NO_X87: 1 << 6,
  /** SSE instructions raise #UD or #NM. */
  NO_SSE: 1 << 7,
  /** EFER.LMA. */
  LONG: 1 << 8,
  VIRTUAL_8086: 1 << 9,
  REAL: 1 << 10,
  /** EFLAGS.TF or a debug breakpoint: interpreter only, one at a time. */
  SINGLE_STEP: 1 << 11,
  /** Supervisor with EFLAGS.AC set under SMAP. */
  SMAP_OVERRIDE: 1 << 12,
  /** CPL 3 with CR0.AM and EFLAGS.AC: alignment is checked, on the slow paths that all take. */
  ALIGNMENT: 1 << 13,
} as const;

/** Bits of the mode key that change what an instruction's bytes mean or how they are translated. */
export const BLOCK_MODE = 0b10_1000_1111_0111;
/**
 * Bits of the mode key that tell entries of the jump cache apart. A region that waits for a return
 * must find them as they were: what it keeps of the shadow tables depends on them.
 */
export const JUMP_MODE = BLOCK_MODE | MODE.USER | MODE.SMAP_OVERRIDE;

/** A decoded block: a header, then instruction records. Offsets in the header, u32 unless said. */
export const BLOCK = {
  /** Host address of the first byte. */
  HOST: 0,
  /** modeKey & BLOCK_MODE. */
  MODE: 4,
  /** Index in the function table of its translation, or 0. */
  FUNCTION: 8,
  /** Executions by the interpreter. */
  COUNT: 12,
  HASH_NEXT: 16,
  /** Host page of the last byte when the (only) instruction crosses a page; else 0. */
  SECOND_PAGE: 24,
  /** Number of instructions. */
  LENGTH: 28,
  /** Bytes of guest code. */
  BYTES: 32,
  /** 1 when its code was overwritten. */
  DEAD: 36,
  /**
   * Other pages that its translation has code on, or 0: address of their count, then for each its
   * distance from the block's page in linear pages (i32) and its host page.
   */
  PAGES: 40,
  /** How often those pages were not mapped as the translation wants them. */
  MISFITS: 44,
  HEADER_SIZE: 64,
} as const;

/** An instruction record. */
export const RECORD = {
  /** u32: index in the function table of the interpreter's handler. */
  HANDLER: 0,
  /** u16: offset of the instruction in its block. */
  OFFSET: 4,
  /** u16: offset of the next instruction. */
  NEXT: 6,
  /** u16: byte offset in the state of the operand that ModRM.reg (or the opcode) names. */
  REG: 8,
  /** u16: the same for ModRM.rm as a register. */
  RM: 10,
  /** u16: base register of the address (offset of `zero` when none). */
  BASE: 12,
  /** u16: index register. */
  INDEX: 14,
  /** i32: displacement. */
  DISP: 16,
  /** u8: scale as a shift count. */
  SCALE: 20,
  /** u8: segment register of the address. */
  SEG: 21,
  /** u8: 64 less the address size in bits. */
  ADDRESS_SHIFT: 22,
  /** u8: third register operand (VEX-less forms use it for bits of the instruction itself). */
  EXTRA: 23,
  /** i64: immediate. */
  IMM: 24,
  SIZE: 32,
} as const;

/** What a handler or a translated region returns. */
export const STATUS = {
  /** Handler: go on with the next record. */
  NEXT: 0,
  /** Control was transferred, rip is set. Region: look up rip. */
  JUMP: 1,
  /** A fault is pending; rip is to be that of the instruction. */
  FAULT: 2,
  /** Leave the block after this instruction: rip becomes the next instruction's. */
  LEAVE: 3,
  /** Region: the instruction at rip is for the interpreter. */
  BAIL: 4,
  /** A system instruction ran: rip becomes nextRip, and everything is looked at anew. */
  SYSTEM: 5,
  /** Region: a near return; the region that called may go on if rip is where it wants to. */
  RETURN: 6,
} as const;

/**
 * Most regions that wait for one another's return. What a region keeps in locals takes some KiB of
 * the host's stack in V8's baseline code.
 */
export const CALL_DEPTH_MAX = 64;

/** Bits of the `pending` word. */
export const PENDING = {
  /** The machine's service() wants to run. */
  SERVICE: 1 << 0,
  /** INTR is asserted. */
  INTERRUPT: 1 << 1,
  NMI: 1 << 2,
  STOP: 1 << 3,
  INIT: 1 << 4,
  /** Code was forgotten: regions that wait for a return must not go on. */
  UNWIND: 1 << 5,
} as const;

/** Values of `exitReason`. */
export const EXIT = {
  NONE: 0,
  HALT: 1,
  /** Triple fault. */
  SHUTDOWN: 2,
  /** Something the processor cannot do; exitDetail says what. */
  FAILURE: 3,
} as const;

/** Values of `inhibitInterrupts`. [SDM] vol. 3A §6.8.3. */
export const INHIBIT = {
  NONE: 0,
  /** STI: maskable interrupts and NMIs wait. */
  INTERRUPTS: 1,
  /** MOV SS and POP SS: debug exceptions wait as well. */
  ALL: 2,
} as const;

/**
 * Added to the size that the slow paths of memory take: the segment is SS in 64-bit mode, where a
 * non-canonical address is #SS(0) instead of #GP(0). [SDM] vol. 1 §3.3.7.1.
 */
export const ACCESS_STACK = 1 << 8;

/** Bits of `segCheck`. */
export const SEG_CHECK = { READ: 1 << 0, WRITE: 1 << 1 } as const;

/** Segment attribute bits: access byte in bits 7:0, then AVL L D/B G in bits 15:12. */
export const SEG = {
  TYPE: 0x0f,
  ACCESSED: 1 << 0,
  /** Data: writable. Code: readable. */
  WRITABLE: 1 << 1,
  /** Data: expands down. Code: conforming. */
  EXPAND_DOWN: 1 << 2,
  CODE: 1 << 3,
  S: 1 << 4,
  DPL_SHIFT: 5,
  P: 1 << 7,
  AVL: 1 << 12,
  L: 1 << 13,
  DB: 1 << 14,
  G: 1 << 15,
} as const;

/** Indices of the segment registers. */
export const SREG = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5, LDTR: 6, TR: 7 } as const;

/** Kinds of lazy flags in `flagOp`: kind << 4 | log2(operand bytes) << 1 | carry-in (ADD, SUB). */
export const FLAG_KIND = {
  /** flagA holds the arithmetic flags as in EFLAGS. */
  EFLAGS: 0,
  /** flagA = result, flagB = second operand of an addition (with carry-in in bit 0). */
  ADD: 1,
  /** flagA = first operand, flagB = second operand of a subtraction (with borrow in bit 0). */
  SUB: 2,
  /** flagA = result; CF = OF = AF = 0. */
  LOGIC: 3,
  /** flagA = result for SF ZF PF; flagB holds CF AF OF as in EFLAGS. */
  RESULT: 4,
} as const;

/** EFLAGS bits. */
export const EFLAGS = {
  CF: 1 << 0,
  PF: 1 << 2,
  AF: 1 << 4,
  ZF: 1 << 6,
  SF: 1 << 7,
  TF: 1 << 8,
  IF: 1 << 9,
  DF: 1 << 10,
  OF: 1 << 11,
  IOPL: 3 << 12,
  NT: 1 << 14,
  RF: 1 << 16,
  VM: 1 << 17,
  AC: 1 << 18,
  VIF: 1 << 19,
  VIP: 1 << 20,
  ID: 1 << 21,
  ARITHMETIC: 0x8d5,
} as const;

/** The objects above that the AssemblyScript runtime shares, by prefix. */
export const SHARED_CONSTANTS = {
  AREA,
  PAGE_FLAG,
  CPU_AREA,
  JUMP_CACHE,
  MODE,
  PENDING,
  EXIT,
  INHIBIT,
  SEG_CHECK,
  SEG,
  SREG,
  FLAG_KIND,
  EFLAGS,
  BLOCK,
  RECORD,
  STATUS,
} as const;
