// The run loop: events, look-up of code, the interpreter's loop, and calls into translated regions.

import { faulted } from './fault';
import {
  AREA_BLOCK_HASH,
  AREA_BLOCK_HASH_COUNT,
  BLOCK_COUNT,
  BLOCK_DEAD,
  BLOCK_FUNCTION,
  BLOCK_HASH_NEXT,
  BLOCK_HEADER_SIZE,
  BLOCK_HOST,
  BLOCK_LENGTH,
  BLOCK_MISFITS,
  BLOCK_MODE,
  BLOCK_MODE_MASK,
  BLOCK_PAGES,
  BLOCK_SECOND_PAGE,
  CPU_AREA_BLOCK_CACHE,
  CPU_AREA_JUMP_CACHE,
  EFLAGS_IF,
  EFLAGS_RF,
  EFLAGS_TF,
  EXIT_HALT,
  EXIT_NONE,
  INHIBIT_ALL,
  INHIBIT_NONE,
  JUMP_CACHE_COUNT,
  MODE_SINGLE_STEP,
  PENDING_INTERRUPT,
  PENDING_NMI,
  PENDING_UNWIND,
  RECORD_HANDLER,
  RECORD_NEXT,
  RECORD_OFFSET,
  RECORD_SIZE,
  SREG_CS,
  STATUS_BAIL,
  STATUS_FAULT,
  STATUS_JUMP,
  STATUS_LEAVE,
  STATUS_NEXT,
  STATUS_SYSTEM,
  base,
  OFFSET_pending,
  blockRip,
  debugPending,
  engine,
  exitReason,
  inhibitInterrupts,
  interruptLine,
  ipMask,
  jumpKey,
  modeKey,
  nextRip,
  nmiLatched,
  nmiMasked,
  rip,
  segEffBase,
  setBlockPointer,
  setBlockRip,
  setCodeChanged,
  setDebugPending,
  setExitReason,
  setInhibitInterrupts,
  setNmiLatched,
  setRip,
  setStatBlocks,
  setStatFaults,
  setStatInterpreted,
  setStatInterrupts,
  setStatJumpMisses,
  setSystemFlags,
  statBlocks,
  statFaults,
  statInterpreted,
  statInterrupts,
  statJumpMisses,
  systemFlags,
  MODE_USER,
} from './generated/layout';
import { acknowledgeInterrupt } from './imports';
import { fetchHost, probeFetch } from './paging';
import { beginSingleStep, checkInstructionBreakpoint, noteSingleStep } from './system/debug';
import { deliverDebug, deliverFault, deliverInterrupt, deliverNmi } from './system/interrupts';

/** What run() returns to JavaScript. */
const RUN_EXIT: u32 = 0; // exitReason says why
const RUN_SERVICE: u32 = 1; // the pending word has something for JavaScript
const RUN_DECODE: u32 = 2; // no block at rip yet: fetchedHost() says where its bytes are
const RUN_TRANSLATE: u32 = 3; // hotBlock() is worth translating

let hostOfMiss: u32 = 0;
let hot: u32 = 0;

/** Host address of the code to decode after RUN_DECODE. */
export function missHost(): u32 {
  return hostOfMiss;
}

/** The block to translate after RUN_TRANSLATE. */
export function hotBlock(): u32 {
  return hot;
}

/** Slot of the hash table of blocks. */
// @ts-ignore: decorator
@inline
export function blockHash(host: u32): u32 {
  return AREA_BLOCK_HASH + (((host ^ (host >> 13)) & (AREA_BLOCK_HASH_COUNT - 1)) << 2);
}

/** Entry for a linear address in the jump cache or the run loop's. */
// @ts-ignore: decorator
@inline
function cacheEntry(cache: u32, linear: u64, key: u32): u32 {
  const low = <u32>linear;
  // Code at the same place in spaces that take turns must not meet in one entry.
  const spread = ((key >> 14) * 0x9e37_79b1) >> 18;
  const index = (low ^ (low >> 12) ^ spread) & (JUMP_CACHE_COUNT - 1);
  return <u32>base() + cache + (index << 4);
}

/** Tells translated code about the function of the block at CS:RIP. */
function enterJump(translated: u32): void {
  const linear = segEffBase(SREG_CS) + rip();
  const key = jumpKey();
  const entry = cacheEntry(CPU_AREA_JUMP_CACHE, linear, key);
  store<u64>(entry, linear);
  store<u32>(entry, key, 8);
  store<u32>(entry, translated, 12);
}

