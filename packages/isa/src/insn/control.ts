import { insn, table } from '../define.ts';
import type { Size } from '../semantics.ts';

const END = { endsBlock: true } as const;
const CONDITION_END = { endsBlock: true, usesFlags: true } as const;
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

const JMP = insn('jmp', END, (s, [target]) => s.jumpRelative(target));
const JMP_INDIRECT = insn('jmp', END, (s, [target]) => s.jump(s.read(target)));
const JCC = CODES.map((code, index) =>
  insn(`j${code}`, CONDITION_END, (s, [target]) => s.branchIf(s.condition(index), target)),
);
const jcc = (code: number) => JCC[code] as ReturnType<typeof insn>;

/** CALL near. [SDM] vol. 2A, "CALL—Call Procedure". */
const CALL = insn('call', END, (s, [target]) => {
  s.push(s.nextRip());
  s.callTarget(target);
});
const CALL_INDIRECT = insn('call', END, (s, [target]) => {
  const to = s.let(s.read(target));
  s.push(s.nextRip());
  s.callTarget(to);
});
const RET = insn('ret', END, (s) => s.returnTo(s.pop(s.size)));
const RET_POP = insn('ret', END, (s, [bytes]) => {
  const target = s.let(s.readStack(0, s.size));
  s.adjustStack(s.add(s.constant(s.size / 8, 64), s.zeroExtend(s.read(bytes), 64)));
  s.returnTo(target);
});

const JCXZ = insn('jcxz', END, (s, [target]) => s.branchIf(s.isZero(s.counter()), target));
const LOOP = insn('loop', END, (s, [target]) => {
  const count = s.counter();
  const left = s.let(s.sub(count, s.constant(1, count.size as Size)));
  s.writeCounter(left);
  s.branchIf(s.ne(left, s.constant(0, count.size as Size)), target);
});
function loopWhile(equal: boolean) {
  return insn(equal ? 'loope' : 'loopne', CONDITION_END, (s, [target]) => {
    const count = s.counter();
    const left = s.let(s.sub(count, s.constant(1, count.size as Size)));
    const more = s.ne(left, s.constant(0, count.size as Size));
    s.writeCounter(left);
    s.branchIf(s.and(more, s.condition(equal ? 4 : 5)), target);
  });
}

const FAR_JMP = insn('ljmp', END, (s, [pointer]) => {
  const far = s.let(s.read(pointer));
  const offset = s.and(far, s.constant64(0, 0xffff_ffff));
  s.system('farJump', [s.zeroExtend(s.shr(far, s.int(32)), 32), offset, s.int(s.size / 8)]);
});
const FAR_CALL = insn('lcall', END, (s, [pointer]) => {
  const far = s.let(s.read(pointer));
  const offset = s.and(far, s.constant64(0, 0xffff_ffff));
  s.system('farCall', [s.zeroExtend(s.shr(far, s.int(32)), 32), offset, s.int(s.size / 8)]);
});
const FAR_JMP_INDIRECT = insn('ljmp', END, (s, [pointer]) => {
  const offset = s.let(s.readAt(pointer, 0, s.size));
  const selector = s.let(s.readAt(pointer, s.size / 8, 16));
  s.system('farJump', [s.zeroExtend(selector, 32), s.zeroExtend(offset, 64), s.int(s.size / 8)]);
});
const FAR_CALL_INDIRECT = insn('lcall', END, (s, [pointer]) => {
  const offset = s.let(s.readAt(pointer, 0, s.size));
  const selector = s.let(s.readAt(pointer, s.size / 8, 16));
  s.system('farCall', [s.zeroExtend(selector, 32), s.zeroExtend(offset, 64), s.int(s.size / 8)]);
});
const FAR_RET = insn('lret', END, (s) => s.system('farReturn', [s.int(s.size / 8), s.int(0)]));
const FAR_RET_POP = insn('lret', END, (s, [bytes]) => {
  s.system('farReturn', [s.int(s.size / 8), s.zeroExtend(s.read(bytes), 32)]);
});
const IRET = insn('iret', CONDITION_END, (s) => s.system('interruptReturn', [s.int(s.size / 8)]));
const INT = insn('int', CONDITION_END, (s, [vector]) => {
  s.system('softwareInterrupt', [s.zeroExtend(s.read(vector), 32)]);
});
const INT3 = insn('int3', CONDITION_END, (s) => s.system('int3', []));
const INT1 = insn('int1', CONDITION_END, (s) => s.system('int1', []));
const INTO = insn('into', CONDITION_END, (s) => s.system('into', []));
const UD = insn('ud2', CONDITION_END, (s) => s.raise(6));
const UD_MODRM = insn('ud1', CONDITION_END, (s) => s.raise(6));
const BOUND = insn('bound', {}, (s, [index, pair]) => {
  const bytes = s.size / 8;
  const value = s.let(s.read(index));
  const lower = s.let(s.readAt(pair, 0, s.size));
  const upper = s.let(s.readAt(pair, bytes, s.size));
  s.raiseIf(s.or(s.ltS(value, lower), s.ltS(upper, value)), 5);
});

