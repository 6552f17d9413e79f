import type { Operand, OperandCode } from './operand.ts';
import type { Semantics } from './semantics.ts';

/** The meaning of an instruction; runs once for each place it is compiled into. */
export type Meaning = (s: Semantics, operands: Operands) => void;
/** The operands of an instruction; those that its rows name are there. */
export type Operands = readonly [Operand, Operand, Operand, Operand];

/** Attributes of an instruction, shared by all its rows. */
export interface Traits {
  /** It replaces all six arithmetic flags and reads none: earlier ones are dead. */
  readonly setsFlags?: boolean;
  /** It replaces all but CF, which it keeps. */
  readonly keepsCarry?: boolean;
  /** It replaces CF (and OF), and keeps the others. */
  readonly setsCarry?: boolean;
  /** A shift: it replaces all six when its count is not zero, else none. */
  readonly shifts?: boolean;
  /** It reads flags, or keeps some of them in another way. */
  readonly usesFlags?: boolean;
  /** Control may leave the straight line. */
  readonly endsBlock?: boolean;
  /** x87 or MMX: #NM under CR0.TS or CR0.EM. */
  readonly x87?: boolean;
  readonly mmx?: boolean;
  readonly sse?: boolean;
  /** May leave the straight line only by faulting before any memory access. */
  readonly noFault?: boolean;
}

/** An instruction: its name and meaning. */
export interface Instruction extends Traits {
  readonly mnemonic: string;
  readonly meaning: Meaning;
}

/** Defines an instruction. */
export function insn(mnemonic: string, traits: Traits, meaning: Meaning): Instruction {
  return { mnemonic, meaning, ...traits };
}

type Hex =
  | '0'
  | '1'
  | '2'
  | '3'
  | '4'
  | '5'
  | '6'
  | '7'
  | '8'
  | '9'
  | 'A'
  | 'B'
  | 'C'
  | 'D'
  | 'E'
  | 'F';
type Digit = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7';
type IsByte<S> = S extends `${infer A}${infer B}`
  ? A extends Hex
    ? B extends Hex
      ? true
      : false
    : false
  : false;
type IsOpcode<S> = S extends `0F ${infer B}` | `0F38 ${infer B}` | `0F3A ${infer B}`
  ? IsByte<B>
  : IsByte<S>;
type IsExtension<S> = S extends Digit | `${Digit}m` | `${Digit}r` ? true : false;
type IsBody<S> = S extends `${infer O} /${infer E}`
  ? IsExtension<E> extends true
    ? IsOpcode<O>
    : false
  : S extends `${infer O} =${infer B}`
    ? IsByte<B> extends true
      ? IsOpcode<O>
      : false
    : S extends `${infer O} m` | `${infer O} r` | `${infer O}+`
      ? IsOpcode<O>
      : IsOpcode<S>;
/**
 * Whether a row's key is well formed: mandatory prefix (`NP`: none of 66, F3, F2), opcode map and
 * byte, extension. ` /n`: ModRM.reg, with `m` or `r` only that form; ` m`, ` r`: only that form;
 * ` =xx`: that ModRM byte; `+`: eight opcodes, the register in the low bits.
 */
type IsKey<S> = S extends
  | `NP ${infer R}`
  | `66 ${infer R}`
  | `F3 ${infer R}`
  | `F2 ${infer R}`
  | `66F2 ${infer R}`
  ? IsBody<R>
  : IsBody<S>;

/** Attributes of a row, as in [SDM] vol. 2D table A-1 where it has them. */
export type RowAttribute =
  | 'lock' // LOCK is allowed when the destination is memory
  | 'i64' // invalid in 64-bit mode
  | 'o64' // only in 64-bit mode
  | 'd64' // operand size defaults to 64 in 64-bit mode
  | 'f64' // operand size is 64 in 64-bit mode, prefixes ignored
  | 'rep' // a string instruction: REP and REPNE mean repetition
  | 'b0' // the row without REX.B
  | 'b1' // REX.B picks this row
  | 'wq' // REX.W picks this row
  | 'w0'; // the row without REX.W

type Letters<S extends string> = S extends `${infer Head},${infer Tail}`
  ? Head extends OperandCode
    ? Letters<Tail>
    : never
  : S extends OperandCode
    ? true
    : never;

/** Operand list of a row, checked letter by letter by the compiler. */
type OperandList<S extends string> = S extends '' ? S : Letters<S> extends never ? OperandCode : S;

export type Row = readonly [
  instruction: Instruction,
  operands: string,
  ...attributes: RowAttribute[],
];

/** One row of the opcode map, made ready for the decoder. */
export interface OpcodeRow {
  readonly key: string;
  readonly instruction: Instruction;
  readonly operands: readonly OperandCode[];
  readonly attributes: ReadonlySet<RowAttribute>;
}

type CheckedTable<T> = {
  readonly [K in keyof T]: IsKey<K> extends true
    ? T[K] extends readonly [Instruction, infer S extends string, ...RowAttribute[]]
      ? readonly [Instruction, OperandList<S>, ...RowAttribute[]]
      : never
    : never;
};

/** A part of the opcode map: keys and operand lists are checked by the compiler. */
export function table<const T extends Record<string, Row>>(
  rows: T & CheckedTable<T>,
): readonly OpcodeRow[] {
  return Object.entries(rows as Record<string, Row>).map(
    ([key, [instruction, operands, ...attributes]]) => ({
      key,
      instruction,
      operands: (operands === '' ? [] : operands.split(',')) as OperandCode[],
      attributes: new Set(attributes),
    }),
  );
}