/** Whether the last block found may run translated: its other pages are mapped as it wants. */
let fits: bool = true;

/** Whether a block was found so often with its other pages mapped otherwise that it gives them up. */
export function isMisfit(block: u32): u32 {
  return load<u32>(block, BLOCK_MISFITS) >= engine() ? 1 : 0;
}

function pagesFit(block: u32, linear: u64, user: bool): bool {
  const list = load<u32>(block, BLOCK_PAGES);
  if (list == 0) return true;
  const end = list + 4 + (load<u32>(list) << 3);
  for (let at = list + 4; at < end; at += 8) {
    const page = (linear & ~(<u64>0xfff)) + (<i64>load<i32>(at) << 12);
    if (probeFetch(page, user) >> 12 != load<u32>(at, 4)) return false;
  }
  return true;
}

/** The block at CS:RIP; 0 with a fault pending, or when the code has to be decoded. */
function findBlock(): u32 {
  const linear = segEffBase(SREG_CS) + rip();
  const key = jumpKey();
  const entry = cacheEntry(CPU_AREA_BLOCK_CACHE, linear, key);
  if (load<u64>(entry) == linear && load<u32>(entry, 8) == key) {
    const block = load<u32>(entry, 12);
    if (load<u32>(block, BLOCK_DEAD) == 0) {
      fits = true;
      return block;
    }
  }
  setStatJumpMisses(statJumpMisses() + 1);
  const user = (modeKey() & MODE_USER) != 0;
  const host = fetchHost(linear, user);
  hostOfMiss = host;
  if (!host) return 0;
  const mode = modeKey() & BLOCK_MODE_MASK;
  let block = load<u32>(blockHash(host));
  while (block) {
    if (load<u32>(block, BLOCK_HOST) == host && load<u32>(block, BLOCK_MODE) == mode) {
      const second = load<u32>(block, BLOCK_SECOND_PAGE);
      if (second == 0) break;
      // The instruction goes on in another page, which may be mapped elsewhere now.
      const next = fetchHost((linear & ~(<u64>0xfff)) + 0x1000, user);
      if (!next) return 0;
      if (next >> 12 == second) break;
    }
    block = load<u32>(block, BLOCK_HASH_NEXT);
  }
  fits = block == 0 || pagesFit(block, linear, user);
  if (block != 0 && fits) {
    store<u64>(entry, linear);
    store<u32>(entry, key, 8);
    store<u32>(entry, block, 12);
  }
  return block;
}

/** Runs a block's records until control leaves them; at most `limit` of them. */
function interpret(block: u32, limit: u32): void {
  setBlockRip(rip());
  setBlockPointer(block);
  const count = min<u32>(load<u32>(block, BLOCK_LENGTH), limit);
  let record = block + BLOCK_HEADER_SIZE;
  const end = record + count * RECORD_SIZE;
  let status: u32 = STATUS_NEXT;
  while (true) {
    status = call_indirect<u32>(load<u32>(record, RECORD_HANDLER), record);
    if (status != STATUS_NEXT) break;
    record += RECORD_SIZE;
    if (record == end) {
      record -= RECORD_SIZE;
      status = STATUS_LEAVE;
      break;
    }
  }
  setStatInterpreted(statInterpreted() + <u64>((record - block - BLOCK_HEADER_SIZE) / RECORD_SIZE + 1));
  if (status == STATUS_LEAVE) setRip((blockRip() + <u64>load<u16>(record, RECORD_NEXT)) & ipMask());
  else if (status == STATUS_FAULT) setRip((blockRip() + <u64>load<u16>(record, RECORD_OFFSET)) & ipMask());
  else if (status == STATUS_SYSTEM) {
    if (!faulted()) setRip(nextRip());
  }
}

/** Whether a system instruction left something that only the run loop deals with. */
export function needsAttention(): u32 {
  if (load<i32>(base() + OFFSET_pending) | <i32>exitReason() | <i32>inhibitInterrupts()) return 1;
  if (debugPending() != 0 || nmiLatched() != 0 || (modeKey() & MODE_SINGLE_STEP) != 0) return 1;
  return interruptLine() != 0 && (systemFlags() & EFLAGS_IF) != 0 ? 1 : 0;
}

