/**
 * What packed integer instructions compute, lane by lane in BigInt: the tests' own reading of [SDM]
 * vol. 2, apart from the one the engines run.
 */

/** Operands and results as little-endian numbers of `bits` (64 or 128) bits. */
export interface PackedInput {
  readonly a: bigint;
  readonly b: bigint;
  readonly bits: number;
  readonly immediate: number;
  /** XMM0 of the blends. */
  readonly selector: bigint;
}
export type PackedOracle = (input: PackedInput) => bigint;

type Two = (a: bigint, b: bigint) => bigint;

export function split(value: bigint, width: number, bits: number, signed = false): bigint[] {
  return Array.from({ length: bits / width }, (_, index) => {
    const lane = (value >> BigInt(index * width)) & ((1n << BigInt(width)) - 1n);
    return signed ? BigInt.asIntN(width, lane) : lane;
  });
}

export function join(lanes: readonly bigint[], width: number): bigint {
  return lanes.reduceRight((sum, lane) => (sum << BigInt(width)) | BigInt.asUintN(width, lane), 0n);
}

const at = (lanes: readonly bigint[], index: number): bigint => lanes[index] ?? 0n;
const each =
  (width: number, signed: boolean, f: Two): PackedOracle =>
  ({ a, b, bits }) => {
    const second = split(b, width, bits, signed);
    return join(
      split(a, width, bits, signed).map((lane, index) => f(lane, at(second, index))),
      width,
    );
  };
const clamp = (value: bigint, width: number, signed: boolean): bigint => {
  const least = signed ? -(1n << BigInt(width - 1)) : 0n;
  const most = signed ? (1n << BigInt(width - 1)) - 1n : (1n << BigInt(width)) - 1n;
  return value < least ? least : value > most ? most : value;
};
const add: Two = (a, b) => a + b;
const sub: Two = (a, b) => a - b;
const min: Two = (a, b) => (a - b < 0n ? a : b);
const max: Two = (a, b) => (a - b > 0n ? a : b);
const mask = (condition: boolean): bigint => (condition ? -1n : 0n);
const absolute = (value: bigint): bigint => (value < 0n ? -value : value);

const saturating = (width: number, signed: boolean, f: Two) =>
  each(width, signed, (a, b) => clamp(f(a, b), width, signed));

/** Neighbouring products added. */
const multiplyAdd =
  (width: number, signedA: boolean, saturate: boolean): PackedOracle =>
  ({ a, b, bits }) => {
    const first = split(a, width, bits, signedA);
    const second = split(b, width, bits, true);
    const products = first.map((lane, index) => lane * at(second, index));
    const sums = Array.from({ length: products.length / 2 }, (_, index) => {
      const sum = at(products, 2 * index) + at(products, 2 * index + 1);
      return saturate ? clamp(sum, width * 2, true) : sum;
    });
    return join(sums, width * 2);
  };

const pack =
  (width: number, signed: boolean): PackedOracle =>
  ({ a, b, bits }) =>
    join(
      [...split(a, width, bits, true), ...split(b, width, bits, true)].map((lane) =>
        clamp(lane, width / 2, signed),
      ),
      width / 2,
    );

const unpack =
  (width: number, high: boolean): PackedOracle =>
  ({ a, b, bits }) => {
    const first = split(a, width, bits);
    const second = split(b, width, bits);
    const start = high ? first.length / 2 : 0;
    const order = Array.from({ length: first.length / 2 }, (_, index) => start + index);
    return join(
      order.flatMap((index) => [at(first, index), at(second, index)]),
      width,
    );
  };

const horizontal =
  (width: number, f: Two, saturate: boolean): PackedOracle =>
  ({ a, b, bits }) => {
    const all = [...split(a, width, bits, true), ...split(b, width, bits, true)];
    const sums = Array.from({ length: all.length / 2 }, (_, index) => {
      const sum = f(at(all, 2 * index), at(all, 2 * index + 1));
      return saturate ? clamp(sum, width, true) : sum;
    });
    return join(sums, width);
  };

const shift =
  (width: number, kind: 'l' | 'r' | 'a'): PackedOracle =>
  ({ a, b, bits }) => {
    const count = b & 0xffff_ffff_ffff_ffffn;
    const by = count > BigInt(width) ? BigInt(width) : count;
    return join(
      split(a, width, bits, kind === 'a').map((lane) => (kind === 'l' ? lane << by : lane >> by)),
      width,
    );
  };

/** Lanes of the source that pairs of bits of the immediate choose. */
const chosen = (lanes: readonly bigint[], immediate: number): bigint[] =>
  [0, 2, 4, 6].map((position) => at(lanes, (immediate >> position) & 3));

