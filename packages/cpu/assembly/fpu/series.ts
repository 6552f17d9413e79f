// Power series in 128-bit fixed point, and constants to 128 bits, for transcendental functions.

import { fractionProductHigh, fractionProductLow, multiplyFractions } from './wide';

/** 1/(2k+1)! from k = 1: sin x = x (1 - x^2/3! + ...). */
export const SINE = memory.data<u64>([
  0x2aaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaab,
  0x0222222222222222, 0x2222222222222222,
  0x000d00d00d00d00d, 0x00d00d00d00d00d0,
  0x00002e3bc74aad8e, 0x671f5583911ca003,
  0x0000006b99159fd5, 0x138e3f9d1f92e0df,
  0x00000000b092309d, 0x43684be51c198e92,
  0x0000000000d73f9f, 0x399dc0f88ec32b58,
  0x000000000000ca96, 0x3b81856a53593029,
  0x0000000000000097, 0xa4da340a0ab92651,
  0x0000000000000000, 0x5c6e3bdb73d5c630,
  0x0000000000000000, 0x002ec368262c7034,
  0x0000000000000000, 0x000013f3ccdd1660,
  0x0000000000000000, 0x0000000746ac70b7,
  0x0000000000000000, 0x00000000024b3f31,
  0x0000000000000000, 0x000000000000a1a7,
  0x0000000000000000, 0x0000000000000027,
]);
export const SINE_TERMS: i32 = 16;

/** 1/(2k)! from k = 1: cos x = 1 - x^2/2! + ... */
export const COSINE = memory.data<u64>([
  0x8000000000000000, 0x0000000000000000,
  0x0aaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaab,
  0x005b05b05b05b05b, 0x05b05b05b05b05b0,
  0x0001a01a01a01a01, 0xa01a01a01a01a01a,
  0x0000049f93edde27, 0xd71cbbc05b4fa99a,
  0x00000008f76c77fc, 0x6c4bdaa26d4c3d68,
  0x000000000c9cba54, 0x603e4e905d6f8a2f,
  0x00000000000d73f9, 0xf399dc0f88ec32b6,
  0x0000000000000b41, 0x3c31dcbecbbdd802,
  0x0000000000000007, 0x950ae900808941ea,
  0x0000000000000000, 0x04338e5b6dfe14a5,
  0x0000000000000000, 0x0001f2cf01972f57,
  0x0000000000000000, 0x000000c4742fe352,
  0x0000000000000000, 0x0000000042862899,
  0x0000000000000000, 0x000000000013932c,
  0x0000000000000000, 0x000000000000050d,
  0x0000000000000000, 0x0000000000000001,
]);
export const COSINE_TERMS: i32 = 17;

/** 1/(2k+1) from k = 1: atan x = x (1 - x^2/3 + ...), artanh x = x (1 + x^2/3 + ...). */
export const ODD = memory.data<u64>([
  0x5555555555555555, 0x5555555555555555,
  0x3333333333333333, 0x3333333333333333,
  0x2492492492492492, 0x4924924924924925,
  0x1c71c71c71c71c71, 0xc71c71c71c71c71c,
  0x1745d1745d1745d1, 0x745d1745d1745d17,
  0x13b13b13b13b13b1, 0x3b13b13b13b13b14,
  0x1111111111111111, 0x1111111111111111,
  0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f,
  0x0d79435e50d79435, 0xe50d79435e50d794,
  0x0c30c30c30c30c30, 0xc30c30c30c30c30c,
  0x0b21642c8590b216, 0x42c8590b21642c86,
  0x0a3d70a3d70a3d70, 0xa3d70a3d70a3d70a,
  0x097b425ed097b425, 0xed097b425ed097b4,
  0x08d3dcb08d3dcb08, 0xd3dcb08d3dcb08d4,
  0x0842108421084210, 0x8421084210842108,
  0x07c1f07c1f07c1f0, 0x7c1f07c1f07c1f08,
  0x0750750750750750, 0x7507507507507507,
  0x06eb3e45306eb3e4, 0x5306eb3e45306eb4,
  0x0690690690690690, 0x6906906906906907,
  0x063e7063e7063e70, 0x63e7063e7063e706,
  0x05f417d05f417d05, 0xf417d05f417d05f4,
  0x05b05b05b05b05b0, 0x5b05b05b05b05b06,
  0x0572620ae4c415c9, 0x882b9310572620ae,
  0x05397829cbc14e5e, 0x0a72f05397829cbc,
  0x0505050505050505, 0x0505050505050505,
  0x04d4873ecade304d, 0x4873ecade304d487,
]);
/** Terms for arguments up to 1/16. */
export const ARCTANGENT_TERMS: i32 = 17;
/** Terms for arguments up to 3 - sqrt(8). */
export const LOGARITHM_TERMS: i32 = 26;

