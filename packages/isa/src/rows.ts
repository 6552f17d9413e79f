import type { OpcodeRow } from './define.ts';
import { arith, arithWide } from './insn/arith.ts';
import { control } from './insn/control.ts';
import { mmx } from './insn/mmx.ts';
import { move, moveExtended } from './insn/move.ts';
import { shifts } from './insn/shift.ts';
import { sseFloat } from './insn/sse-float.ts';
import { sseInteger } from './insn/sse-integer.ts';
import { sseMove } from './insn/sse-move.ts';
import { sse4 } from './insn/sse4.ts';
import { strings } from './insn/string.ts';
import { system } from './insn/system.ts';
import { x87 } from './insn/x87.ts';
import { x87State } from './insn/x87-state.ts';

/** Every row of the opcode map. */
export const ROWS: readonly OpcodeRow[] = [
  ...arith,
  ...arithWide,
  ...move,
  ...moveExtended,
  ...shifts,
  ...control,
  ...strings,
  ...system,
  ...x87State,
  ...x87,
  ...mmx,
  ...sseMove,
  ...sseInteger,
  ...sseFloat,
  ...sse4,
];
