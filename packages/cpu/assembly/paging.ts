// Paging and the shadow page tables. [SDM] vol. 3A ch. 4.
//
// A space is the shadow of one guest paging root: eight direct-mapped tables of linear page to host
// page. Spaces live on across CR3 loads. That they stay true is owed to two rules: a page that
// served as a page table has no write entry in any space, so every store to it comes through
// pageTableWritten(); and every write entry is on a list that starts at its host page, so all of
// them can be found when that page becomes a page table or code.

import { PF, faulted, raise } from './fault';
import {
  AREA_PAGE_INFO,
  AREA_PHYS_MAP,
  AREA_PT_ENTRY_SIZE,
  AREA_PT_POOL,
  AREA_PT_POOL_COUNT,
  AREA_WRITE_HEADS,
  CPU_AREA_BLOCK_CACHE,
  CPU_AREA_EMPTY_TABLE,
  CPU_AREA_JUMP_CACHE,
  CPU_AREA_SHADOW,
  CPU_AREA_SPACES,
  CPU_AREA_WRITE_LINKS,
  EFLAGS_AC,
  JUMP_CACHE_COUNT,
  JUMP_CACHE_ENTRY_SIZE,
  JUMP_MODE_MASK,
  MODE_ALIGNMENT,
  MODE_SMAP_OVERRIDE,
  MODE_USER,
  PAGE_FLAG_CODE,
  PAGE_FLAG_PAGE_TABLE,
  PAGE_FLAG_ROM,
  SHADOW_ENTRIES,
  SHADOW_SPACES,
  SHADOW_TABLES,
  SHADOW_TABLE_SIZE,
  TABLE_FETCH_K,
  TABLE_FETCH_U,
  TABLE_READ_A,
  TABLE_READ_K,
  TABLE_READ_U,
  a20Mask,
  base,
  cr0,
  cr2,
  cr3,
  cr4,
  efer,
  fetchTable,
  generation,
  maxPhysMask,
  mmuTwoStage,
  modeKey,
  pdpte,
  setCr2,
  setFaultPending,
  setFetchTable,
  setGeneration,
  setJumpKey,
  setReadTable,
  setSpace,
  setStatFills,
  setStatSpaceSwitches,
  setWriteTable,
  space,
  statFills,
  statSpaceSwitches,
  systemFlags,
} from './generated/layout';
import { physicalRead, physicalToHost, physicalWritable, physicalWrite } from './memory';
import { isWatched } from './system/debug';

export const ACCESS_WRITE: u32 = 1 << 0;
export const ACCESS_USER: u32 = 1 << 1;
export const ACCESS_FETCH: u32 = 1 << 2;
/** A supervisor access that the processor makes by itself: EFLAGS.AC does not acOverride SMAP. */
export const ACCESS_IMPLICIT: u32 = 1 << 3;

const CR0_WP: u64 = 1 << 16;
const CR0_PG: u64 = 1 << 31;
const CR4_PSE: u64 = 1 << 4;
const CR4_PAE: u64 = 1 << 5;
const CR4_SMEP: u64 = 1 << 20;
const CR4_SMAP: u64 = 1 << 21;
const EFER_LMA: u64 = 1 << 10;
const EFER_NXE: u64 = 1 << 11;

const PTE_P: u64 = 1 << 0;
const PTE_W: u64 = 1 << 1;
const PTE_U: u64 = 1 << 2;
const PTE_A: u64 = 1 << 5;
const PTE_D: u64 = 1 << 6;
const PTE_PS: u64 = 1 << 7;
const PTE_NX: u64 = 1 << 63;
const ADDRESS_MASK: u64 = 0x000f_ffff_ffff_f000;

const NO_TAG: u64 = ~(<u64>0);

// A space's description, 64 bytes.
const SPACE_KEY: u32 = 0; // u64: root | paging mode, all ones when free
const SPACE_USED: u32 = 8; // u32: time of the last switch to it
const SPACE_GENERATION: u32 = 12; // u32
const SPACE_STALE: u32 = 16; // u32: 1 = to be cleared before use
const SPACE_PDPTE: u32 = 24; // u64 each: the four that its shadows were made under
const SPACE_SIZE: u32 = 64;

// A tracked page-table page, 192 bytes.
const PT_PAGE: u32 = 0; // u32 host page
const PT_SHIFT: u32 = 4; // u32: log2 of the bytes that one entry maps
const PT_BASE: u32 = 8; // u64: linear address that the first entry maps
const PT_SPACE: u32 = 16; // u32: the space, or SPACE_MANY
const PT_MULTIPLE: u32 = 20; // u32: 1 = serves at several places
const PT_WRITES: u32 = 24; // u32: slow stores since a walk came through
const PT_ENTRY_SHIFT: u32 = 28; // u32: log2 of the entry size
const PT_FETCHED: u32 = 64; // 1,024 bits: entries that instruction fetches came through
const SPACE_MANY: u32 = 0xffff;
/** After so many stores without a walk the page is taken for ordinary memory again. */
const PT_WRITES_MAX: u32 = 1024;

