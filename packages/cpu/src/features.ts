import { UmbraError } from '@umbra/base';
import type { OpcodeRow } from '@umbra/isa';

/** A register of CPUID that lists features, by leaf. */
export type FeatureRegister =
  | 'leaf1Ecx'
  | 'leaf1Edx'
  | 'leaf7Ebx'
  | 'leaf7Ecx'
  | 'extended1Ecx'
  | 'extended1Edx';

/** What goes with a feature. */
interface FeatureRow {
  readonly register: FeatureRegister;
  readonly bit: number;
  /** Bit of CR4 that cannot be set without it. */
  readonly cr4?: number;
  /** Bit of IA32_EFER that cannot be set without it. */
  readonly efer?: number;
  /** Instructions that are invalid opcodes without it. */
  readonly instructions?: readonly string[];
}

const words = (text: string): readonly string[] => text.split(/\s+/);

/**
 * The features that a processor may be made without; names are CPUID's, as Linux spells them in
 * /proc/cpuinfo where it has a name. [SDM] vol. 2A, "CPUID—CPU Identification".
 */
const FEATURES = {
  sse3: {
    register: 'leaf1Ecx',
    bit: 0,
    instructions: words(
      'addsubpd addsubps haddpd haddps hsubpd hsubps lddqu movddup movshdup movsldup fisttp',
    ),
  },
  ssse3: {
    register: 'leaf1Ecx',
    bit: 9,
    instructions: words(
      'pabsb pabsw pabsd phaddw phaddd phaddsw phsubw phsubd phsubsw pmaddubsw pmulhrsw pshufb ' +
        'psignb psignw psignd palignr',
    ),
  },
  cx16: { register: 'leaf1Ecx', bit: 13, instructions: ['cmpxchg16b'] },
  pcid: { register: 'leaf1Ecx', bit: 17, cr4: 17 },
  sse4_1: {
    register: 'leaf1Ecx',
    bit: 19,
    instructions: words(
      'blendpd blendps blendvpd blendvps dppd dpps extractps insertps movntdqa mpsadbw packusdw ' +
        'pblendvb pblendw pcmpeqq pextrb pextrd phminposuw pinsrb pinsrd pmaxsb pmaxsd pmaxud ' +
        'pmaxuw pminsb pminsd pminud pminuw pmovsxbw pmovsxbd pmovsxbq pmovsxwd pmovsxwq ' +
        'pmovsxdq pmovzxbw pmovzxbd pmovzxbq pmovzxwd pmovzxwq pmovzxdq pmuldq pmulld ptest ' +
        'roundpd roundps roundsd roundss',
    ),
  },
  sse4_2: {
    register: 'leaf1Ecx',
    bit: 20,
    instructions: words('crc32 pcmpestri pcmpestrm pcmpistri pcmpistrm pcmpgtq'),
  },
  movbe: { register: 'leaf1Ecx', bit: 22, instructions: ['movbe'] },
  popcnt: { register: 'leaf1Ecx', bit: 23, instructions: ['popcnt'] },
  xsave: {
    register: 'leaf1Ecx',
    bit: 26,
    cr4: 18,
    instructions: words('xsave xsaveopt xrstor xgetbv xsetbv'),
  },
  rdrand: { register: 'leaf1Ecx', bit: 30, instructions: ['rdrand'] },
  fsgsbase: {
    register: 'leaf7Ebx',
    bit: 0,
    cr4: 16,
    instructions: words('rdfsbase rdgsbase wrfsbase wrgsbase'),
  },
  smep: { register: 'leaf7Ebx', bit: 7, cr4: 20 },
  invpcid: { register: 'leaf7Ebx', bit: 10, instructions: ['invpcid'] },
  smap: { register: 'leaf7Ebx', bit: 20, cr4: 21, instructions: words('clac stac') },
  clflushopt: { register: 'leaf7Ebx', bit: 23, instructions: ['clflushopt'] },
  clwb: { register: 'leaf7Ebx', bit: 24, instructions: ['clwb'] },
  umip: { register: 'leaf7Ecx', bit: 2, cr4: 11 },
  nx: { register: 'extended1Edx', bit: 20, efer: 11 },
  rdtscp: { register: 'extended1Edx', bit: 27, instructions: ['rdtscp'] },
  lm: { register: 'extended1Edx', bit: 29, efer: 8 },
} as const satisfies Record<string, FeatureRow>;
export type FeatureName = keyof typeof FEATURES;

const V2_ONLY: readonly FeatureName[] = [
  'sse3',
  'ssse3',
  'cx16',
  'sse4_1',
  'sse4_2',
  'popcnt',
  'movbe',
];
/** Features that each model lacks. Levels as in the x86-64 psABI. [PSABI] §3.1.1. */
const MODELS: Readonly<Record<string, readonly FeatureName[]>> = {
  'x86-64-v2': [],
  'x86-64': V2_ONLY,
  i686: [...V2_ONLY, 'lm', 'rdtscp', 'fsgsbase', 'pcid', 'invpcid'],
};
export const DEFAULT_CPU_MODEL = 'x86-64-v2';

/** What a processor is made without, as its parts need it. */
export interface HiddenFeatures {
  /** Bits to take out of CPUID's registers. */
  readonly masks: Readonly<Record<FeatureRegister, number>>;
  /** Bits of CR4 and IA32_EFER that raise #GP. */
  readonly cr4: number;
  readonly efer: number;
  hides(row: OpcodeRow): boolean;
}

/**
 * Reads `MODEL[,-FEATURE...]`, such as `x86-64-v2,-pcid`; throws UmbraError CPU_MODEL that says
 * what there is.
 */
export function parseCpuModel(text: string): HiddenFeatures {
  const [model = '', ...changes] = text.split(',');
  const lacking = MODELS[model];
  if (lacking === undefined) {
    throw wrong(
      `The processor model is "${model}", expected ${Object.keys(MODELS).join(', ')}`,
      text,
    );
  }
  const hidden = new Set<string>(lacking);
  for (const change of changes) {
    const name = change.slice(1);
    if (!change.startsWith('-') || !(name in FEATURES)) {
      const known = Object.keys(FEATURES).join(' ');
      throw wrong(`The feature is "${change}", expected - and one of ${known}`, text);
    }
    hidden.add(name);
  }
  return hide(Object.entries<FeatureRow>(FEATURES).filter(([name]) => hidden.has(name)));
}

function hide(features: readonly [string, FeatureRow][]): HiddenFeatures {
  const masks = {
    leaf1Ecx: 0,
    leaf1Edx: 0,
    leaf7Ebx: 0,
    leaf7Ecx: 0,
    extended1Ecx: 0,
    extended1Edx: 0,
  };
  const instructions = new Set<string>();
  let cr4 = 0;
  let efer = 0;
  for (const [, row] of features) {
    masks[row.register] |= 1 << row.bit;
    if (row.cr4 !== undefined) cr4 |= 1 << row.cr4;
    if (row.efer !== undefined) efer |= 1 << row.efer;
    for (const name of row.instructions ?? []) instructions.add(name);
  }
  return { masks, cr4, efer, hides: (row) => instructions.has(row.instruction.mnemonic) };
}

function wrong(message: string, found: string): UmbraError {
  return new UmbraError('CPU_MODEL', message, { found });
}
