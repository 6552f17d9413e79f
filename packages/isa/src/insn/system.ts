import { insn, type Traits, table } from '../define.ts';
import type { Size } from '../semantics.ts';

const SYSTEM: Traits = { endsBlock: true, usesFlags: true };
/** Segment registers whose load inhibits interrupts for one instruction. */
const SS = 2;

const MOV_FROM_SEGMENT = insn('mov', { noFault: true }, (s, [dst, src]) => {
  s.write(dst, s.zeroExtend(s.read(src), dst.size as Size));
});
const MOV_TO_SEGMENT = insn('mov', SYSTEM, (s, [dst, src]) => {
  if (dst.index === 1) {
    s.raise(6); // MOV to CS.
    return;
  }
  s.loadSegment(s.specialIndex(dst), s.zeroExtend(s.read(src), 32), false);
});
const POP_SEGMENT = insn('pop', SYSTEM, (s, [dst]) => {
  const selector = s.let(s.zeroExtend(s.readStack(0, 16), 32));
  s.loadSegment(s.int(dst.index), selector, true);
});
const LOAD_FAR = (segment: number, name: string) =>
  insn(name, SYSTEM, (s, [dst, pointer]) => {
    const offset = s.let(s.readAt(pointer, 0, s.size));
    const selector = s.let(s.zeroExtend(s.readAt(pointer, s.size / 8, 16), 32));
    s.loadSegment(s.int(segment), selector, false);
    s.write(dst, offset);
  });

const IN = insn('in', SYSTEM, (s, [dst, port]) => {
  const size = Math.min(dst.size, 32) as Size;
  const value = s.let(s.system('portIn', [s.zeroExtend(s.read(port), 32), s.int(size / 8)], 32));
  s.writeRegister(0, s.truncate(value, size));
});
const OUT = insn('out', SYSTEM, (s, [port, src]) => {
  const size = Math.min(src.size, 32) as Size;
  s.system('portOut', [
    s.zeroExtend(s.read(port), 32),
    s.int(size / 8),
    s.zeroExtend(s.readRegister(0, size), 32),
  ]);
});

const HLT = insn('hlt', SYSTEM, (s) => s.system('hlt', []));
const CLI = insn('cli', SYSTEM, (s) => s.system('cli', []));
const STI = insn('sti', SYSTEM, (s) => s.system('sti', []));
const CLC = insn('clc', { usesFlags: true, noFault: true }, (s) => s.flagsReplace(1, s.int(0)));
const STC = insn('stc', { usesFlags: true, noFault: true }, (s) => s.flagsReplace(1, s.int(1)));
const CMC = insn('cmc', { usesFlags: true, noFault: true }, (s) => {
  s.flagsReplace(1, s.xor(s.zeroExtend(s.carry(), 32), s.int(1)));
});
const DF = 1 << 10;
const CLD = insn('cld', { noFault: true }, (s) => {
  s.writeState('systemFlags', s.and(s.readState('systemFlags'), s.int(~DF)));
});
const STD = insn('std', { noFault: true }, (s) => {
  s.writeState('systemFlags', s.or(s.readState('systemFlags'), s.int(DF)));
});
const SALC = insn('salc', { usesFlags: true, noFault: true }, (s) => {
  s.writeRegister(0, s.truncate(s.neg(s.zeroExtend(s.carry(), 32)), 8));
});
const ARPL = insn('arpl', SYSTEM, (s, [dst, src]) => {
  const a = s.let(s.readForWrite(dst));
  const b = s.let(s.read(src));
  s.call('requireProtected', [], 32);
  s.raiseIf(s.ne(s.readState('faultPending'), s.int(0)), 6);
  const three = s.constant(3, 16);
  const lower = s.let(s.ltU(s.and(a, three), s.and(b, three)));
  s.write(dst, s.select(lower, s.or(s.and(a, s.constant(0xfffc, 16)), s.and(b, three)), a));
  s.flagsReplace(0x40, s.shl(s.zeroExtend(lower, 32), s.int(6)));
});