let walkPhysical: u64 = 0;
let walkDirty: bool = false;
let walkUser: bool = false;
let tableCount: u32 = 1;
let spaceClock: u32 = 0;
let generationCounter: u32 = 1;

/** Physical address that the last successful translate() found. */
// @ts-ignore: decorator
@inline
export function translatedPhysical(): u64 {
  return walkPhysical;
}

/** 0 = paging off, 1 = 32-bit, 2 = PAE, 3 = 4-level. */
// @ts-ignore: decorator
@inline
function pagingMode(): u32 {
  if ((cr0() & CR0_PG) == 0) return 0;
  if (efer() & EFER_LMA) return 3;
  return cr4() & CR4_PAE ? 2 : 1;
}

function pageFault(linear: u64, access: u32, present: u32, reserved: u32): bool {
  setCr2(linear);
  let error = present | (reserved << 3);
  if (access & ACCESS_WRITE) error |= 2;
  if (access & ACCESS_USER) error |= 4;
  const executeDisable = (efer() & EFER_NXE) != 0 && (cr4() & CR4_PAE) != 0;
  if ((access & ACCESS_FETCH) != 0 && (executeDisable || (cr4() & CR4_SMEP) != 0)) error |= 16;
  raise(PF, error);
  return false;
}

/**
 * Walks the guest's tables for an access, sets accessed and dirty bits, and leaves the physical
 * address in translatedPhysical(). False with #PF pending when the access is not allowed.
 */
export function translate(linear: u64, access: u32): bool {
  const mode = pagingMode();
  walkDirty = true;
  walkUser = true;
  if (mode == 0) {
    walkPhysical = linear & 0xffff_ffff;
    return true;
  }
  return mode == 1 ? walk32(linear, access) : walk64(linear, access, mode);
}

/** Whether an access that reached a leaf with these combined rights is allowed. */
// @ts-ignore: decorator
@inline
function allowed(access: u32, writable: bool, user: bool, noExecute: bool): bool {
  if ((access & ACCESS_FETCH) != 0 && noExecute) return false;
  if (access & ACCESS_USER) {
    if (!user) return false;
    return (access & ACCESS_WRITE) == 0 || writable;
  }
  if (user) {
    if (access & ACCESS_FETCH) {
      if (cr4() & CR4_SMEP) return false;
    } else if (cr4() & CR4_SMAP) {
      const acOverride = (systemFlags() & EFLAGS_AC) != 0 && (access & ACCESS_IMPLICIT) == 0;
      if (!acOverride) return false;
    }
  }
  return (access & ACCESS_WRITE) == 0 || writable || (cr0() & CR0_WP) == 0;
}

function walk32(linear: u64, access: u32): bool {
  const address = <u32>linear;
  const pdeAddress = (cr3() & 0xffff_f000) + ((address >> 22) << 2);
  trackTable(pdeAddress, 22, 0, access, address >> 22, 2);
  const pde = physicalRead(pdeAddress, 4);
  if ((pde & PTE_P) == 0) return pageFault(linear, access, 0, 0);
  if ((pde & PTE_PS) != 0 && (cr4() & CR4_PSE) != 0) {
    // PSE-36: bits 20:13 are bits 39:32 of the address; bit 21 is reserved.
    if (pde & (1 << 21)) return pageFault(linear, access, 1, 1);
    const writable = (pde & PTE_W) != 0;
    const user = (pde & PTE_U) != 0;
    if (!allowed(access, writable, user, false)) return pageFault(linear, access, 1, 0);
    setAccessed(pdeAddress, pde, 4, access);
    walkPhysical = (pde & 0xffc0_0000) | (((pde >> 13) & 0xff) << 32) | <u64>(address & 0x3f_ffff);
    walkUser = user;
    return true;
  }
  const pteAddress = (pde & 0xffff_f000) + (((address >> 12) & 0x3ff) << 2);
  trackTable(pteAddress, 12, address & 0xffc0_0000, access, (address >> 12) & 0x3ff, 2);
  const pte = physicalRead(pteAddress, 4);
  if ((pte & PTE_P) == 0) return pageFault(linear, access, 0, 0);
  const rights = pde & pte;
  const writable = (rights & PTE_W) != 0;
  const user = (rights & PTE_U) != 0;
  if (!allowed(access, writable, user, false)) return pageFault(linear, access, 1, 0);
  if ((pde & PTE_A) == 0) updateEntry(pdeAddress, 4, pde | PTE_A);
  setAccessed(pteAddress, pte, 4, access);
  walkPhysical = (pte & 0xffff_f000) | <u64>(address & 0xfff);
  walkUser = user;
  return true;
}

