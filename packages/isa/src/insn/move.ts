import { insn, table } from '../define.ts';
import type { Size } from '../semantics.ts';

const PLAIN = { noFault: true } as const;

/** MOV between registers, memory and immediates. [SDM] vol. 2B, "MOV—Move". */
export const MOV = insn('mov', PLAIN, (s, [dst, src]) => s.write(dst, s.read(src)));
export const LEA = insn('lea', PLAIN, (s, [dst, src]) => {
  s.write(dst, s.truncate(s.zeroExtend(s.address(src), 64), dst.size as Size));
});
const MOVZX = insn('movzx', PLAIN, (s, [dst, src]) => {
  s.write(dst, s.zeroExtend(s.read(src), dst.size as Size));
});
const MOVSX = insn('movsx', PLAIN, (s, [dst, src]) => {
  const value = s.read(src);
  s.write(
    dst,
    value.size > dst.size
      ? s.truncate(value, dst.size as Size)
      : s.signExtend(value, dst.size as Size),
  );
});
/** XCHG; with memory it is locked without a prefix. */
const XCHG = insn('xchg', PLAIN, (s, [dst, src]) => {
  const a = s.let(s.readForWrite(dst));
  const b = s.let(s.read(src));
  s.write(dst, b);
  s.write(src, a);
});
const NOP = insn('nop', PLAIN, () => {});
const PAUSE = insn('pause', PLAIN, () => {});

const PUSH = insn('push', {}, (s, [src]) => {
  const value = s.read(src);
  s.push(value.size === s.size ? value : s.signExtend(value, s.size));
});
const PUSH_SEGMENT = insn('push', {}, (s, [src]) => s.push(s.zeroExtend(s.read(src), s.size)));
const POP = insn('pop', {}, (s, [dst]) => {
  if (dst.kind === 'memory') s.assumeStackMoved(s.size / 8);
  s.write(dst, s.pop(s.size));
});
/** PUSHA/PUSHAD: all eight registers, with SP as it was. */
const PUSHA = insn('pusha', { endsBlock: true }, (s) => s.system('pushAll', [s.int(s.size / 8)]));
const POPA = insn('popa', { endsBlock: true }, (s) => s.system('popAll', [s.int(s.size / 8)]));
const PUSHF = insn('pushf', { usesFlags: true, endsBlock: true }, (s) => {
  s.system('pushFlags', [s.int(s.size / 8)]);
});
const POPF = insn('popf', { usesFlags: true, endsBlock: true }, (s) => {
  s.system('popFlags', [s.int(s.size / 8)]);
});
const LEAVE = insn('leave', {}, (s) => s.leave());
const ENTER = insn('enter', { endsBlock: true }, (s, [bytes, level]) => {
  s.system('enter', [
    s.int(s.size / 8),
    s.zeroExtend(s.read(bytes), 32),
    s.zeroExtend(s.read(level), 32),
  ]);
});

const LAHF = insn('lahf', { usesFlags: true, noFault: true }, (s) => {
  const flags = s.or(s.and(s.arithmeticFlags(), s.int(0xd5)), s.int(2));
  const ax = s.readRegister(0, 16);
  s.writeRegister(0, s.or(s.and(ax, s.constant(0xff, 16)), s.truncate(s.shl(flags, s.int(8)), 16)));
});
const SAHF = insn('sahf', { usesFlags: true, noFault: true }, (s) => {
  s.flagsReplace(0xd5, s.shr(s.zeroExtend(s.readRegister(0, 16), 32), s.int(8)));
});

/** Table look-up by AL. */
const XLAT = insn('xlat', PLAIN, (s, [, table]) => s.writeRegister(0, s.read(table)));

