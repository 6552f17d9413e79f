// Medians, ratios and tables out of what the engines printed.

import { GROUPS, type Group } from './programs.ts';

/** One figure of one engine in one round. */
export interface Sample {
  readonly engine: string;
  readonly test: string;
  readonly group: Group;
  readonly round: number;
  /** What the program computed; undefined where there is nothing to compute. */
  readonly checksum: string | undefined;
  /** Seconds; in the group idle the share of one processor. */
  readonly value: number;
}

/** A test's medians by engine; undefined for no or a wrong result. */
export interface Row {
  readonly group: Group;
  readonly test: string;
  readonly values: Readonly<Record<string, number | undefined>>;
}

/** One row per test. Right is the checksum of the engine `reference`, else what most agree on. */
export function summarize(
  samples: readonly Sample[],
  engines: readonly string[],
  reference: string,
): Row[] {
  const tests = [...new Set(samples.map(({ test }) => test))];
  return tests.map((test) => {
    const all = samples.filter((sample) => sample.test === test);
    const judges = all.filter(({ engine }) => engine === reference);
    const expected = mostFrequent((judges.length > 0 ? judges : all).map((one) => one.checksum));
    const values = engines.map((engine) => {
      const own = all.filter((sample) => sample.engine === engine);
      const isRight = own.length > 0 && own.every(({ checksum }) => checksum === expected);
      return [engine, isRight ? median(own.map(({ value }) => value)) : undefined] as const;
    });
    return { group: all[0]?.group ?? 'integer', test, values: Object.fromEntries(values) };
  });
}

/** A table in Markdown: seconds, then ratios of the first engine to every other one. */
export function renderTable(rows: readonly Row[], engines: readonly string[]): string {
  const [own = '', ...others] = engines;
  const timed = rows.filter(({ group }) => group !== 'idle');
  const ratio = (row: Row, other: string): number | undefined => {
    const [a, b] = [row.values[own], row.values[other]];
    return a === undefined || b === undefined ? undefined : a / b;
  };
  const ratioNames = others.map((other) => `${own} ÷ ${other}`);
  const head = ['group', 'test', ...engines.map((engine) => `${engine} (s)`), ...ratioNames];
  const body = timed.map((row) => [
    row.group,
    row.test,
    ...engines.map((engine) => format(row.values[engine], 3)),
    ...others.map((other) => format(ratio(row, other), 2)),
  ]);
  const means = GROUPS.filter((group) => timed.some((row) => row.group === group)).map((group) => {
    const own = timed.filter((row) => row.group === group);
    return [
      group,
      ...others.map((other) => format(geometricMean(own.map((row) => ratio(row, other))), 2)),
    ];
  });
  const idle = rows.filter(({ group }) => group === 'idle');
  const idleRows = engines.map((engine) => {
    const value = idle[0]?.values[engine];
    return [engine, value === undefined ? '–' : `${(value * 100).toFixed(1)} %`];
  });
  const parts = [];
  if (timed.length > 0) parts.push(markdown(head, body));
  if (others.length > 0 && timed.length > 0) {
    parts.push(markdown(['geometric mean of group', ...ratioNames], means));
  }
  if (idle.length > 0) parts.push(markdown(['idle at a shell', 'of one processor'], idleRows));
  return parts.join('\n');
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, index) => Math.max(...all.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, index) => {
      return /^[\d–]/.test(cell)
        ? cell.padStart(widths[index] ?? 0)
        : cell.padEnd(widths[index] ?? 0);
    });
    return `| ${padded.join(' | ')} |\n`;
  };
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|\n`;
  return `${line(head)}${rule}${rows.map(line).join('')}`;
}

function format(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

/** Of those that exist; NaN of none. */
function geometricMean(values: readonly (number | undefined)[]): number {
  const known = values.filter((value) => value !== undefined);
  return Math.exp(known.reduce((sum, value) => sum + Math.log(value), 0) / known.length);
}

function mostFrequent(values: readonly (string | undefined)[]): string | undefined {
  const count = (wanted: string | undefined): number => {
    return values.filter((value) => value === wanted).length;
  };
  return [...values].sort((a, b) => count(b) - count(a))[0];
}