/** 1/(k+1)! from k = 1: e^x - 1 = x (1 + x/2! + ...). */
export const EXPONENTIAL = memory.data<u64>([
  0x8000000000000000, 0x0000000000000000,
  0x2aaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaab,
  0x0aaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaab,
  0x0222222222222222, 0x2222222222222222,
  0x005b05b05b05b05b, 0x05b05b05b05b05b0,
  0x000d00d00d00d00d, 0x00d00d00d00d00d0,
  0x0001a01a01a01a01, 0xa01a01a01a01a01a,
  0x00002e3bc74aad8e, 0x671f5583911ca003,
  0x0000049f93edde27, 0xd71cbbc05b4fa99a,
  0x0000006b99159fd5, 0x138e3f9d1f92e0df,
  0x00000008f76c77fc, 0x6c4bdaa26d4c3d68,
  0x00000000b092309d, 0x43684be51c198e92,
  0x000000000c9cba54, 0x603e4e905d6f8a2f,
  0x0000000000d73f9f, 0x399dc0f88ec32b58,
  0x00000000000d73f9, 0xf399dc0f88ec32b6,
  0x000000000000ca96, 0x3b81856a53593029,
  0x0000000000000b41, 0x3c31dcbecbbdd802,
  0x0000000000000097, 0xa4da340a0ab92651,
  0x0000000000000007, 0x950ae900808941ea,
  0x0000000000000000, 0x5c6e3bdb73d5c630,
  0x0000000000000000, 0x04338e5b6dfe14a5,
  0x0000000000000000, 0x002ec368262c7034,
  0x0000000000000000, 0x0001f2cf01972f57,
  0x0000000000000000, 0x000013f3ccdd1660,
  0x0000000000000000, 0x000000c4742fe352,
  0x0000000000000000, 0x0000000746ac70b7,
  0x0000000000000000, 0x0000000042862899,
  0x0000000000000000, 0x00000000024b3f31,
]);
export const EXPONENTIAL_TERMS: i32 = 28;

/** atan(k/8) from k = 1, as fractions. */
export const ARCTANGENTS = memory.data<u64>([
  0x1fd5ba9aac2f6dc6, 0x5912f313e7d111df,
  0x3eb6ebf25901bac5, 0x5b71e7bd7de885f9,
  0x5bd86507937bc239, 0xc55190916e7f2242,
  0x76b19c1586ed3da2, 0xb7f222f65e1d4682,
  0x8f005d5ef7f59f9b, 0x5c835e1665c43748,
  0xa4bc7d1934f70924, 0x19a87f2a457dac9f,
  0xb8053e2bc2319e73, 0xcb2da55210a4443d,
  0xc90fdaa22168c234, 0xc4c6628b80dc1cd1,
]);

/** pi / 4. */
export const PI_HIGH: u64 = 0xc90fdaa22168c234;
export const PI_LOW: u64 = 0xc4c6628b80dc1cd1;
/** ln 2. */
export const LN2_HIGH: u64 = 0xb17217f7d1cf79ab;
export const LN2_LOW: u64 = 0xc9e3b39803f2f6af;
/** log2 e / 2. */
export const LOG2E_HIGH: u64 = 0xb8aa3b295c17f0bb;
export const LOG2E_LOW: u64 = 0xbe87fed0691d3e89;

/**
 * x (c1 - x (c2 - x (c3 - ...))) of a fraction x, with plus signs unless `alternates`; the result
 * is left where multiplyFractions leaves it. All partial sums must be below one.
 */
export function series(
  table: usize,
  terms: i32,
  xHigh: u64,
  xLow: u64,
  alternates: bool,
): void {
  let at = table + <usize>(terms << 4) - 16;
  let high = load<u64>(at);
  let low = load<u64>(at, 8);
  for (let term = terms - 1; term > 0; term--) {
    multiplyFractions(high, low, xHigh, xLow);
    at -= 16;
    const nextLow = load<u64>(at, 8);
    const nextHigh = load<u64>(at);
    if (alternates) {
      low = nextLow - fractionProductLow;
      high = nextHigh - fractionProductHigh - (nextLow < fractionProductLow ? 1 : 0);
    } else {
      low = nextLow + fractionProductLow;
      high = nextHigh + fractionProductHigh + (low < nextLow ? 1 : 0);
    }
  }
  multiplyFractions(high, low, xHigh, xLow);
}