const BSWAP = insn('bswap', PLAIN, (s, [dst]) => {
  const size = dst.size as Size;
  // A 16-bit BSWAP is undefined; processors give zero.
  if (size === 16) s.write(dst, s.constant(0, 16));
  else
    s.write(
      dst,
      s.call(size === 64 ? 'swapBytes64' : 'swapBytes32', [s.read(dst)], size === 64 ? 64 : 32),
    );
});
const MOVBE = insn('movbe', PLAIN, (s, [dst, src]) => {
  const size = dst.size as Size;
  const value = s.read(src);
  if (size === 16) {
    const wide = s.let(s.zeroExtend(value, 32));
    s.write(dst, s.truncate(s.or(s.shl(wide, s.int(8)), s.shr(wide, s.int(8))), 16));
  } else {
    s.write(
      dst,
      s.call(size === 64 ? 'swapBytes64' : 'swapBytes32', [value], size === 64 ? 64 : 32),
    );
  }
});

/** Sixteen instructions, one for each condition code. */
function conditional(make: (code: number) => ReturnType<typeof insn>): ReturnType<typeof insn>[] {
  return Array.from({ length: 16 }, (_, code) => make(code));
}
const CODES = [
  'o',
  'no',
  'b',
  'ae',
  'e',
  'ne',
  'be',
  'a',
  's',
  'ns',
  'p',
  'np',
  'l',
  'ge',
  'le',
  'g',
];
const CMOV = conditional((code) =>
  insn(`cmov${CODES[code]}`, { usesFlags: true, noFault: true }, (s, [dst, src]) => {
    // The source is read, and may fault, whatever the condition.
    const value = s.let(s.read(src));
    s.write(dst, s.select(s.condition(code), value, s.read(dst)));
  }),
);
const SET = conditional((code) =>
  insn(`set${CODES[code]}`, { usesFlags: true, noFault: true }, (s, [dst]) => {
    s.write(dst, s.truncate(s.zeroExtend(s.condition(code), 32), 8));
  }),
);
const cmov = (code: number) => CMOV[code] as ReturnType<typeof insn>;
const set = (code: number) => SET[code] as ReturnType<typeof insn>;

/** Rows that share an opcode with another. */
export const moveExtended = table({
  '90': [XCHG, 'Zv,rAX', 'b1'],
});

