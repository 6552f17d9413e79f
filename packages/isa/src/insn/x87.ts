import { insn, type Traits, table } from '../define.ts';
import type { Operand } from '../operand.ts';
import type { Semantics, Value } from '../semantics.ts';

const X87: Traits = { x87: true };
/** FCOMI and its kind replace the arithmetic flags, FCMOVcc read them. */
const WITH_FLAGS: Traits = { x87: true, usesFlags: true };

/** Kinds of memory operands, as the runtime numbers them. */
const KIND = { F32: 0, F64: 1, INTEGER: 2 } as const;
type Kind = (typeof KIND)[keyof typeof KIND];

/** Operations by ModRM.reg of D8. */
const ARITHMETIC = { fadd: 0, fmul: 1, fsub: 4, fsubr: 5, fdiv: 6, fdivr: 7 } as const;
type Arithmetic = keyof typeof ARITHMETIC;
/** An instruction that is one function of the runtime, without a memory operand. */
function simple(name: string, call: string, ...args: number[]) {
  return insn(name, X87, (s) => {
    s.callFaulting(
      call,
      args.map((value) => s.int(value)),
    );
    s.noteX87();
  });
}

/** The same with ST(i) as the first argument. */
function indexed(name: string, call: string, ...args: number[]) {
  return insn(name, X87, (s, [place]) => {
    s.callFaulting(call, [s.int(place.index), ...args.map((value) => s.int(value))]);
    s.noteX87();
  });
}

/** The memory operand's bits in 64; integers sign-extended. */
function bitsOf(s: Semantics, place: Operand, kind: Kind): Value {
  const value = s.read(place);
  return kind === KIND.INTEGER ? s.signExtend(value, 64) : s.zeroExtend(value, 64);
}

/** ST(0) and memory: the runtime gets `before`, the kind, the operand, `after`. */
function withMemory(
  name: string,
  call: string,
  kind: Kind,
  before: readonly number[],
  after: readonly number[],
) {
  return insn(name, X87, (s, [place]) => {
    const int = (value: number) => s.int(value);
    const bits = bitsOf(s, place, kind);
    s.callFaulting(call, [...before.map(int), s.int(kind), bits, ...after.map(int)]);
    s.noteX87(place);
  });
}

const memoryArithmetic = (name: Arithmetic, kind: Kind) => {
  const shown = kind === KIND.INTEGER ? `fi${name.slice(1)}` : name;
  return withMemory(shown, 'x87ArithmeticMemory', kind, [ARITHMETIC[name]], []);
};
const memoryCompare = (name: string, kind: Kind, pops: number) =>
  withMemory(name, 'x87CompareMemory', kind, [], [pops]);
const load = (name: string, kind: Kind) => withMemory(name, 'x87Load', kind, [], []);

/** ST(0) := ST(0) op ST(i). */
const toTop = (name: Arithmetic) =>
  insn(name, X87, (s, [, source]) => {
    const operation = s.int(ARITHMETIC[name]);
    s.callFaulting('x87Arithmetic', [operation, s.int(0), s.int(source.index), s.int(0)]);
    s.noteX87();
  });
/** ST(i) := ST(i) op ST(0), perhaps with a pop. */
const toRegister = (name: Arithmetic, pop: boolean) =>
  insn(pop ? `${name}p` : name, X87, (s, [target]) => {
    const operation = s.int(ARITHMETIC[name]);
    s.callFaulting('x87Arithmetic', [operation, s.int(target.index), s.int(0), s.int(pop ? 1 : 0)]);
    s.noteX87();
  });

/** A store of `bits`; `pop` as the runtime's function takes it. */
const store = (name: string, call: string, bits: number, pop?: number) =>
  insn(name, X87, (s, [place]) => {
    const linear = s.linear(place, bits / 8, true);
    const form = pop === undefined ? [] : [s.int(bits / 8), s.int(pop)];
    s.storeCall(call, [linear, ...form]);
    s.noteX87(place);
  });

const loadTenBytes = (name: string, call: string) =>
  insn(name, X87, (s, [place]) => {
    const low = s.readAt(place, 0, 64);
    const high = s.zeroExtend(s.readAt(place, 8, 16), 32);
    s.callFaulting(call, [low, high]);
    s.noteX87(place);
  });