const SLDT = insn('sldt', SYSTEM, (s, [dst]) => {
  const value = s.let(s.system('sldt', [], 32));
  s.write(dst, s.zeroExtend(value, dst.size as Size));
});
const STR = insn('str', SYSTEM, (s, [dst]) => {
  const value = s.let(s.system('str', [], 32));
  s.write(dst, s.zeroExtend(value, dst.size as Size));
});
const LLDT = insn('lldt', SYSTEM, (s, [src]) => s.system('lldt', [s.zeroExtend(s.read(src), 32)]));
const LTR = insn('ltr', SYSTEM, (s, [src]) => s.system('ltr', [s.zeroExtend(s.read(src), 32)]));
const verify = (name: string) =>
  insn(name, SYSTEM, (s, [src]) => {
    const ok = s.let(s.system(name, [s.zeroExtend(s.read(src), 32)], 32));
    s.flagsReplace(0x40, s.shl(s.and(ok, s.int(1)), s.int(6)));
  });
/** LAR and LSL: the runtime returns all ones when the selector gives nothing. */
const descriptorPart = (name: string) =>
  insn(name, SYSTEM, (s, [dst, src]) => {
    const value = s.let(s.system(name, [s.zeroExtend(s.read(src), 32)], 64));
    const failed = s.let(s.eq(value, s.constant64(0xffff_ffff, 0xffff_ffff)));
    const size = dst.size as Size;
    s.write(dst, s.select(failed, s.read(dst), s.zeroExtend(value, size)));
    s.flagsReplace(0x40, s.shl(s.xor(s.zeroExtend(failed, 32), s.int(1)), s.int(6)));
  });

const storeTable = (name: string, limit: string, base: string) =>
  insn(name, SYSTEM, (s, [dst]) => {
    s.system('checkUmip', []);
    s.writeAt(dst, 0, s.truncate(s.readState(limit), 16));
    const wide = s.addressMode64();
    if (wide) s.writeAt(dst, 2, s.readState(base));
    else s.writeAt(dst, 2, s.truncate(s.readState(base), 32));
  });
const loadTable = (name: string, call: string) =>
  insn(name, SYSTEM, (s, [src]) => {
    const limit = s.let(s.zeroExtend(s.readAt(src, 0, 16), 32));
    const wide = s.addressMode64();
    const raw = s.readAt(src, 2, wide ? 64 : 32);
    const base = wide
      ? raw
      : s.and(s.zeroExtend(raw, 64), s.constant64(0, s.size === 16 ? 0xff_ffff : 0xffff_ffff));
    s.system(call, [limit, base]);
  });
const SMSW = insn('smsw', SYSTEM, (s, [dst]) => {
  s.system('checkUmip', []);
  s.write(dst, s.zeroExtend(s.readState('cr0'), dst.size as Size));
});
const LMSW = insn('lmsw', SYSTEM, (s, [src]) => s.system('lmsw', [s.zeroExtend(s.read(src), 64)]));
const INVLPG = insn('invlpg', SYSTEM, (s, [place]) => s.system('invlpg', [s.linear(place, 0)]));
const INVPCID = insn('invpcid', SYSTEM, (s, [type, descriptor]) => {
  s.system('invpcid', [s.zeroExtend(s.read(type), 64), s.linear(descriptor, 16)]);
});
const MOV_FROM_CR = insn('mov', SYSTEM, (s, [dst, src]) => {
  s.write(dst, s.truncate(s.let(s.system('readCr', [s.specialIndex(src)], 64)), s.size));
});
const MOV_TO_CR = insn('mov', SYSTEM, (s, [dst, src]) => {
  s.system('writeCr', [s.specialIndex(dst), s.zeroExtend(s.read(src), 64)]);
});
const MOV_FROM_DR = insn('mov', SYSTEM, (s, [dst, src]) => {
  s.write(dst, s.truncate(s.let(s.system('readDr', [s.specialIndex(src)], 64)), s.size));
});
const MOV_TO_DR = insn('mov', SYSTEM, (s, [dst, src]) => {
  s.system('writeDr', [s.specialIndex(dst), s.zeroExtend(s.read(src), 64)]);
});
/** An instruction that is one runtime function on the state. */
const plain = (name: string, call = name) => insn(name, SYSTEM, (s) => s.system(call, []));
const CPUID = insn('cpuid', SYSTEM, (s) => s.system('cpuidInstruction', []));
const SYSEXIT = insn('sysexit', SYSTEM, (s) => s.system('sysexit', [s.int(s.size === 64 ? 8 : 4)]));
const SYSRET = insn('sysret', SYSTEM, (s) =>
  s.system('sysretInstruction', [s.int(s.size === 64 ? 8 : 4)]),
);
const MONITOR = insn('monitor', SYSTEM, (s) => {
  s.system('monitor', [s.add(s.segmentBase(), s.and(s.readRegister(0, 64), s.addressMask()))]);
});
/** No cache holds a line that could be written back: these fault as a read of one byte does. */
const cacheLine = (name: string) =>
  insn(name, { noFault: false }, (s, [place]) => {
    s.callFaulting('touch', [s.linear(place, 1)], 32);
  });