// @ts-ignore: decorator
@inline
function setAccessed(address: u64, entry: u64, size: u32, access: u32): void {
  const wanted = entry | PTE_A | (access & ACCESS_WRITE ? PTE_D : 0);
  if (wanted != entry) updateEntry(address, size, wanted);
  walkDirty = (wanted & PTE_D) != 0;
}

/** The processor's own store of accessed and dirty bits: mappings do not change by it. */
function updateEntry(address: u64, size: u32, value: u64): void {
  const host = physicalToHost(address);
  if (host && physicalWritable(address)) {
    if (size == 8) store<u64>(host, value);
    else store<u32>(host, <u32>value);
  }
}

function walk64(linear: u64, access: u32, mode: u32): bool {
  const noExecuteOn = (efer() & EFER_NXE) != 0;
  const reservedAlways: u64 =
    (~maxPhysMask() & ADDRESS_MASK) | (noExecuteOn ? 0 : PTE_NX) | (mode == 2 ? 0x7ff0_0000_0000_0000 : 0);
  let rights: u64 = PTE_W | PTE_U;
  let noExecute: u64 = 0;
  let table: u64;
  let shift: u64;
  let entryAddress: u64 = 0;
  let entry: u64 = 0;
  const limit: u64 = mode == 3 ? 0x0000_ffff_ffff_ffff : 0xffff_ffff;
  const address = linear & limit;
  const signBits = linear & ~limit;
  if (mode == 3) {
    table = cr3() & ADDRESS_MASK;
    shift = 39;
  } else {
    // The latched PDPTEs: no rights bits of their own. [SDM] vol. 3A §4.4.1.
    entry = pdpte(<u32>(address >> 30));
    if ((entry & PTE_P) == 0) return pageFault(linear, access, 0, 0);
    table = entry & ADDRESS_MASK;
    shift = 21;
  }
  while (true) {
    const index = <u32>((address >> shift) & 0x1ff);
    entryAddress = table + (<u64>index << 3);
    const baseMask = ~((<u64>1 << (shift + 9)) - 1);
    trackTable(entryAddress, <u32>shift, (address & baseMask) | (shift == 39 ? 0 : signBits), access, index, 3);
    entry = physicalRead(entryAddress, 8);
    if ((entry & PTE_P) == 0) return pageFault(linear, access, 0, 0);
    if (entry & reservedAlways) return pageFault(linear, access, 1, 1);
    noExecute |= entry & PTE_NX;
    rights &= entry;
    if (shift == 12) break;
    if (entry & PTE_PS) {
      if (shift == 39) return pageFault(linear, access, 1, 1);
      // Bits between the PAT bit and the frame's first bit are reserved.
      if (entry & (((<u64>1 << shift) - 1) & ~(<u64>0x1fff))) return pageFault(linear, access, 1, 1);
      break;
    }
    // Accessed bits of upper levels may be set before the leaf is known to allow the access.
    if ((entry & PTE_A) == 0) updateEntry(entryAddress, 8, entry | PTE_A);
    table = entry & ADDRESS_MASK;
    shift -= 9;
  }
  const writable = (rights & PTE_W) != 0;
  const user = (rights & PTE_U) != 0;
  if (!allowed(access, writable, user, noExecute != 0)) return pageFault(linear, access, 1, 0);
  setAccessed(entryAddress, entry, 8, access);
  const offsetMask = (<u64>1 << shift) - 1;
  walkPhysical = (entry & ADDRESS_MASK & ~offsetMask) | (address & offsetMask);
  walkUser = user;
  return true;
}

/** Remembers that the page of `entryAddress` serves as a page table, and at which place. */
function trackTable(
  entryAddress: u64,
  shift: u32,
  tableBase: u64,
  access: u32,
  index: u32,
  entryShift: u32,
): void {
  if (mmuTwoStage()) return;
  const host = physicalToHost(entryAddress);
  if (!host) return;
  const page = host >> 12;
  const info = AREA_PAGE_INFO + (page << 2);
  const flags = load<u32>(info);
  let pt: u32;
  if ((flags & PAGE_FLAG_PAGE_TABLE) == 0) {
    pt = startTracking(page, shift, tableBase, entryShift);
  } else {
    pt = AREA_PT_POOL + (flags >> 16) * AREA_PT_ENTRY_SIZE;
    if (load<u64>(pt, PT_BASE) != tableBase || load<u32>(pt, PT_SHIFT) != shift) {
      store<u32>(pt, 1, PT_MULTIPLE);
    }
    const owner = load<u32>(pt, PT_SPACE);
    if (owner != space()) store<u32>(pt, SPACE_MANY, PT_SPACE);
    store<u32>(pt, 0, PT_WRITES);
  }
  if (access & ACCESS_FETCH) {
    const word = pt + PT_FETCHED + ((index >> 5) << 2);
    store<u32>(word, load<u32>(word) | (1 << (index & 31)));
  }
}

