// MMX registers are the significands of the x87 registers. [SDM] vol. 1 §9.2.

import { x87Check } from '../fpu/environment';
import { faulted } from '../fault';
import {
  base,
  fpuStatus,
  OFFSET_fpuSignificand,
  setFpuExponent,
  setFpuStatus,
  setFpuTag,
} from '../generated/layout';
import { probeWriteCurrent, write8 } from '../memory';
import { linearAddress } from '../system/segmentation';
import { shiftBytesRight } from './shuffle';

const TOP: u32 = 7 << 11;

/** Before an MMX instruction: a pending x87 exception comes first. */
export function checkMmx(): void {
  x87Check();
}

/** What each MMX instruction but EMMS does to the x87 state: TOP = 0, no register empty. */
export function enterMmx(): void {
  setFpuStatus(fpuStatus() & ~TOP);
  setFpuTag(0xff);
}

/** Writes the MMX register at `offset` in the state; the exponent above it becomes all ones. */
export function writeMmx(offset: u32, value: u64): void {
  enterMmx();
  store<u64>(base() + offset, value);
  setFpuExponent((offset - <u32>OFFSET_fpuSignificand) >> 3, 0xffff);
}

/** MASKMOVQ and MASKMOVDQU: stores the chosen bytes, all or none of them. */
export function maskedStore(bytes: v128, mask: u32, offset: u64, segment: u32, count: u32): void {
  if (count == 8) enterMmx();
  if (mask == 0) return;
  const first: u32 = ctz(mask);
  const last: u32 = 31 - clz(mask);
  const linear = linearAddress(segment, offset + first, last - first + 1, 1);
  if (faulted()) return;
  if (!probeWriteCurrent(linear, 1) || !probeWriteCurrent(linear + last - first, 1)) return;
  let rest = bytes;
  for (let index: u32 = 0; index <= last; index++) {
    if (mask & (1 << index)) {
      write8(linear + index - first, i8x16.extract_lane_u(rest, 0));
    }
    rest = shiftBytesRight(rest, i8x16.splat(0), 1);
  }
}