/** PCOMMIT: stores to persistent memory are accepted as they are made. [ISE] 319433-024 ch. 10. */
const PCOMMIT = insn('pcommit', { noFault: true }, () => {});
const FENCE = insn('fence', { noFault: true }, () => {});
/** STAC and CLAC choose other shadow tables, so they end the block. */
const STAC = insn('stac', SYSTEM, (s) => s.system('stac', []));
const CLAC = insn('clac', SYSTEM, (s) => s.system('clac', []));
const baseAccess = (name: string) =>
  insn(name, SYSTEM, (s, [operand]) => {
    if (name.startsWith('rd')) {
      const value = s.let(s.system('readSegmentBase', [s.int(name === 'rdfsbase' ? 4 : 5)], 64));
      s.write(operand, s.zeroExtend(value, operand.size as Size));
    } else {
      s.system('writeSegmentBase', [
        s.int(name === 'wrfsbase' ? 4 : 5),
        s.zeroExtend(s.read(operand), 64),
      ]);
    }
  });
/** RDRAND and RDSEED: CF = 1, the other flags cleared. */
const random = (name: string) =>
  insn(name, { usesFlags: true }, (s, [dst]) => {
    const low = s.zeroExtend(s.call('randomWord', [], 32), 64);
    const high = s.shl(s.zeroExtend(s.call('randomWord', [], 32), 64), s.int(32));
    s.write(dst, s.zeroExtend(s.or(low, high), dst.size as Size));
    s.flagsReplace(0x8d5, s.int(1));
  });