const compareFlags = (name: string, isQuiet: boolean, pops: number) =>
  insn(name, WITH_FLAGS, (s, [, other]) => {
    const quiet = s.int(isQuiet ? 1 : 0);
    const args = [s.int(other.index), quiet, s.int(pops)];
    const flags = s.let(s.callFaulting('x87CompareFlags', args, 32));
    s.noteX87();
    // Bit 31: an unmasked exception, the flags stay.
    s.flagsReplaceIf(s.isZero(s.shr(flags, s.int(31))), 0x8d5, flags);
  });

/** FCMOVcc with the condition of Jcc. */
const conditionalMove = (name: string, code: number) =>
  insn(name, WITH_FLAGS, (s, [, source]) => {
    const condition = s.zeroExtend(s.condition(code), 32);
    s.callFaulting('x87Move', [s.int(source.index), condition]);
    s.noteX87();
  });

const compareRegister = (name: string, isQuiet: boolean, pops: number) =>
  indexed(name, 'x87Compare', isQuiet ? 1 : 0, pops);
const compareAndPopBoth = (name: string, isQuiet: boolean) =>
  simple(name, 'x87Compare', 1, isQuiet ? 1 : 0, 2);

const FCOM = compareRegister('fcom', false, 0);
const FCOMP = compareRegister('fcomp', false, 1);
const FSTP = indexed('fstp', 'x87StoreRegister', 1);
/** D9 D8 to DF: no stack fault. */
const FSTP_QUIET = indexed('fstp', 'x87StoreRegister', 2);
const FXCH = indexed('fxch', 'x87Exchange');
const CONSTANTS = ['fld1', 'fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2', 'fldz'] as const;
const constant = (name: (typeof CONSTANTS)[number]) =>
  simple(name, 'x87LoadConstant', CONSTANTS.indexOf(name));

/** Condition codes of Jcc that FCMOVcc know. */
const BELOW = 2;
const EQUAL = 4;
const BELOW_OR_EQUAL = 6;
const PARITY = 10;

