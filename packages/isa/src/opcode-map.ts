import type { OpcodeRow, RowAttribute } from './define.ts';
import type { OperandCode } from './operand.ts';

/** What a row's key says, in numbers. */
export interface MapEntry {
  readonly row: OpcodeRow;
  /** Position in the list of all rows: stable within one build. */
  readonly id: number;
  /** Undefined: any prefixes. */
  readonly mandatory: 'NP' | '66' | 'F3' | 'F2' | '66F2' | undefined;
  /** ModRM.reg, or -1. */
  readonly digit: number;
  readonly form: 'm' | 'r' | '';
  /** Whole ModRM byte, or -1. */
  readonly modrm: number;
  readonly hasModrm: boolean;
}

/** Candidates by `map << 8 | opcode`; map 0 = one byte, 1 = 0F, 2 = 0F38, 3 = 0F3A. */
export type OpcodeMap = readonly (readonly MapEntry[])[];

const MAPS: Record<string, number> = { '0F': 1, '0F38': 2, '0F3A': 3 };
const MODRM_LETTERS = new Set(['E', 'G', 'M', 'R', 'V', 'W', 'U', 'P', 'Q', 'N', 'C', 'D']);

/** Builds the look-up structure; throws when two rows claim the same encoding. */
export function buildOpcodeMap(rows: readonly OpcodeRow[]): OpcodeMap {
  const map: MapEntry[][] = Array.from({ length: 1024 }, () => []);
  rows.forEach((row, id) => {
    for (const [slot, entry] of expand(row, id)) {
      const list = map[slot] as MapEntry[];
      if (list.some((other) => collides(other, entry)))
        throw new Error(
          `Opcode row ${row.key} ${row.instruction.mnemonic} claims what another has`,
        );
      list.push(entry);
    }
  });
  // The more particular row first: a ModRM byte, then a mandatory prefix, then the rest.
  for (const list of map) list.sort((a, b) => rank(b) - rank(a));
  return map;
}

function rank(entry: MapEntry): number {
  return (
    (entry.modrm >= 0 ? 4 : 0) +
    (entry.mandatory === undefined ? 0 : entry.mandatory === '66F2' ? 3 : 2)
  );
}

function collides(a: MapEntry, b: MapEntry): boolean {
  const mode = (e: MapEntry) => `${e.row.attributes.has('i64')}${e.row.attributes.has('o64')}`;
  const width = (e: MapEntry) =>
    ['wq', 'w0', 'b0', 'b1'].map((name) => e.row.attributes.has(name as RowAttribute)).join();
  return (
    a.mandatory === b.mandatory &&
    a.digit === b.digit &&
    (a.form === b.form || a.form === '' || b.form === '') &&
    a.modrm === b.modrm &&
    mode(a) === mode(b) &&
    width(a) === width(b)
  );
}

function expand(row: OpcodeRow, id: number): [number, MapEntry][] {
  const words = row.key.split(' ');
  const prefixes = ['NP', '66', 'F3', 'F2', '66F2'] as const;
  const first = words[0] as (typeof prefixes)[number];
  const mandatory =
    prefixes.includes(first) && words.length > 1 && !words[1]?.match(/^[/=mr]/) ? first : undefined;
  if (mandatory !== undefined) words.shift();
  let map = 0;
  if (
    words[0] !== undefined &&
    words[0] in MAPS &&
    words.length > 1 &&
    !/^[/=mr]/.test(words[1] ?? '')
  ) {
    map = MAPS[words.shift() as string] as number;
  }
  const opcodeWord = words.shift() as string;
  const opcode = Number.parseInt(opcodeWord, 16);
  const extension = words.shift() ?? '';
  const entry: MapEntry = {
    row,
    id,
    mandatory,
    digit: extension.startsWith('/') ? Number(extension[1]) : -1,
    form: /[mr]$/.test(extension) ? (extension.slice(-1) as 'm' | 'r') : '',
    modrm: extension.startsWith('=') ? Number.parseInt(extension.slice(1), 16) : -1,
    hasModrm: extension !== '' || row.operands.some(needsModrm),
  };
  const count = opcodeWord.endsWith('+') ? 8 : 1;
  return Array.from({ length: count }, (_, i) => [(map << 8) | (opcode + i), entry]);
}

function needsModrm(code: OperandCode): boolean {
  if (
    ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'CL', 'DX', '1', 'AL', 'AX', 'XMM0', 'ST0'].includes(code)
  )
    return false;
  if (code.startsWith('r') || code.startsWith('e')) return false;
  return MODRM_LETTERS.has(code.charAt(0)) || code === 'Sw' || code === 'STi';
}