export const system = table({
  '07': [POP_SEGMENT, 'ES', 'i64'],
  '17': [POP_SEGMENT, 'SS', 'i64'],
  '1F': [POP_SEGMENT, 'DS', 'i64'],
  '0F A1': [POP_SEGMENT, 'FS', 'd64'],
  '0F A9': [POP_SEGMENT, 'GS', 'd64'],
  '63': [ARPL, 'Ew,Gw', 'i64'],
  '8C': [MOV_FROM_SEGMENT, 'Mw/Rv,Sw'],
  '8E': [MOV_TO_SEGMENT, 'Sw,Ew'],
  'C4 m': [LOAD_FAR(0, 'les'), 'Gv,M', 'i64'],
  'C5 m': [LOAD_FAR(3, 'lds'), 'Gv,M', 'i64'],
  '0F B2 m': [LOAD_FAR(SS, 'lss'), 'Gv,M'],
  '0F B4 m': [LOAD_FAR(4, 'lfs'), 'Gv,M'],
  '0F B5 m': [LOAD_FAR(5, 'lgs'), 'Gv,M'],
  D6: [SALC, '', 'i64'],
  E4: [IN, 'AL,Ib'],
  E5: [IN, 'rAX,Ib'],
  E6: [OUT, 'Ib,AL'],
  E7: [OUT, 'Ib,rAX'],
  EC: [IN, 'AL,DX'],
  ED: [IN, 'rAX,DX'],
  EE: [OUT, 'DX,AL'],
  EF: [OUT, 'DX,rAX'],
  F4: [HLT, ''],
  F5: [CMC, ''],
  F8: [CLC, ''],
  F9: [STC, ''],
  FA: [CLI, ''],
  FB: [STI, ''],
  FC: [CLD, ''],
  FD: [STD, ''],
  '0F 00 /0': [SLDT, 'Mw/Rv'],
  '0F 00 /1': [STR, 'Mw/Rv'],
  '0F 00 /2': [LLDT, 'Ew'],
  '0F 00 /3': [LTR, 'Ew'],
  '0F 00 /4': [verify('verr'), 'Ew'],
  '0F 00 /5': [verify('verw'), 'Ew'],
  '0F 01 /0m': [storeTable('sgdt', 'gdtrLimit', 'gdtrBase'), 'M'],
  '0F 01 /1m': [storeTable('sidt', 'idtrLimit', 'idtrBase'), 'M'],
  '0F 01 /2m': [loadTable('lgdt', 'setGdtr'), 'M'],
  '0F 01 /3m': [loadTable('lidt', 'setIdtr'), 'M'],
  '0F 01 /4': [SMSW, 'Mw/Rv'],
  '0F 01 /6': [LMSW, 'Ew'],
  '0F 01 /7m': [INVLPG, 'M'],
  '0F 01 =C8': [MONITOR, ''],
  '0F 01 =C9': [plain('mwait'), ''],
  '0F 01 =CA': [CLAC, ''],
  '0F 01 =CB': [STAC, ''],
  '0F 01 =D0': [plain('xgetbv'), ''],
  '0F 01 =D1': [plain('xsetbv'), ''],
  '0F 01 =F8': [plain('swapgs'), '', 'o64'],
  '0F 01 =F9': [plain('rdtscp'), ''],
  '0F 02': [descriptorPart('lar'), 'Gv,Ew'],
  '0F 03': [descriptorPart('lsl'), 'Gv,Ew'],
  '0F 05': [plain('syscall', 'syscallInstruction'), ''],
  '0F 06': [plain('clts'), ''],
  '0F 07': [SYSRET, ''],
  '0F 08': [plain('invd', 'cacheInstruction'), ''],
  '0F 09': [plain('wbinvd', 'cacheInstruction'), ''],
  '0F 20': [MOV_FROM_CR, 'Rv,Cd'],
  '0F 21': [MOV_FROM_DR, 'Rv,Dd'],
  '0F 22': [MOV_TO_CR, 'Cd,Rv'],
  '0F 23': [MOV_TO_DR, 'Dd,Rv'],
  '0F 30': [plain('wrmsr'), ''],
  '0F 31': [plain('rdtsc'), ''],
  '0F 32': [plain('rdmsr'), ''],
  '0F 33': [plain('rdpmc'), ''],
  '0F 34': [plain('sysenter'), ''],
  '0F 35': [SYSEXIT, ''],
  '0F A2': [CPUID, ''],
  'NP 0F AE /7m': [cacheLine('clflush'), 'Mb'],
  '66 0F AE /7m': [cacheLine('clflushopt'), 'Mb'],
  '66 0F AE /6m': [cacheLine('clwb'), 'Mb'],
  '66 0F AE =F8': [PCOMMIT, ''],
  'NP 0F AE /5r': [FENCE, 'Rd'],
  'NP 0F AE /6r': [FENCE, 'Rd'],
  'NP 0F AE /7r': [FENCE, 'Rd'],
  'F3 0F AE /0r': [baseAccess('rdfsbase'), 'Ry', 'o64'],
  'F3 0F AE /1r': [baseAccess('rdgsbase'), 'Ry', 'o64'],
  'F3 0F AE /2r': [baseAccess('wrfsbase'), 'Ry', 'o64'],
  'F3 0F AE /3r': [baseAccess('wrgsbase'), 'Ry', 'o64'],
  '0F C7 /6r': [random('rdrand'), 'Rv'],
  '66 0F38 82 m': [INVPCID, 'Gq,M'],
});