export const control = table({
  '62 m': [BOUND, 'Gv,M', 'i64'],
  '70': [jcc(0), 'Jb', 'f64'],
  '71': [jcc(1), 'Jb', 'f64'],
  '72': [jcc(2), 'Jb', 'f64'],
  '73': [jcc(3), 'Jb', 'f64'],
  '74': [jcc(4), 'Jb', 'f64'],
  '75': [jcc(5), 'Jb', 'f64'],
  '76': [jcc(6), 'Jb', 'f64'],
  '77': [jcc(7), 'Jb', 'f64'],
  '78': [jcc(8), 'Jb', 'f64'],
  '79': [jcc(9), 'Jb', 'f64'],
  '7A': [jcc(10), 'Jb', 'f64'],
  '7B': [jcc(11), 'Jb', 'f64'],
  '7C': [jcc(12), 'Jb', 'f64'],
  '7D': [jcc(13), 'Jb', 'f64'],
  '7E': [jcc(14), 'Jb', 'f64'],
  '7F': [jcc(15), 'Jb', 'f64'],
  '9A': [FAR_CALL, 'Ap', 'i64'],
  C2: [RET_POP, 'Iw', 'f64'],
  C3: [RET, '', 'f64'],
  CA: [FAR_RET_POP, 'Iw'],
  CB: [FAR_RET, ''],
  CC: [INT3, ''],
  CD: [INT, 'Ib'],
  CE: [INTO, '', 'i64'],
  CF: [IRET, ''],
  E0: [loopWhile(false), 'Jb', 'f64'],
  E1: [loopWhile(true), 'Jb', 'f64'],
  E2: [LOOP, 'Jb', 'f64'],
  E3: [JCXZ, 'Jb', 'f64'],
  E8: [CALL, 'Jz', 'f64'],
  E9: [JMP, 'Jz', 'f64'],
  EA: [FAR_JMP, 'Ap', 'i64'],
  EB: [JMP, 'Jb', 'f64'],
  F1: [INT1, ''],
  'FF /2': [CALL_INDIRECT, 'Ev', 'f64'],
  'FF /3m': [FAR_CALL_INDIRECT, 'M'],
  'FF /4': [JMP_INDIRECT, 'Ev', 'f64'],
  'FF /5m': [FAR_JMP_INDIRECT, 'M'],
  '0F 0B': [UD, ''],
  '0F 80': [jcc(0), 'Jz', 'f64'],
  '0F 81': [jcc(1), 'Jz', 'f64'],
  '0F 82': [jcc(2), 'Jz', 'f64'],
  '0F 83': [jcc(3), 'Jz', 'f64'],
  '0F 84': [jcc(4), 'Jz', 'f64'],
  '0F 85': [jcc(5), 'Jz', 'f64'],
  '0F 86': [jcc(6), 'Jz', 'f64'],
  '0F 87': [jcc(7), 'Jz', 'f64'],
  '0F 88': [jcc(8), 'Jz', 'f64'],
  '0F 89': [jcc(9), 'Jz', 'f64'],
  '0F 8A': [jcc(10), 'Jz', 'f64'],
  '0F 8B': [jcc(11), 'Jz', 'f64'],
  '0F 8C': [jcc(12), 'Jz', 'f64'],
  '0F 8D': [jcc(13), 'Jz', 'f64'],
  '0F 8E': [jcc(14), 'Jz', 'f64'],
  '0F 8F': [jcc(15), 'Jz', 'f64'],
  '0F B9': [UD_MODRM, 'Gv,Ev'],
  '0F FF': [UD_MODRM, 'Gv,Ev'],
});
