/**
 * Operand codes as in [SDM] vol. 2D appendix A.2: an addressing letter and a type, or a register's
 * name. `Z` (not in the manual) is a register in the opcode's low three bits.
 */
type Addressing = 'E' | 'G' | 'M' | 'R' | 'Z' | 'I' | 'J' | 'O' | 'A';
type IntegerType = 'b' | 'w' | 'd' | 'q' | 'v' | 'z' | 'y';
type VectorCode =
  | 'Vx'
  | 'Vd'
  | 'Vq'
  | 'Vss'
  | 'Vsd'
  | 'Wx'
  | 'Wd'
  | 'Wq'
  | 'Ww'
  | 'Wb'
  | 'Ux'
  | 'Uq'
  | 'Pq'
  | 'Qq'
  | 'Qd'
  | 'Nq'
  | 'Mx';
type FixedRegister =
  | 'AL'
  | 'CL'
  | 'AX'
  | 'DX'
  | 'rAX'
  | 'eAX'
  | 'rCX'
  | 'rDX'
  | 'rSP'
  | 'rBP'
  | 'ES'
  | 'CS'
  | 'SS'
  | 'DS'
  | 'FS'
  | 'GS'
  | '1'
  | 'XMM0';
/** One operand of a row. `Ibs`: a byte, extended to the operand size; `Ib2`: a second immediate. */
export type OperandCode =
  | `${Addressing}${IntegerType}`
  | 'Ib2'
  | 'Ibs'
  | 'Ap'
  | 'Mp'
  | 'Ms'
  | 'M'
  | 'Sw'
  | 'Cd'
  | 'Dd'
  | 'Xlat'
  | 'ST0'
  | 'STi'
  | 'Ew/d'
  | 'Mw/Rv'
  | 'Mb/Rv'
  | VectorCode
  | FixedRegister;

/** Where a decoded operand is. */
export type OperandKind =
  | 'register' // general register
  | 'memory'
  | 'immediate'
  | 'relative'
  | 'segment'
  | 'control'
  | 'debug'
  | 'vector'
  | 'mmx'
  | 'stack87';

/** A decoded operand. Engines look at `kind` and `role`; the rest is for who knows the bytes. */
export interface Operand {
  readonly kind: OperandKind;
  /** Which part of the instruction names it: ModRM.reg, ModRM.rm, opcode, or the row itself. */
  readonly role: 'reg' | 'rm' | 'opcode' | 'fixed' | 'immediate';
  /** Width in bits. */
  readonly size: number;
  /** Register number; for 8-bit registers 4 to 7 without REX stand for AH CH DH BH + isHigh. */
  readonly index: number;
  /** AH, CH, DH or BH (index then is 0 to 3). */
  readonly isHigh: boolean;
}
