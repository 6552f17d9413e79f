export {
  BASE_RIP,
  type Decoded,
  type DecodeFailure,
  Decoder,
  INDEX_AL,
  INSTRUCTION_LENGTH_MAX,
  type MemoryForm,
} from './decoder.ts';
export type { Instruction, Meaning, OpcodeRow, Operands } from './define.ts';
export { buildOpcodeMap, type MapEntry, type OpcodeMap } from './opcode-map.ts';
export type { Operand, OperandCode, OperandKind } from './operand.ts';
export { ROWS } from './rows.ts';
export type { ResultSize, Semantics, Size, Value, VectorSemantics } from './semantics.ts';
