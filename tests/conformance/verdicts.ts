/** What a test printed and how it ended. */
export interface Outcome {
  /** Exit status that the guest asked for; null when it ran out of time. */
  readonly status: number | null;
  readonly output: string;
  readonly seconds: number;
}

/** How often each PASS line came, numbers in it replaced: they depend on compilers and clocks. */
export type PassLines = Readonly<Record<string, number>>;

/** What is committed about a test: whether it ended well, and its PASS lines. */
export interface Expectation {
  readonly succeeds: boolean;
  readonly pass: PassLines;
}

const SUCCESS = 1; // Port 0xf4 took 0.

/** How many lines begin with a verdict. */
export function countLines(output: string, verdict: 'PASS' | 'FAIL' | 'SKIP'): number {
  const start = new RegExp(`^${verdict}\\b`);
  return output.split('\n').filter((line) => start.test(line)).length;
}

/** What an outcome has to show again from now on. */
export function expectationOf({ status, output }: Outcome): Expectation {
  const pass: Record<string, number> = {};
  for (const line of output.split('\n')) {
    const [, claim] = /^PASS\b:?\s*(.*?)\s*$/.exec(line) ?? [];
    if (claim === undefined) continue;
    const name = claim.replace(/\b(0x)?[0-9a-f]*\d[0-9a-f]*\b/gi, 'N');
    pass[name] = (pass[name] ?? 0) + 1;
  }
  const sorted = Object.entries(pass).sort(([a], [b]) => (a < b ? -1 : 1));
  return { succeeds: status === SUCCESS, pass: Object.fromEntries(sorted) };
}

/** What is expected and did not come, as lines for people; empty when nothing is lost. */
export function lostVerdicts(expected: Expectation, found: Expectation): string[] {
  const lost = Object.entries(expected.pass).flatMap(([line, count]) => {
    const now = found.pass[line] ?? 0;
    return now >= count ? [] : [`PASS: ${line} (${now} of ${count} times)`];
  });
  return expected.succeeds && !found.succeeds ? [...lost, 'the test no longer succeeds'] : lost;
}
