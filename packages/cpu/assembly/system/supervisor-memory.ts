// The processor's own accesses, always with supervisor rights: descriptor tables, the TSS, stacks of
// inner privilege levels. They find their pages in the supervisor's shadow tables of the current
// space whatever the privilege, for a guest's page faults and interrupts consist of little else.

import {
  base,
  space,
  CPU_AREA_SHADOW,
  SHADOW_TABLES,
  SHADOW_TABLE_SIZE,
  TABLE_READ_K,
  TABLE_WRITE_K,
} from '../generated/layout';
import { faulted } from '../fault';
import {
  sysRead16 as walkRead16,
  sysRead32 as walkRead32,
  sysRead64 as walkRead64,
  sysRead8 as walkRead8,
  sysWrite16 as walkWrite16,
  sysWrite32 as walkWrite32,
  sysWrite64 as walkWrite64,
  sysWrite8 as walkWrite8,
} from '../memory';
import { fillRead, fillWrite, hostBehind, translatedPhysical } from '../paging';

const ENTRY_MASK: u32 = 0xfff0;
const PAGE_MASK: u64 = ~(<u64>0xfff);

/** Host address behind a supervisor table's entry for `size` bytes, or 0. */
// @ts-ignore: decorator
@inline
function lookUp(table: u32, linear: u64, size: u32): u32 {
  const offset = (space() * SHADOW_TABLES + table) * SHADOW_TABLE_SIZE;
  const entry = <u32>base() + CPU_AREA_SHADOW + offset + (<u32>(linear >> 8) & ENTRY_MASK);
  if (load<u64>(entry) != ((linear + size - 1) & PAGE_MASK)) return 0;
  return hostBehind(entry, linear);
}

/** After a walk that went well: the next access finds the page in the table. */
function rememberRead(linear: u64, size: u32): void {
  if (!faulted() && ((linear ^ (linear + size - 1)) & PAGE_MASK) == 0) {
    fillRead(linear, 0, translatedPhysical());
  }
}

function rememberWrite(linear: u64, size: u32): void {
  if (!faulted() && ((linear ^ (linear + size - 1)) & PAGE_MASK) == 0) {
    fillWrite(linear, 0, translatedPhysical());
  }
}

export function sysRead8(linear: u64): u32 {
  const host = lookUp(TABLE_READ_K, linear, 1);
  if (host != 0) return <u32>load<u8>(host);
  const value = walkRead8(linear);
  rememberRead(linear, 1);
  return value;
}

export function sysRead16(linear: u64): u32 {
  const host = lookUp(TABLE_READ_K, linear, 2);
  if (host != 0) return <u32>load<u16>(host);
  const value = walkRead16(linear);
  rememberRead(linear, 2);
  return value;
}

export function sysRead32(linear: u64): u32 {
  const host = lookUp(TABLE_READ_K, linear, 4);
  if (host != 0) return load<u32>(host);
  const value = walkRead32(linear);
  rememberRead(linear, 4);
  return value;
}

export function sysRead64(linear: u64): u64 {
  const host = lookUp(TABLE_READ_K, linear, 8);
  if (host != 0) return load<u64>(host);
  const value = walkRead64(linear);
  rememberRead(linear, 8);
  return value;
}

export function sysWrite8(linear: u64, value: u32): void {
  const host = lookUp(TABLE_WRITE_K, linear, 1);
  if (host != 0) {
    store<u8>(host, <u8>value);
    return;
  }
  walkWrite8(linear, value);
  rememberWrite(linear, 1);
}

export function sysWrite16(linear: u64, value: u32): void {
  const host = lookUp(TABLE_WRITE_K, linear, 2);
  if (host != 0) {
    store<u16>(host, <u16>value);
    return;
  }
  walkWrite16(linear, value);
  rememberWrite(linear, 2);
}

export function sysWrite32(linear: u64, value: u32): void {
  const host = lookUp(TABLE_WRITE_K, linear, 4);
  if (host != 0) {
    store<u32>(host, value);
    return;
  }
  walkWrite32(linear, value);
  rememberWrite(linear, 4);
}

export function sysWrite64(linear: u64, value: u64): void {
  const host = lookUp(TABLE_WRITE_K, linear, 8);
  if (host != 0) {
    store<u64>(host, value);
    return;
  }
  walkWrite64(linear, value);
  rememberWrite(linear, 8);
}