const blend =
  (width: number, bitOf: (input: PackedInput, lane: number) => boolean): PackedOracle =>
  (input) => {
    const first = split(input.a, width, 128);
    const second = split(input.b, width, 128);
    return join(
      first.map((lane, index) => (bitOf(input, index) ? at(second, index) : lane)),
      width,
    );
  };
const byImmediate = ({ immediate }: PackedInput, lane: number): boolean =>
  ((immediate >> lane) & 1) !== 0;
const bySelector =
  (width: number) =>
  ({ selector }: PackedInput, lane: number): boolean =>
    ((selector >> BigInt(lane * width + width - 1)) & 1n) !== 0n;

const extend =
  (from: number, to: number, signed: boolean): PackedOracle =>
  ({ b }) =>
    join(split(b, from, 128, signed).slice(0, 128 / to), to);

const sadOf = (a: readonly bigint[], b: readonly bigint[], i: number, j: number, count: number) =>
  Array.from({ length: count }, (_, k) => absolute(at(a, i + k) - at(b, j + k))).reduce(add, 0n);

const LOGIC: Record<string, PackedOracle> = {
  pand: ({ a, b }) => a & b,
  pandn: ({ a, b, bits }) => BigInt.asUintN(bits, ~a) & b,
  por: ({ a, b }) => a | b,
  pxor: ({ a, b }) => a ^ b,
};

const BY_WIDTH: Record<string, PackedOracle> = {};
for (const [letter, width] of [
  ['b', 8],
  ['w', 16],
  ['d', 32],
  ['q', 64],
] as const) {
  BY_WIDTH[`padd${letter}`] = each(width, false, add);
  BY_WIDTH[`psub${letter}`] = each(width, false, sub);
  BY_WIDTH[`padds${letter}`] = saturating(width, true, add);
  BY_WIDTH[`paddus${letter}`] = saturating(width, false, add);
  BY_WIDTH[`psubs${letter}`] = saturating(width, true, sub);
  BY_WIDTH[`psubus${letter}`] = saturating(width, false, sub);
  BY_WIDTH[`pcmpeq${letter}`] = each(width, false, (a, b) => mask(a === b));
  BY_WIDTH[`pcmpgt${letter}`] = each(width, true, (a, b) => mask(a > b));
  BY_WIDTH[`pmins${letter}`] = each(width, true, min);
  BY_WIDTH[`pmaxs${letter}`] = each(width, true, max);
  BY_WIDTH[`pminu${letter}`] = each(width, false, min);
  BY_WIDTH[`pmaxu${letter}`] = each(width, false, max);
  BY_WIDTH[`pavg${letter}`] = each(width, false, (a, b) => (a + b + 1n) >> 1n);
  BY_WIDTH[`psll${letter}`] = shift(width, 'l');
  BY_WIDTH[`psrl${letter}`] = shift(width, 'r');
  BY_WIDTH[`psra${letter}`] = shift(width, 'a');
  BY_WIDTH[`pabs${letter}`] = each(width, true, (_a, b) => absolute(b));
  BY_WIDTH[`psign${letter}`] = each(width, true, (a, b) => (b < 0n ? -a : b === 0n ? 0n : a));
}

const ARITHMETIC: Record<string, PackedOracle> = {
  pmullw: each(16, true, (a, b) => a * b),
  pmulld: each(32, true, (a, b) => a * b),
  pmulhw: each(16, true, (a, b) => (a * b) >> 16n),
  pmulhuw: each(16, false, (a, b) => (a * b) >> 16n),
  pmulhrsw: each(16, true, (a, b) => (((a * b) >> 14n) + 1n) >> 1n),
  pmuludq: each(64, false, (a, b) => (a & 0xffff_ffffn) * (b & 0xffff_ffffn)),
  pmuldq: each(64, false, (a, b) => BigInt.asIntN(32, a) * BigInt.asIntN(32, b)),
  pmaddwd: multiplyAdd(16, true, false),
  pmaddubsw: multiplyAdd(8, false, true),
  psadbw: ({ a, b, bits }) => {
    const first = split(a, 8, bits);
    const second = split(b, 8, bits);
    return join(
      Array.from({ length: bits / 64 }, (_, half) => sadOf(first, second, half * 8, half * 8, 8)),
      64,
    );
  },
  mpsadbw: ({ a, b, immediate }) => {
    const first = split(a, 8, 128);
    const second = split(b, 8, 128);
    const start = immediate & 4;
    return join(
      Array.from({ length: 8 }, (_, i) => sadOf(first, second, start + i, (immediate & 3) * 4, 4)),
      16,
    );
  },
  phminposuw: ({ b }) => {
    const words = split(b, 16, 128);
    const least = words.reduce(min);
    return least | (BigInt(words.indexOf(least)) << 16n);
  },
  phaddw: horizontal(16, add, false),
  phaddd: horizontal(32, add, false),
  phaddsw: horizontal(16, add, true),
  phsubw: horizontal(16, sub, false),
  phsubd: horizontal(32, sub, false),
  phsubsw: horizontal(16, sub, true),
  packsswb: pack(16, true),
  packssdw: pack(32, true),
  packuswb: pack(16, false),
  packusdw: pack(32, false),
};