export const move = table({
  '06': [PUSH_SEGMENT, 'ES', 'i64'],
  '0E': [PUSH_SEGMENT, 'CS', 'i64'],
  '16': [PUSH_SEGMENT, 'SS', 'i64'],
  '1E': [PUSH_SEGMENT, 'DS', 'i64'],
  '0F A0': [PUSH_SEGMENT, 'FS', 'd64'],
  '0F A8': [PUSH_SEGMENT, 'GS', 'd64'],
  '50+': [PUSH, 'Zv', 'd64'],
  '58+': [POP, 'Zv', 'd64'],
  '60': [PUSHA, '', 'i64'],
  '61': [POPA, '', 'i64'],
  '63': [MOVSX, 'Gv,Ed', 'o64'],
  '68': [PUSH, 'Iz', 'd64'],
  '6A': [PUSH, 'Ibs', 'd64'],
  '86': [XCHG, 'Eb,Gb', 'lock'],
  '87': [XCHG, 'Ev,Gv', 'lock'],
  '88': [MOV, 'Eb,Gb'],
  '89': [MOV, 'Ev,Gv'],
  '8A': [MOV, 'Gb,Eb'],
  '8B': [MOV, 'Gv,Ev'],
  '8D m': [LEA, 'Gv,M'],
  '8F /0': [POP, 'Ev', 'd64'],
  // XCHG EAX, EAX would clear the upper half of RAX: 90 is NOP instead, unless it names R8.
  '90': [NOP, '', 'b0'],
  '91': [XCHG, 'Zv,rAX'],
  '92': [XCHG, 'Zv,rAX'],
  '93': [XCHG, 'Zv,rAX'],
  '94': [XCHG, 'Zv,rAX'],
  '95': [XCHG, 'Zv,rAX'],
  '96': [XCHG, 'Zv,rAX'],
  '97': [XCHG, 'Zv,rAX'],
  'F3 90': [PAUSE, ''],
  '9C': [PUSHF, '', 'd64'],
  '9D': [POPF, '', 'd64'],
  '9E': [SAHF, ''],
  '9F': [LAHF, ''],
  A0: [MOV, 'AL,Ob'],
  A1: [MOV, 'rAX,Ov'],
  A2: [MOV, 'Ob,AL'],
  A3: [MOV, 'Ov,rAX'],
  'B0+': [MOV, 'Zb,Ib'],
  'B8+': [MOV, 'Zv,Iv'],
  'C6 /0': [MOV, 'Eb,Ib'],
  'C7 /0': [MOV, 'Ev,Iz'],
  C8: [ENTER, 'Iw,Ib2', 'd64'],
  C9: [LEAVE, '', 'd64'],
  D7: [XLAT, 'AL,Xlat'],
  'FF /6': [PUSH, 'Ev', 'd64'],
  '0F 0D': [NOP, 'Ev'],
  '0F 18': [NOP, 'Ev'],
  '0F 19': [NOP, 'Ev'],
  '0F 1A': [NOP, 'Ev'],
  '0F 1B': [NOP, 'Ev'],
  '0F 1C': [NOP, 'Ev'],
  '0F 1D': [NOP, 'Ev'],
  '0F 1E': [NOP, 'Ev'],
  '0F 1F': [NOP, 'Ev'],
  '0F 40': [cmov(0), 'Gv,Ev'],
  '0F 41': [cmov(1), 'Gv,Ev'],
  '0F 42': [cmov(2), 'Gv,Ev'],
  '0F 43': [cmov(3), 'Gv,Ev'],
  '0F 44': [cmov(4), 'Gv,Ev'],
  '0F 45': [cmov(5), 'Gv,Ev'],
  '0F 46': [cmov(6), 'Gv,Ev'],
  '0F 47': [cmov(7), 'Gv,Ev'],
  '0F 48': [cmov(8), 'Gv,Ev'],
  '0F 49': [cmov(9), 'Gv,Ev'],
  '0F 4A': [cmov(10), 'Gv,Ev'],
  '0F 4B': [cmov(11), 'Gv,Ev'],
  '0F 4C': [cmov(12), 'Gv,Ev'],
  '0F 4D': [cmov(13), 'Gv,Ev'],
  '0F 4E': [cmov(14), 'Gv,Ev'],
  '0F 4F': [cmov(15), 'Gv,Ev'],
  '0F 90': [set(0), 'Eb'],
  '0F 91': [set(1), 'Eb'],
  '0F 92': [set(2), 'Eb'],
  '0F 93': [set(3), 'Eb'],
  '0F 94': [set(4), 'Eb'],
  '0F 95': [set(5), 'Eb'],
  '0F 96': [set(6), 'Eb'],
  '0F 97': [set(7), 'Eb'],
  '0F 98': [set(8), 'Eb'],
  '0F 99': [set(9), 'Eb'],
  '0F 9A': [set(10), 'Eb'],
  '0F 9B': [set(11), 'Eb'],
  '0F 9C': [set(12), 'Eb'],
  '0F 9D': [set(13), 'Eb'],
  '0F 9E': [set(14), 'Eb'],
  '0F 9F': [set(15), 'Eb'],
  '0F B6': [MOVZX, 'Gv,Eb'],
  '0F B7': [MOVZX, 'Gv,Ew'],
  '0F BE': [MOVSX, 'Gv,Eb'],
  '0F BF': [MOVSX, 'Gv,Ew'],
  '0F C3 m': [MOV, 'My,Gy'],
  '0F C8+': [BSWAP, 'Zv'],
  'NP 0F38 F0 m': [MOVBE, 'Gv,Mv'],
  'NP 0F38 F1 m': [MOVBE, 'Mv,Gv'],
  '66 0F38 F0 m': [MOVBE, 'Gw,Mw'],
  '66 0F38 F1 m': [MOVBE, 'Mw,Gw'],
});
