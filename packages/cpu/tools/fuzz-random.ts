import { type OpcodeRow, ROWS } from '@umbra/isa';

/** What differs by nature, stops the machine, or leaves the small world of a stream. */
const EXCLUDED = new Set([
  'hlt',
  'mwait',
  'monitor',
  'rdtsc',
  'rdtscp',
  'rdpmc',
  'rdrand',
  'rdseed',
  'in',
  'out',
  'ins',
  'outs',
  'wrmsr',
  'rdmsr',
  'cpuid',
  'lgdt',
  'lidt',
  'lldt',
  'ltr',
  'lmsw',
  'invd',
  'wbinvd',
  'xsetbv',
  'swapgs',
  'sysenter',
  'sysexit',
  'syscall',
  'sysret',
  'ljmp',
  'lcall',
  'lret',
  'iret',
  'popf',
  'invlpg',
  'invpcid',
  'clts',
  'wrfsbase',
  'wrgsbase',
  'sti',
  'xrstor',
  'fxrstor',
  'frstor',
  'fldenv',
  'xsave',
  'xsaveopt',
  'fxsave',
  'xsavec',
]);
/** A small generator of random numbers with a seed (xorshift32). */
export class Chance {
  #state: number;
  constructor(seed: number) {
    this.#state = (seed * 0x9e37_79b9 + 0x7f4a_7c15) | 1;
    for (let i = 0; i < 8; i++) this.word();
  }
  /** 32 random bits, unsigned. */
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
  below(limit: number): number {
    return this.word() % limit;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

const USABLE: readonly OpcodeRow[] = ROWS.filter(
  (row) => !EXCLUDED.has(row.instruction.mnemonic) && !isControl(row),
);

function isControl(row: OpcodeRow): boolean {
  const special = row.operands.some((code) => code === 'Cd' || code === 'Dd' || code === 'Sw');
  const near = ['jmp', 'call', 'ret'].includes(row.instruction.mnemonic);
  return special || near;
}

/** What streams may do as well that have handlers for what comes of it. */
const HANDLED = new Set(['sti', 'popf', 'clts', 'invlpg']);
/** All that a stream with handlers may hold. */
export const HANDLED_ROWS: readonly OpcodeRow[] = ROWS.filter(
  (row) => USABLE.includes(row) || HANDLED.has(row.instruction.mnemonic),
);

/** Instructions that seldom fault: streams of them come to their calls and returns. */
const CALM =
  /^(add|or|adc|sbb|and|sub|xor|cmp|mov|lea|inc|dec|test|shl|shr|rol|imul|xchg|movzx|movsx|cmov|set|j|bt|bsf|neg|not|cmpxchg)/;
export const CALM_ROWS: readonly OpcodeRow[] = USABLE.filter(
  (row) => CALM.test(row.instruction.mnemonic) && !row.instruction.x87,
);

/** Bytes of one random instruction. */
export function randomInstruction(
  random: Chance,
  bits: 16 | 32 | 64,
  rows: readonly OpcodeRow[] = USABLE,
): number[] {
  const row = rows[random.below(rows.length)] as OpcodeRow;
  const words = row.key.split(' ');
  const bytes: number[] = [];
  const mandatory =
    words.length > 1 &&
    /^(NP|66|F3|F2|66F2)$/.test(words[0] as string) &&
    !/^[/=mr]/.test(words[1] as string)
      ? words.shift()
      : undefined;
  if (random.chance(5)) bytes.push(random.chance(50) ? 0x64 : 0x65);
  if (mandatory === '66' || mandatory === '66F2') bytes.push(0x66);
  else if (mandatory === undefined && random.chance(20)) bytes.push(0x66);
  if (mandatory === 'F3') bytes.push(0xf3);
  if (mandatory === 'F2' || mandatory === '66F2') bytes.push(0xf2);
  if (row.attributes.has('rep') && random.chance(40)) bytes.push(random.chance(50) ? 0xf3 : 0xf2);
  if (row.attributes.has('lock') && random.chance(10)) bytes.push(0xf0);
  if (bits === 64 && random.chance(50)) bytes.push(0x40 | random.below(16));
  const map =
    words.length > 1 &&
    /^0F(38|3A)?$/.test(words[0] as string) &&
    !/^[/=mr]/.test(words[1] as string)
      ? (words.shift() as string)
      : '';
  if (map !== '') bytes.push(0x0f);
  if (map === '0F38') bytes.push(0x38);
  if (map === '0F3A') bytes.push(0x3a);
  const opcode = words.shift() as string;
  bytes.push(Number.parseInt(opcode, 16) + (opcode.endsWith('+') ? random.below(8) : 0));
  pushModrm(bytes, words[0] ?? '', random, bits);
  if (row.operands[0]?.charAt(0) === 'J') {
    // Only a little forward: a stream comes to its end.
    bytes.push(random.below(12));
    if (row.operands[0] === 'Jz')
      bytes.push(0, ...(bits === 16 || bytes.includes(0x66) ? [] : [0, 0]));
    return bytes;
  }
  // Enough for any immediate; what is too much becomes other instructions.
  const tail = row.operands.filter((code) => /^[IJO]/.test(code)).length;
  for (let i = 0; i < tail * 4; i++)
    bytes.push(random.chance(40) ? random.below(8) : random.below(256));
  return bytes;
}

function pushModrm(bytes: number[], extension: string, random: Chance, bits: 16 | 32 | 64): void {
  if (extension.startsWith('=')) {
    bytes.push(Number.parseInt(extension.slice(1), 16));
    return;
  }
  const digit = extension.startsWith('/') ? Number(extension[1]) : random.below(8);
  const form = /[mr]$/.exec(extension)?.[0];
  const isRegister = form === 'r' || (form !== 'm' && random.chance(50));
  if (isRegister) {
    bytes.push(0xc0 | (digit << 3) | random.below(8));
    return;
  }
  // Mostly base registers that point into the data area, with a small displacement.
  const base = [3, 6, 7][random.below(3)] as number;
  const mod = random.chance(70) ? 1 : random.below(3);
  bytes.push(
    (mod << 6) | (digit << 3) | (bits === 16 ? ([4, 5, 7][random.below(3)] as number) : base),
  );
  if (mod === 1) bytes.push(random.below(256));
  if (mod === 2)
    for (let i = 0; i < (bits === 16 ? 2 : 4); i++) bytes.push(i < 2 ? random.below(256) : 0);
}
