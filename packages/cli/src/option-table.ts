import { parseArgs } from 'node:util';
import { UmbraError } from '@umbra/base';

/** One option of a command, for parsing and for the help. */
export interface OptionRow {
  readonly value?: string;
  readonly repeatable?: true;
  readonly help: string;
}

type Rows = Readonly<Record<string, OptionRow>>;

/** Parsed options: strings, lists of strings for repeatable ones, true for flags. */
export type Options<R extends Rows> = {
  readonly [K in keyof R]?: R[K] extends { repeatable: true }
    ? readonly string[]
    : R[K] extends { value: string }
      ? string
      : boolean;
};

/**
 * Parses the arguments of a command that takes one operand for each of `operandNames`, in any place
 * between its options, unless `--help` is among them. Throws UmbraError USAGE.
 */
export function parseOptions<R extends Rows>(
  table: R,
  args: readonly string[],
  operandNames: readonly string[],
): { options: Options<R>; operands: readonly string[] } {
  const rows: [string, OptionRow][] = Object.entries(table);
  const options = Object.fromEntries(
    rows.map(([name, row]) => [
      name,
      {
        type: row.value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: row.repeatable === true,
      },
    ]),
  );
  const parsed = parseArgs({ args: [...args], options, strict: false, allowPositionals: true });
  for (const [name, value] of Object.entries(parsed.values)) {
    const row = rows.find(([known]) => known === name)?.[1];
    if (row === undefined) throw usage(`Unknown option --${name}`);
    const values: unknown[] = Array.isArray(value) ? value : [value];
    for (const one of values) {
      if (row.value !== undefined && typeof one !== 'string') {
        throw usage(`Option --${name} needs a value (${row.value})`);
      }
      if (row.value === undefined && typeof one !== 'boolean') {
        throw usage(`Option --${name} takes no value, found "${String(one)}"`);
      }
    }
  }
  const operands = parsed.positionals;
  const extra = operands[operandNames.length];
  if (extra !== undefined) {
    const expected = operandNames.length === 0 ? 'only options' : operandNames.join(' and ');
    throw usage(`Expected ${expected}, found "${extra}"`);
  }
  const missing = operandNames[operands.length];
  if (missing !== undefined && parsed.values['help'] !== true) {
    throw usage(`Expected ${operandNames.join(' and ')}, found no ${missing}`);
  }
  return { options: parsed.values as Options<R>, operands };
}

/** One line per option. */
export function helpLines(table: Rows): string[] {
  return Object.entries(table).map(([name, row]) => {
    const left = `  --${name}${row.value === undefined ? '' : ` ${row.value}`}`;
    return `${left.padEnd(24)}${row.help}${row.repeatable ? ' (may be repeated)' : ''}`;
  });
}

/** One of `choices`; throws UmbraError USAGE. */
export function parseChoice<T extends string>(
  option: string,
  text: string | undefined,
  choices: readonly T[],
  fallback: T,
): T {
  if (text === undefined) return fallback;
  const choice = choices.find((known) => known === text);
  if (choice !== undefined) return choice;
  throw usage(`Option --${option} is "${text}", expected ${choices.join(', ')}`);
}

/** An error in how the command was called. */
export function usage(message: string): UmbraError {
  return new UmbraError('USAGE', message);
}
