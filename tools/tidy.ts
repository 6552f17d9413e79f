// House rules that neither the compiler nor the linter knows.

import {
  isHostSide,
  lineOf,
  PURE_PACKAGES,
  type SourceFile,
  type Violation,
} from './source-files.ts';

const LINE_LENGTH_MAX = 100;
const FILE_LINES_MAX = 600;
/** The two builders are one class each, whose parts share its private state: they may be longer. */
const LONGER_FILES: Readonly<Record<string, number>> = {
  'packages/cpu/src/builder.ts': 1000,
  'packages/cpu/src/region-builder.ts': 1000,
};

interface Rule {
  readonly pattern: RegExp;
  readonly message: string;
}

/** Banned in product code of the pure packages: these come in through constructors. */
const PURE_RULES: readonly Rule[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(\)/g,
    message: 'Takes the time from its Clock, not from Date',
  },
  {
    pattern: /\bperformance\.now\b/g,
    message: 'Takes the time from its Clock, not from performance',
  },
  { pattern: /\bset(?:Timeout|Interval|Immediate)\b/g, message: 'Schedules by its Clock' },
  { pattern: /\bMath\.random\b/g, message: 'Takes chance from outside' },
  {
    pattern: /\bconsole\.|\bprocess\./g,
    message: 'Pure packages reach neither console nor process',
  },
];

/** Banned everywhere. */
const RULES: readonly Rule[] = [
  { pattern: /\b(?:TODO|FIXME|XXX)\b(?!')/g, message: 'Finish it or file it; no notes to self' },
  { pattern: /\bcatch\s*(?:\([^)]*\))?\s*\{\s*\}/g, message: 'An empty catch hides errors' },
  { pattern: /^export default\b/gm, message: 'Named exports only' },
  { pattern: /\b(?:test|it|describe)\.(?:only|skip)\(/g, message: 'No test is left out' },
];

/** The tidy rules that `files` break. */
export function checkTidiness(files: readonly SourceFile[]): Violation[] {
  return files.flatMap((file) => {
    const violations = [...checkRules(file, rulesFor(file.path)), ...checkLength(file)];
    return file.path === 'tools/tidy.ts' || file.path === 'tools/tidy.test.ts' ? [] : violations;
  });
}

function rulesFor(path: string): readonly Rule[] {
  const [, owner = ''] = /^packages\/([^/]+)\//.exec(path) ?? [];
  const isPure = PURE_PACKAGES.includes(owner) && !isHostSide(path);
  return isPure ? [...RULES, ...PURE_RULES] : RULES;
}

function checkRules(file: SourceFile, rules: readonly Rule[]): Violation[] {
  const text = withoutComments(file.text);
  return rules.flatMap(({ pattern, message }) =>
    [...text.matchAll(pattern)].map((match) => ({
      path: file.path,
      line: lineOf(text, match.index),
      message: `${message}: ${match[0].trim()}`,
    })),
  );
}

/** Comments blanked out (but not their notes to self), so that words in prose break no rule. */
function withoutComments(text: string): string {
  const keep = (comment: string): string =>
    /\b(?:TODO|FIXME|XXX)\b/.test(comment) ? comment : comment.replace(/[^\n]/g, ' ');
  return text.replace(/\/\*[\s\S]*?\*\//g, keep).replace(/(^|\s)\/\/[^\n]*/g, keep);
}

function checkLength(file: SourceFile): Violation[] {
  const lines = file.text.split('\n');
  const long = lines.flatMap((line, index) =>
    // Formatter territory except for comments, which it leaves alone.
    line.length > LINE_LENGTH_MAX && /^\s*(?:\/\/|\*|\/\*)/.test(line) && !/https?:\/\//.test(line)
      ? [
          {
            path: file.path,
            line: index + 1,
            message: `Comment is wider than ${LINE_LENGTH_MAX} columns`,
          },
        ]
      : [],
  );
  const isTable = /^\/\/ Table: /m.test(file.text);
  const limit = LONGER_FILES[file.path] ?? FILE_LINES_MAX;
  if (lines.length <= limit || isTable) return long;
  const message = `${lines.length} lines; split by idea (at most ${limit}, tables say "// Table: ")`;
  return [...long, { path: file.path, line: limit, message }];
}