function startTracking(page: u32, shift: u32, tableBase: u64, entryShift: u32): u32 {
  if (tableCount >= AREA_PT_POOL_COUNT) forgetTables();
  const index = tableCount++;
  const pt = AREA_PT_POOL + index * AREA_PT_ENTRY_SIZE;
  memory.fill(pt, 0, AREA_PT_ENTRY_SIZE);
  store<u32>(pt, page, PT_PAGE);
  store<u32>(pt, shift, PT_SHIFT);
  store<u64>(pt, tableBase, PT_BASE);
  store<u32>(pt, space(), PT_SPACE);
  store<u32>(pt, entryShift, PT_ENTRY_SHIFT);
  const info = AREA_PAGE_INFO + (page << 2);
  store<u32>(info, (load<u32>(info) & 0xffff) | PAGE_FLAG_PAGE_TABLE | (index << 16));
  protectPage(page);
  return pt;
}

/** The pool is full: all shadows go, and tracking starts anew. */
function forgetTables(): void {
  for (let i: u32 = 1; i < tableCount; i++) {
    const pt = AREA_PT_POOL + i * AREA_PT_ENTRY_SIZE;
    const info = AREA_PAGE_INFO + (load<u32>(pt, PT_PAGE) << 2);
    store<u32>(info, load<u32>(info) & 0xffff & ~PAGE_FLAG_PAGE_TABLE);
  }
  tableCount = 1;
  flushAll();
}

/**
 * A store of `size` bytes at `host` is about to change a page that serves as a page table: drops
 * what was derived from the entries it touches.
 */
export function pageTableWritten(host: u32, size: u32, value: u64): void {
  const page = host >> 12;
  const pt = AREA_PT_POOL + (load<u32>(AREA_PAGE_INFO + (page << 2)) >> 16) * AREA_PT_ENTRY_SIZE;
  const entryShift = load<u32>(pt, PT_ENTRY_SHIFT);
  const first = (host & 0xfff) >> entryShift;
  const last = min<u32>((host & 0xfff) + size - 1, 0xfff) >> entryShift;
  for (let index = first; index <= last; index++) entryWritten(pt, index, entryShift);
  const writes = load<u32>(pt, PT_WRITES) + 1;
  store<u32>(pt, writes, PT_WRITES);
  if (writes > PT_WRITES_MAX) stopTracking(pt);
}

/**
 * A tracked page was overwritten without notice. What the shadow holds of it may come from its old
 * or its new contents, so all of it goes.
 */
export function pageTableReplaced(host: u32): void {
  const pt =
    AREA_PT_POOL + (load<u32>(AREA_PAGE_INFO + ((host >> 12) << 2)) >> 16) * AREA_PT_ENTRY_SIZE;
  if (load<u32>(pt, PT_SHIFT) != 12) {
    flushAll();
  } else {
    const count: u32 = 0x1000 >> load<u32>(pt, PT_ENTRY_SHIFT);
    for (let i: u32 = 0; i < count; i++) dropDerived(pt, i);
  }
  stopTracking(pt);
}

function entryWritten(pt: u32, index: u32, entryShift: u32): void {
  const host = (load<u32>(pt, PT_PAGE) << 12) + (index << entryShift);
  const old = load<u32>(host);
  if (old & 1) dropDerived(pt, index);
}

/** Removes what the shadow derived from an entry of a tracked page. */
function dropDerived(pt: u32, index: u32): void {
  if (load<u32>(pt, PT_MULTIPLE)) {
    flushAll();
    return;
  }
  const shift = load<u32>(pt, PT_SHIFT);
  let linear = load<u64>(pt, PT_BASE) + (<u64>index << <u64>shift);
  if (shift == 39 && index >= 256) linear |= 0xffff_0000_0000_0000;
  const owner = load<u32>(pt, PT_SPACE);
  if (shift == 12) {
    dropPage(linear, owner);
    const word = pt + PT_FETCHED + ((index >> 5) << 2);
    const bit: u32 = 1 << (index & 31);
    if (load<u32>(word) & bit) {
      store<u32>(word, load<u32>(word) & ~bit);
      newGeneration(owner);
    }
  } else {
    dropRange(linear, shift, owner);
    newGeneration(owner);
  }
}