/** The x87 instructions. Encodings that the manual omits are aliases, as Intel decodes them. */
export const x87 = table({
  'D8 /0m': [memoryArithmetic('fadd', KIND.F32), 'Md'],
  'D8 /1m': [memoryArithmetic('fmul', KIND.F32), 'Md'],
  'D8 /2m': [memoryCompare('fcom', KIND.F32, 0), 'Md'],
  'D8 /3m': [memoryCompare('fcomp', KIND.F32, 1), 'Md'],
  'D8 /4m': [memoryArithmetic('fsub', KIND.F32), 'Md'],
  'D8 /5m': [memoryArithmetic('fsubr', KIND.F32), 'Md'],
  'D8 /6m': [memoryArithmetic('fdiv', KIND.F32), 'Md'],
  'D8 /7m': [memoryArithmetic('fdivr', KIND.F32), 'Md'],
  'D8 /0r': [toTop('fadd'), 'ST0,STi'],
  'D8 /1r': [toTop('fmul'), 'ST0,STi'],
  'D8 /2r': [FCOM, 'STi'],
  'D8 /3r': [FCOMP, 'STi'],
  'D8 /4r': [toTop('fsub'), 'ST0,STi'],
  'D8 /5r': [toTop('fsubr'), 'ST0,STi'],
  'D8 /6r': [toTop('fdiv'), 'ST0,STi'],
  'D8 /7r': [toTop('fdivr'), 'ST0,STi'],
  'D9 /0m': [load('fld', KIND.F32), 'Md'],
  'D9 /2m': [store('fst', 'x87StoreFloat', 32, 0), 'Md'],
  'D9 /3m': [store('fstp', 'x87StoreFloat', 32, 1), 'Md'],
  'D9 /0r': [indexed('fld', 'x87LoadRegister'), 'STi'],
  'D9 /1r': [FXCH, 'STi'],
  'D9 =D0': [simple('fnop', 'x87Check'), ''],
  'D9 /3r': [FSTP_QUIET, 'STi'],
  'D9 =E0': [simple('fchs', 'x87Sign', 0xffff, 0x8000), ''],
  'D9 =E1': [simple('fabs', 'x87Sign', 0x7fff, 0), ''],
  'D9 =E4': [simple('ftst', 'x87Test'), ''],
  'D9 =E5': [simple('fxam', 'x87Examine'), ''],
  'D9 =E8': [constant('fld1'), ''],
  'D9 =E9': [constant('fldl2t'), ''],
  'D9 =EA': [constant('fldl2e'), ''],
  'D9 =EB': [constant('fldpi'), ''],
  'D9 =EC': [constant('fldlg2'), ''],
  'D9 =ED': [constant('fldln2'), ''],
  'D9 =EE': [constant('fldz'), ''],
  'D9 =F0': [simple('f2xm1', 'x87Transcendental', 0), ''],
  'D9 =F1': [simple('fyl2x', 'x87Transcendental2', 0), ''],
  'D9 =F2': [simple('fptan', 'x87Tangent'), ''],
  'D9 =F3': [simple('fpatan', 'x87Transcendental2', 1), ''],
  'D9 =F4': [simple('fxtract', 'x87Extract'), ''],
  'D9 =F5': [simple('fprem1', 'x87Remainder', 1), ''],
  'D9 =F6': [simple('fdecstp', 'x87Rotate', 7), ''],
  'D9 =F7': [simple('fincstp', 'x87Rotate', 1), ''],
  'D9 =F8': [simple('fprem', 'x87Remainder', 0), ''],
  'D9 =F9': [simple('fyl2xp1', 'x87Transcendental2', 2), ''],
  'D9 =FA': [simple('fsqrt', 'x87Unary', 0), ''],
  'D9 =FB': [simple('fsincos', 'x87SineCosine'), ''],
  'D9 =FC': [simple('frndint', 'x87Unary', 1), ''],
  'D9 =FD': [simple('fscale', 'x87Scale'), ''],
  'D9 =FE': [simple('fsin', 'x87Transcendental', 1), ''],
  'D9 =FF': [simple('fcos', 'x87Transcendental', 2), ''],
  'DA /0m': [memoryArithmetic('fadd', KIND.INTEGER), 'Md'],
  'DA /1m': [memoryArithmetic('fmul', KIND.INTEGER), 'Md'],
  'DA /2m': [memoryCompare('ficom', KIND.INTEGER, 0), 'Md'],
  'DA /3m': [memoryCompare('ficomp', KIND.INTEGER, 1), 'Md'],
  'DA /4m': [memoryArithmetic('fsub', KIND.INTEGER), 'Md'],
  'DA /5m': [memoryArithmetic('fsubr', KIND.INTEGER), 'Md'],
  'DA /6m': [memoryArithmetic('fdiv', KIND.INTEGER), 'Md'],
  'DA /7m': [memoryArithmetic('fdivr', KIND.INTEGER), 'Md'],
  'DA /0r': [conditionalMove('fcmovb', BELOW), 'ST0,STi'],
  'DA /1r': [conditionalMove('fcmove', EQUAL), 'ST0,STi'],
  'DA /2r': [conditionalMove('fcmovbe', BELOW_OR_EQUAL), 'ST0,STi'],
  'DA /3r': [conditionalMove('fcmovu', PARITY), 'ST0,STi'],
  'DA =E9': [compareAndPopBoth('fucompp', true), ''],
  'DB /0m': [load('fild', KIND.INTEGER), 'Md'],
  'DB /1m': [store('fisttp', 'x87StoreInteger', 32, 3), 'Md'],
  'DB /2m': [store('fist', 'x87StoreInteger', 32, 0), 'Md'],
  'DB /3m': [store('fistp', 'x87StoreInteger', 32, 1), 'Md'],
  'DB /5m': [loadTenBytes('fld', 'x87LoadExtended'), 'M'],
  'DB /7m': [store('fstp', 'x87StoreExtended', 80), 'M'],
  'DB /0r': [conditionalMove('fcmovnb', BELOW + 1), 'ST0,STi'],
  'DB /1r': [conditionalMove('fcmovne', EQUAL + 1), 'ST0,STi'],
  'DB /2r': [conditionalMove('fcmovnbe', BELOW_OR_EQUAL + 1), 'ST0,STi'],
  'DB /3r': [conditionalMove('fcmovnu', PARITY + 1), 'ST0,STi'],
  'DB /5r': [compareFlags('fucomi', true, 0), 'ST0,STi'],
  'DB /6r': [compareFlags('fcomi', false, 0), 'ST0,STi'],
  'DC /0m': [memoryArithmetic('fadd', KIND.F64), 'Mq'],
  'DC /1m': [memoryArithmetic('fmul', KIND.F64), 'Mq'],
  'DC /2m': [memoryCompare('fcom', KIND.F64, 0), 'Mq'],
  'DC /3m': [memoryCompare('fcomp', KIND.F64, 1), 'Mq'],
  'DC /4m': [memoryArithmetic('fsub', KIND.F64), 'Mq'],
  'DC /5m': [memoryArithmetic('fsubr', KIND.F64), 'Mq'],
  'DC /6m': [memoryArithmetic('fdiv', KIND.F64), 'Mq'],
  'DC /7m': [memoryArithmetic('fdivr', KIND.F64), 'Mq'],
  'DC /0r': [toRegister('fadd', false), 'STi,ST0'],
  'DC /1r': [toRegister('fmul', false), 'STi,ST0'],
  'DC /2r': [FCOM, 'STi'],
  'DC /3r': [FCOMP, 'STi'],
  'DC /4r': [toRegister('fsubr', false), 'STi,ST0'],
  'DC /5r': [toRegister('fsub', false), 'STi,ST0'],
  'DC /6r': [toRegister('fdivr', false), 'STi,ST0'],
  'DC /7r': [toRegister('fdiv', false), 'STi,ST0'],
  'DD /0m': [load('fld', KIND.F64), 'Mq'],
  'DD /1m': [store('fisttp', 'x87StoreInteger', 64, 3), 'Mq'],
  'DD /2m': [store('fst', 'x87StoreFloat', 64, 0), 'Mq'],
  'DD /3m': [store('fstp', 'x87StoreFloat', 64, 1), 'Mq'],
  'DD /0r': [indexed('ffree', 'x87Free', 0), 'STi'],
  'DD /1r': [FXCH, 'STi'],
  'DD /2r': [indexed('fst', 'x87StoreRegister', 0), 'STi'],
  'DD /3r': [FSTP, 'STi'],
  'DD /4r': [compareRegister('fucom', true, 0), 'STi'],
  'DD /5r': [compareRegister('fucomp', true, 1), 'STi'],
  'DE /0m': [memoryArithmetic('fadd', KIND.INTEGER), 'Mw'],
  'DE /1m': [memoryArithmetic('fmul', KIND.INTEGER), 'Mw'],
  'DE /2m': [memoryCompare('ficom', KIND.INTEGER, 0), 'Mw'],
  'DE /3m': [memoryCompare('ficomp', KIND.INTEGER, 1), 'Mw'],
  'DE /4m': [memoryArithmetic('fsub', KIND.INTEGER), 'Mw'],
  'DE /5m': [memoryArithmetic('fsubr', KIND.INTEGER), 'Mw'],
  'DE /6m': [memoryArithmetic('fdiv', KIND.INTEGER), 'Mw'],
  'DE /7m': [memoryArithmetic('fdivr', KIND.INTEGER), 'Mw'],
  'DE /0r': [toRegister('fadd', true), 'STi,ST0'],
  'DE /1r': [toRegister('fmul', true), 'STi,ST0'],
  'DE /2r': [FCOMP, 'STi'],
  'DE =D9': [compareAndPopBoth('fcompp', false), ''],
  'DE /4r': [toRegister('fsubr', true), 'STi,ST0'],
  'DE /5r': [toRegister('fsub', true), 'STi,ST0'],
  'DE /6r': [toRegister('fdivr', true), 'STi,ST0'],
  'DE /7r': [toRegister('fdiv', true), 'STi,ST0'],
  'DF /0m': [load('fild', KIND.INTEGER), 'Mw'],
  'DF /1m': [store('fisttp', 'x87StoreInteger', 16, 3), 'Mw'],
  'DF /2m': [store('fist', 'x87StoreInteger', 16, 0), 'Mw'],
  'DF /3m': [store('fistp', 'x87StoreInteger', 16, 1), 'Mw'],
  'DF /4m': [loadTenBytes('fbld', 'x87LoadDecimal'), 'M'],
  'DF /5m': [load('fild', KIND.INTEGER), 'Mq'],
  'DF /6m': [store('fbstp', 'x87StoreDecimal', 80), 'M'],
  'DF /7m': [store('fistp', 'x87StoreInteger', 64, 1), 'Mq'],
  'DF /0r': [indexed('ffreep', 'x87Free', 1), 'STi'],
  'DF /1r': [FXCH, 'STi'],
  'DF /2r': [FSTP, 'STi'],
  'DF /3r': [FSTP, 'STi'],
  'DF /5r': [compareFlags('fucomip', true, 1), 'ST0,STi'],
  'DF /6r': [compareFlags('fcomip', false, 1), 'ST0,STi'],
});