const MOVEMENT: Record<string, PackedOracle> = {
  punpcklbw: unpack(8, false),
  punpcklwd: unpack(16, false),
  punpckldq: unpack(32, false),
  punpcklqdq: unpack(64, false),
  punpckhbw: unpack(8, true),
  punpckhwd: unpack(16, true),
  punpckhdq: unpack(32, true),
  punpckhqdq: unpack(64, true),
  unpcklps: unpack(32, false),
  unpckhps: unpack(32, true),
  unpcklpd: unpack(64, false),
  unpckhpd: unpack(64, true),
  pslldq: ({ a, b }) => BigInt.asUintN(128, a << (8n * (b > 16n ? 16n : b))),
  psrldq: ({ a, b }) => a >> (8n * (b > 16n ? 16n : b)),
  pshufd: ({ b, immediate }) => join(chosen(split(b, 32, 128), immediate), 32),
  pshufw: ({ b, immediate }) => join(chosen(split(b, 16, 64), immediate), 16),
  pshuflw: ({ b, immediate }) => {
    const words = split(b, 16, 128);
    return join([...chosen(words, immediate), ...words.slice(4)], 16);
  },
  pshufhw: ({ b, immediate }) => {
    const words = split(b, 16, 128);
    return join([...words.slice(0, 4), ...chosen(words.slice(4), immediate)], 16);
  },
  pshufb: ({ a, b, bits }) => {
    const bytes = split(a, 8, bits);
    const pick = (index: bigint) =>
      index & 0x80n ? 0n : at(bytes, Number(index) & (bits / 8 - 1));
    return join(split(b, 8, bits).map(pick), 8);
  },
  shufps: ({ a, b, immediate }) => {
    const first = chosen(split(a, 32, 128), immediate);
    const second = chosen(split(b, 32, 128), immediate);
    return join([at(first, 0), at(first, 1), at(second, 2), at(second, 3)], 32);
  },
  shufpd: ({ a, b, immediate }) =>
    join([at(split(a, 64, 128), immediate & 1), at(split(b, 64, 128), (immediate >> 1) & 1)], 64),
  palignr: ({ a, b, bits, immediate }) =>
    BigInt.asUintN(bits, ((a << BigInt(bits)) | b) >> BigInt(8 * immediate)),
  blendps: blend(32, byImmediate),
  blendpd: blend(64, byImmediate),
  pblendw: blend(16, byImmediate),
  pblendvb: blend(8, bySelector(8)),
  blendvps: blend(32, bySelector(32)),
  blendvpd: blend(64, bySelector(64)),
  andps: ({ a, b }) => a & b,
  andnps: ({ a, b }) => BigInt.asUintN(128, ~a) & b,
  orps: ({ a, b }) => a | b,
  xorps: ({ a, b }) => a ^ b,
  movhlps: ({ a, b }) => ((a >> 64n) << 64n) | (b >> 64n),
  movlhps: ({ a, b }) => BigInt.asUintN(64, a) | (BigInt.asUintN(64, b) << 64n),
  movsldup: ({ b }) =>
    join(
      [0, 0, 2, 2].map((lane) => at(split(b, 32, 128), lane)),
      32,
    ),
  movshdup: ({ b }) =>
    join(
      [1, 1, 3, 3].map((lane) => at(split(b, 32, 128), lane)),
      32,
    ),
  movddup: ({ b }) => BigInt.asUintN(64, b) * ((1n << 64n) + 1n),
  movntdqa: ({ b }) => b,
  pmovsxbw: extend(8, 16, true),
  pmovsxbd: extend(8, 32, true),
  pmovsxbq: extend(8, 64, true),
  pmovsxwd: extend(16, 32, true),
  pmovsxwq: extend(16, 64, true),
  pmovsxdq: extend(32, 64, true),
  pmovzxbw: extend(8, 16, false),
  pmovzxbd: extend(8, 32, false),
  pmovzxbq: extend(8, 64, false),
  pmovzxwd: extend(16, 32, false),
  pmovzxwq: extend(16, 64, false),
  pmovzxdq: extend(32, 64, false),
};

/** By mnemonic: instructions whose result is a vector made of two. */
export const PACKED_ORACLES: Readonly<Record<string, PackedOracle>> = {
  ...LOGIC,
  ...BY_WIDTH,
  ...ARITHMETIC,
  ...MOVEMENT,
};