function stopTracking(pt: u32): void {
  const page = load<u32>(pt, PT_PAGE);
  const entryShift = load<u32>(pt, PT_ENTRY_SHIFT);
  const count: u32 = 0x1000 >> entryShift;
  for (let i: u32 = 0; i < count; i++) entryWritten(pt, i, entryShift);
  const info = AREA_PAGE_INFO + (page << 2);
  store<u32>(info, load<u32>(info) & 0xffff & ~PAGE_FLAG_PAGE_TABLE);
  // The pool entry is given to the last one, which moves here.
  const last = --tableCount;
  const lastPt = AREA_PT_POOL + last * AREA_PT_ENTRY_SIZE;
  if (lastPt != pt) {
    memory.copy(pt, lastPt, AREA_PT_ENTRY_SIZE);
    const moved = AREA_PAGE_INFO + (load<u32>(pt, PT_PAGE) << 2);
    const index = (pt - AREA_PT_POOL) / AREA_PT_ENTRY_SIZE;
    store<u32>(moved, (load<u32>(moved) & 0xffff) | (index << 16));
  }
}

// @ts-ignore: decorator
@inline
function spaceAddress(index: u32): u32 {
  return <u32>base() + CPU_AREA_SPACES + index * SPACE_SIZE;
}

// @ts-ignore: decorator
@inline
function tableAddress(index: u32, table: u32): u32 {
  return <u32>base() + CPU_AREA_SHADOW + (index * SHADOW_TABLES + table) * SHADOW_TABLE_SIZE;
}

// @ts-ignore: decorator
@inline
function emptyTable(): u32 {
  return <u32>base() + CPU_AREA_EMPTY_TABLE;
}

/** Removes the entries of one linear page, in one space or in all. */
function dropPage(linear: u64, owner: u32): void {
  const first: u32 = owner == SPACE_MANY ? 0 : owner;
  const last: u32 = owner == SPACE_MANY ? SHADOW_SPACES - 1 : owner;
  const tag = linear & ~(<u64>0xfff);
  for (let s = first; s <= last; s++) {
    if (load<u64>(spaceAddress(s), SPACE_KEY) == NO_TAG) continue;
    for (let t: u32 = 0; t < SHADOW_TABLES; t++) {
      const entry = tableAddress(s, t) + (<u32>(linear >> 8) & 0xfff0);
      if (load<u64>(entry) == tag) dropEntry(entry, s, t);
    }
  }
}

