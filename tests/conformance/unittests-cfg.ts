/** One test of a kvm-unit-tests checkout, as its x86/unittests.cfg describes it. */
export interface UnitTest {
  readonly name: string;
  /** Name of the binary in x86/. */
  readonly file: string;
  /** The architecture it is for; undefined: every one. */
  readonly arch: string | undefined;
  readonly processorCount: number;
  readonly groups: readonly string[];
  /** Command line for the test, without its name. */
  readonly args: string;
  /** Options for QEMU. */
  readonly qemuArgs: readonly string[];
  readonly timeoutSeconds: number;
}

/** What the suite's own scripts allow a test. */
const TIMEOUT_SECONDS = 90;

/** Parses x86/unittests.cfg: sections of `key = value` lines, `#` comments. */
export function parseUnitTests(text: string): UnitTest[] {
  const sections: [name: string, values: Map<string, string>][] = [];
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const header = /^\[(.+)\]$/.exec(line)?.[1];
    if (header !== undefined) {
      sections.push([header, new Map()]);
      continue;
    }
    const [, key = '', value = ''] = /^(\w+)\s*=\s*(.*)$/.exec(line) ?? [];
    sections.at(-1)?.[1].set(key, unquote(value));
  }
  return sections.map(([name, values]) => ({
    name,
    file: values.get('file') ?? `${name}.flat`,
    arch: values.get('arch'),
    processorCount: Number(values.get('smp') ?? 1),
    groups: words(values.get('groups')),
    args: values.get('test_args') ?? '',
    qemuArgs: words(values.get('qemu_params') ?? values.get('extra_params')),
    timeoutSeconds: Number(values.get('timeout') ?? TIMEOUT_SECONDS),
  }));
}

function unquote(value: string): string {
  return /^(['"])(.*)\1$/.exec(value)?.[2] ?? value;
}

function words(text = ''): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