/** Runs until there is something for JavaScript to do. */
export function run(): u32 {
  while (true) {
    if (faulted()) {
      setStatFaults(statFaults() + 1);
      deliverFault();
      if (exitReason() != EXIT_NONE) return RUN_EXIT;
      continue;
    }
    if (exitReason() != EXIT_NONE) return RUN_EXIT;
    let single = inhibitInterrupts();
    const waiting = <u32>atomic.load<i32>(base() + OFFSET_pending);
    if (waiting & ~PENDING_INTERRUPT) {
      // An NMI is latched until IRET lifts the mask. [SDM] vol. 3A §6.7.1.
      if (waiting & PENDING_NMI) setNmiLatched(1);
      if (waiting & ~(PENDING_INTERRUPT | PENDING_NMI | PENDING_UNWIND)) return RUN_SERVICE;
      atomic.and<i32>(base() + OFFSET_pending, <i32>~(PENDING_NMI | PENDING_UNWIND));
    }
    if (debugPending() != 0 && single != INHIBIT_ALL) {
      setInhibitInterrupts(INHIBIT_NONE);
      deliverDebug();
      continue;
    }
    if (nmiLatched() != 0 && nmiMasked() == 0 && single == 0) {
      setNmiLatched(0);
      deliverNmi();
      continue;
    }
    if (interruptLine() != 0 && (systemFlags() & EFLAGS_IF) != 0 && single == 0) {
      const vector = acknowledgeInterrupt();
      if (vector >= 0) {
        setStatInterrupts(statInterrupts() + 1);
        deliverInterrupt(<u32>vector);
        continue;
      }
    }
    if (waiting & PENDING_INTERRUPT) {
      atomic.and<i32>(base() + OFFSET_pending, <i32>~PENDING_INTERRUPT);
    }
    const block = findBlock();
    if (block == 0) {
      if (faulted()) continue;
      return RUN_DECODE;
    }
    setStatBlocks(statBlocks() + 1);
    if (modeKey() & MODE_SINGLE_STEP) {
      stepOnce(block);
      continue;
    }
    if (single) {
      setInhibitInterrupts(0);
      interpret(block, 1);
      setCodeChanged(0);
      continue;
    }
    const translated = load<u32>(block, BLOCK_FUNCTION);
    if (translated != 0 && !fits) {
      const misfits = load<u32>(block, BLOCK_MISFITS) + 1;
      store<u32>(block, misfits, BLOCK_MISFITS);
      if (misfits == engine()) {
        hot = block;
        return RUN_TRANSLATE;
      }
      interpret(block, 0xffff);
    } else if (translated) {
      enterJump(translated);
      const status = call_indirect<u32>(translated, 0);
      if (status == STATUS_SYSTEM) {
        if (!faulted()) setRip(nextRip());
      } else if (status == STATUS_BAIL) {
        bail();
      }
    } else {
      const executions = load<u32>(block, BLOCK_COUNT) + 1;
      store<u32>(block, executions, BLOCK_COUNT);
      if (executions == engine()) {
        hot = block;
        return RUN_TRANSLATE;
      }
      interpret(block, 0xffff);
    }
    setCodeChanged(0);
  }
}

/** Interprets the one instruction that translated code gave back. */
function bail(): void {
  const block = findBlock();
  // Without a block the loop comes back here through RUN_DECODE, and the region bails again.
  if (block) interpret(block, 1);
  else bailPending = true;
}

let bailPending: bool = false;

/** Whether a bail waits for its block to be decoded. */
export function takeBail(): u32 {
  const was: u32 = bailPending ? 1 : 0;
  bailPending = false;
  return was;
}

/** After the block at rip was decoded for a bail: interprets its first instruction. */
export function interpretOne(): void {
  const block = findBlock();
  if (block) interpret(block, 1);
}

/**
 * One instruction under EFLAGS.TF or enabled breakpoints, [SDM] vol. 3B §18.3.1.4. What an
 * instruction that faults has met of data breakpoints does not count; what MOV SS held back does.
 */
function stepOnce(block: u32): void {
  const inhibited = inhibitInterrupts();
  setInhibitInterrupts(INHIBIT_NONE);
  if (inhibited != INHIBIT_ALL && checkInstructionBreakpoint()) return;
  const trap = (systemFlags() & EFLAGS_TF) != 0;
  const held = debugPending();
  if (trap) beginSingleStep();
  if (systemFlags() & EFLAGS_RF) setSystemFlags(systemFlags() & ~EFLAGS_RF);
  interpret(block, 1);
  setCodeChanged(0);
  if (faulted()) setDebugPending(held);
  else if (trap && inhibitInterrupts() != INHIBIT_ALL) noteSingleStep();
  // A trap that is due ends HLT at once.
  if (exitReason() == EXIT_HALT && debugPending() != 0) setExitReason(EXIT_NONE);
}