/** Removes the entries of the 1 << `shift` bytes from `linear`. */
function dropRange(linear: u64, shift: u32, owner: u32): void {
  const first: u32 = owner == SPACE_MANY ? 0 : owner;
  const last: u32 = owner == SPACE_MANY ? SHADOW_SPACES - 1 : owner;
  const pages: u64 = shift >= 24 ? SHADOW_ENTRIES : <u64>1 << (shift - 12);
  for (let s = first; s <= last; s++) {
    if (load<u64>(spaceAddress(s), SPACE_KEY) == NO_TAG) continue;
    for (let t: u32 = 0; t < SHADOW_TABLES; t++) {
      const table = tableAddress(s, t);
      let at = <u32>(linear >> 8) & 0xfff0;
      for (let i: u64 = 0; i < pages; i++) {
        const entry = table + at;
        const tag = load<u64>(entry);
        if (tag != NO_TAG && tag >> shift == linear >> shift) dropEntry(entry, s, t);
        at = (at + 16) & 0xfff0;
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function isWriteTable(table: u32): bool {
  return table < TABLE_FETCH_K && (table & 1) == 1;
}

// @ts-ignore: decorator
@inline
function slotOf(entry: u32, s: u32, table: u32): u32 {
  const index = (entry - tableAddress(s, table)) >> 4;
  return (((s * 3 + (table >> 1)) << 12) | index) + 1;
}

// @ts-ignore: decorator
@inline
function linkAddress(slot: u32): u32 {
  return <u32>base() + CPU_AREA_WRITE_LINKS + (slot << 3);
}

function dropEntry(entry: u32, s: u32, table: u32): void {
  store<u64>(entry, NO_TAG);
  if (isWriteTable(table)) unlinkSlot(slotOf(entry, s, table), load<u32>(entry, 12));
}

function unlinkSlot(slot: u32, page: u32): void {
  const link = linkAddress(slot);
  const next = load<u32>(link);
  const previous = load<u32>(link, 4);
  if (previous) store<u32>(linkAddress(previous), next);
  else store<u32>(AREA_WRITE_HEADS + (page << 2), next);
  if (next) store<u32>(linkAddress(next), previous, 4);
}

function linkSlot(slot: u32, page: u32): void {
  const head = AREA_WRITE_HEADS + (page << 2);
  const next = load<u32>(head);
  const link = linkAddress(slot);
  store<u32>(link, next);
  store<u32>(link, 0, 4);
  if (next) store<u32>(linkAddress(next), slot, 4);
  store<u32>(head, slot);
}

/** Removes every write entry of a host page: from now on stores to it take the slow path. */
export function protectPage(page: u32): void {
  const head = AREA_WRITE_HEADS + (page << 2);
  let slot = load<u32>(head);
  while (slot) {
    const index = (slot - 1) & 0xfff;
    const group = (slot - 1) >> 12;
    const s = group / 3;
    const table = (group % 3) * 2 + 1;
    store<u64>(tableAddress(s, table) + (index << 4), NO_TAG);
    slot = load<u32>(linkAddress(slot));
  }
  store<u32>(head, 0);
}

/** Enters a read mapping that translate() just found. */
export function fillRead(linear: u64, access: u32, physical: u64): void {
  const host = physicalToHost(physical);
  if (!host || access & ACCESS_IMPLICIT) return;
  setStatFills(statFills() + 1);
  const table = readTableOf(access);
  if (table == 0 || isWatched(linear)) return;
  fillEntry(table, linear, host, reachedAddress(host, physical));
}

/** Enters the mapping of a write that translate() just allowed, where the page allows it. */
export function fillWrite(linear: u64, access: u32, physical: u64): void {
  if (access & ACCESS_IMPLICIT) return;
  const host = physicalToHost(physical);
  if (!host || !physicalWritable(physical)) return;
  const page = host >> 12;
  const flags = load<u32>(AREA_PAGE_INFO + (page << 2));
  if (flags & (PAGE_FLAG_CODE | PAGE_FLAG_PAGE_TABLE | PAGE_FLAG_ROM)) return;
  const table = readTableOf(access);
  if (table == 0 || isWatched(linear)) return;
  setStatFills(statFills() + 1);
  const writeTable = table + SHADOW_TABLE_SIZE;
  const entry = writeTable + (<u32>(linear >> 8) & 0xfff0);
  const s = space();
  const number = (writeTable - tableAddress(s, 0)) / SHADOW_TABLE_SIZE;
  const slot = slotOf(entry, s, number);
  if (load<u64>(entry) != NO_TAG) unlinkSlot(slot, load<u32>(entry, 12));
  fillEntry(writeTable, linear, host, reachedAddress(host, physical));
  linkSlot(slot, page);
}

/** Where a data entry leads: to host memory, or in two-stage mode to guest-physical memory. */
// @ts-ignore: decorator
@inline
function reachedAddress(host: u32, physical: u64): u32 {
  return mmuTwoStage() ? <u32>(physical & a20Mask()) : host;
}

/** Host address of what a data entry for the page of `linear` leads to. */
// @ts-ignore: decorator
@inline
export function hostBehind(entry: u32, linear: u64): u32 {
  const reached = <u32>linear + load<u32>(entry, 8);
  if (mmuTwoStage() == 0) return reached;
  return (load<u32>(AREA_PHYS_MAP + ((reached >> 12) << 2)) & 0xffff_f000) | (reached & 0xfff);
}

// @ts-ignore: decorator
@inline
function fillEntry(table: u32, linear: u64, host: u32, reached: u32): void {
  const entry = table + (<u32>(linear >> 8) & 0xfff0);
  store<u64>(entry, linear & ~(<u64>0xfff));
  store<u32>(entry, (reached & 0xffff_f000) - (<u32>linear & 0xffff_f000), 8);
  store<u32>(entry, host >> 12, 12);
}

/** The read table that an access may fill: that of the rights it was made with; 0 = none. */
// @ts-ignore: decorator
@inline
function readTableOf(access: u32): u32 {
  if (access & ACCESS_USER) return tableAddress(space(), TABLE_READ_U);
  const acOverride = (systemFlags() & EFLAGS_AC) != 0 && (cr4() & CR4_SMAP) != 0;
  return tableAddress(space(), acOverride ? TABLE_READ_A : TABLE_READ_K);
}

/** Host address of the instruction byte at `linear`, or 0: a fault is pending, or no memory there. */
export function fetchHost(linear: u64, user: bool): u32 {
  const table = fetchTable();
  const entry = table + (<u32>(linear >> 8) & 0xfff0);
  if (load<u64>(entry) == (linear & ~(<u64>0xfff))) return <u32>linear + load<u32>(entry, 8);
  const access = ACCESS_FETCH | (user ? ACCESS_USER : 0);
  if (!translate(linear, access)) return 0;
  const host = physicalToHost(walkPhysical);
  if (host) fillEntry(table, linear, host, host);
  return host;
}

/**
 * Host address of the code at `linear` when an instruction fetch there would succeed and change
 * nothing that a guest can see; else 0.
 */
export function probeFetch(linear: u64, user: bool): u32 {
  const entry = fetchTable() + (<u32>(linear >> 8) & 0xfff0);
  if (load<u64>(entry) == (linear & ~(<u64>0xfff))) return <u32>linear + load<u32>(entry, 8);
  if (!isFetchReady(linear, user)) return 0;
  const address = cr2();
  const host = fetchHost(linear, user);
  if (faulted()) {
    // A reserved bit is set.
    setFaultPending(0);
    setCr2(address);
  }
  return host;
}

/** Whether every entry on the way allows a fetch and has been accessed before. */
function isFetchReady(linear: u64, user: bool): bool {
  const mode = pagingMode();
  if (mode == 0) return true;
  const wanted = PTE_P | PTE_A | (user ? PTE_U : 0);
  const isWide = mode != 1;
  let shift: u64 = mode == 3 ? 39 : mode == 2 ? 21 : 22;
  let table = cr3() & (mode == 1 ? 0xffff_f000 : ADDRESS_MASK);
  if (mode == 2) {
    const entry = pdpte(<u32>(linear >> 30) & 3);
    if ((entry & PTE_P) == 0) return false;
    table = entry & ADDRESS_MASK;
  }
  let isUser = true;
  while (true) {
    const index = (linear >> shift) & (isWide ? 0x1ff : 0x3ff);
    const host = physicalToHost(table + (isWide ? index << 3 : index << 2));
    if (!host) return false;
    const entry = isWide ? load<u64>(host) : <u64>load<u32>(host);
    if ((entry & wanted) != wanted || (entry & PTE_NX) != 0) return false;
    isUser = isUser && (entry & PTE_U) != 0;
    if (shift == 12 || (entry & PTE_PS) != 0) break;
    table = entry & (isWide ? ADDRESS_MASK : 0xffff_f000);
    shift -= isWide ? 9 : 10;
  }
  return user || !isUser || (cr4() & CR4_SMEP) == 0;
}

/** Picks the tables of the current space for the current privilege. */
export function selectTables(): void {
  const key = modeKey();
  const s = space();
  let read: u32 = TABLE_READ_K;
  if (key & MODE_USER) read = TABLE_READ_U;
  else if ((cr4() & CR4_SMAP) != 0 && (systemFlags() & EFLAGS_AC) != 0) read = TABLE_READ_A;
  const empty = (key & MODE_ALIGNMENT) != 0;
  setReadTable(empty ? emptyTable() : tableAddress(s, read));
  setWriteTable(empty ? emptyTable() : tableAddress(s, read + 1));
  setFetchTable(tableAddress(s, key & MODE_USER ? TABLE_FETCH_U : TABLE_FETCH_K));
  setJumpKey((generation() << 14) | (key & JUMP_MODE_MASK));
}

/** Empties the tables of one space and takes its write entries off their lists. */
function clearSpace(s: u32): void {
  for (let t: u32 = 0; t < SHADOW_TABLES; t++) {
    const table = tableAddress(s, t);
    if (isWriteTable(t)) {
      for (let entry = table; entry < table + SHADOW_TABLE_SIZE; entry += 16) {
        if (load<u64>(entry) != NO_TAG) dropEntry(entry, s, t);
      }
    } else {
      memory.fill(table, 0xff, SHADOW_TABLE_SIZE);
    }
  }
  store<u32>(spaceAddress(s), 0, SPACE_STALE);
}

function nextGeneration(): u32 {
  generationCounter++;
  if (generationCounter >= 1 << 18) {
    generationCounter = 1;
    clearJumpCache();
    for (let s: u32 = 0; s < SHADOW_SPACES; s++) {
      store<u32>(spaceAddress(s), generationCounter++, SPACE_GENERATION);
    }
    setGeneration(load<u32>(spaceAddress(space()), SPACE_GENERATION));
  }
  return generationCounter;
}

/** Makes the jump cache forget what it knows of one space's code, or of all. */
function newGeneration(owner: u32): void {
  if (owner == SPACE_MANY) {
    for (let s: u32 = 0; s < SHADOW_SPACES; s++) {
      store<u32>(spaceAddress(s), nextGeneration(), SPACE_GENERATION);
    }
  } else {
    store<u32>(spaceAddress(owner), nextGeneration(), SPACE_GENERATION);
  }
  setGeneration(load<u32>(spaceAddress(space()), SPACE_GENERATION));
  setJumpKey((generation() << 14) | (modeKey() & JUMP_MODE_MASK));
}

/** Translated code must find no function by itself any more. */
export function forgetFunctions(): void {
  memory.fill(base() + CPU_AREA_JUMP_CACHE, 0xff, JUMP_CACHE_COUNT * JUMP_CACHE_ENTRY_SIZE);
}

/** The run loop must look at its blocks' other pages anew. */
export function forgetBlocks(): void {
  memory.fill(base() + CPU_AREA_BLOCK_CACHE, 0xff, JUMP_CACHE_COUNT * JUMP_CACHE_ENTRY_SIZE);
}

export function clearJumpCache(): void {
  forgetFunctions();
  forgetBlocks();
}

/** Drops every shadow, globals too. */
export function flushAll(): void {
  for (let s: u32 = 0; s < SHADOW_SPACES; s++) store<u32>(spaceAddress(s), 1, SPACE_STALE);
  clearSpace(space());
  newGeneration(SPACE_MANY);
}

/**
 * What a CR3 load or CR4 write flushes on a processor. The shadow is kept true by write-tracking,
 * so there is nothing to do for it; the two-stage mode empties its one table.
 */
export function flushNonGlobal(): void {
  if (mmuTwoStage()) flushAll();
}

/** Takes a linear page out of all shadows. */
export function dropLinear(linear: u64): void {
  dropPage(linear, SPACE_MANY);
}

/**
 * INVLPG: in two-stage mode drops the linear page. The shadow heard of the change when the page
 * table was written, so there is nothing left to drop.
 */
export function invalidateLinear(linear: u64): void {
  if (mmuTwoStage() == 0) return;
  dropPage(linear, SPACE_MANY);
  newGeneration(SPACE_MANY);
}

/** Finds, or makes, the space of the current paging root. */
export function switchSpace(): void {
  const mode = pagingMode();
  const key: u64 = mode == 0 ? 0 : (cr3() & 0x000f_ffff_ffff_ffe0 & (mode == 2 ? ~(<u64>0) : ~(<u64>0xfff))) | mode;
  setStatSpaceSwitches(statSpaceSwitches() + 1);
  spaceClock++;
  if (mmuTwoStage()) {
    store<u64>(spaceAddress(0), key, SPACE_KEY);
    setSpace(0);
    flushAll();
    selectTables();
    return;
  }
  let found: u32 = SHADOW_SPACES;
  let oldest: u32 = 0;
  let oldestUse: u32 = 0xffff_ffff;
  for (let s: u32 = 0; s < SHADOW_SPACES; s++) {
    const description = spaceAddress(s);
    if (load<u64>(description, SPACE_KEY) == key) {
      found = s;
      break;
    }
    const used: u32 = load<u64>(description, SPACE_KEY) == NO_TAG ? 0 : load<u32>(description, SPACE_USED);
    if (used < oldestUse) {
      oldestUse = used;
      oldest = s;
    }
  }
  if (found == SHADOW_SPACES) {
    found = oldest;
    clearSpace(found);
    const description = spaceAddress(found);
    store<u64>(description, key, SPACE_KEY);
    store<u32>(description, nextGeneration(), SPACE_GENERATION);
    dropOwner(found);
  } else if (load<u32>(spaceAddress(found), SPACE_STALE) || (mode == 2 && otherPointers(found))) {
    clearSpace(found);
    store<u32>(spaceAddress(found), nextGeneration(), SPACE_GENERATION);
  }
  for (let i: u32 = 0; i < 4; i++) store<u64>(spaceAddress(found) + (i << 3), pdpte(i), SPACE_PDPTE);
  store<u32>(spaceAddress(found), spaceClock, SPACE_USED);
  setSpace(found);
  setGeneration(load<u32>(spaceAddress(found), SPACE_GENERATION));
  selectTables();
}

/** Whether a space was made under other latched PDPTEs than the current ones. */
function otherPointers(s: u32): bool {
  for (let i: u32 = 0; i < 4; i++) {
    if (load<u64>(spaceAddress(s) + (i << 3), SPACE_PDPTE) != pdpte(i)) return true;
  }
  return false;
}

/** Page tables that a recycled space owned alone belong to its new root's walks from now on. */
function dropOwner(s: u32): void {
  for (let i: u32 = 1; i < tableCount; i++) {
    const pt = AREA_PT_POOL + i * AREA_PT_ENTRY_SIZE;
    if (load<u32>(pt, PT_SPACE) == s) store<u32>(pt, SPACE_MANY, PT_SPACE);
  }
}

/** Power-on: no space is known. */
export function resetPaging(): void {
  memory.fill(emptyTable(), 0xff, SHADOW_TABLE_SIZE);
  memory.fill(base() + CPU_AREA_SHADOW, 0xff, SHADOW_SPACES * SHADOW_TABLES * SHADOW_TABLE_SIZE);
  for (let s: u32 = 0; s < SHADOW_SPACES; s++) {
    store<u64>(spaceAddress(s), NO_TAG, SPACE_KEY);
    store<u32>(spaceAddress(s), 0, SPACE_USED);
    store<u32>(spaceAddress(s), nextGeneration(), SPACE_GENERATION);
    store<u32>(spaceAddress(s), 0, SPACE_STALE);
  }
  for (let i: u32 = 1; i < tableCount; i++) {
    const info = AREA_PAGE_INFO + (load<u32>(AREA_PT_POOL + i * AREA_PT_ENTRY_SIZE, PT_PAGE) << 2);
    store<u32>(info, load<u32>(info) & 0xffff & ~PAGE_FLAG_PAGE_TABLE);
  }
  tableCount = 1;
  memory.fill(AREA_WRITE_HEADS, 0, 0x0040_0000);
  clearJumpCache();
  switchSpace();
}
