import { gpr, setGpr, stackMask, SREG_SS } from '../generated/layout';
import { faulted } from '../fault';
import { probeWriteCurrent, read16, read32, read64, write16, write32, write64 } from '../memory';
import { linearAddress } from './segmentation';
import { commitStack, openStack, peek, push, setStackPointer, skip } from './stack';

const RSP: u32 = 4;
const RBP: u32 = 5;

/** PUSHA: all registers, RSP as it was before. [SDM] vol. 2B "PUSHA/PUSHAD". */
export function pushAll(size: u32): void {
  openStack(0);
  for (let index: u32 = 0; index < 8; index++) {
    if (!push(size, gpr(index))) return;
  }
  commitStack();
}

/** POPA: all registers but the one that RSP's slot holds. [SDM] vol. 2B "POPA/POPAD". */
export function popAll(size: u32): void {
  openStack(0);
  // The reads that can fault come first; they also make sure that the second round cannot.
  for (let index: u32 = 0; index < 8; index++) {
    peek(index * size, size);
    if (faulted()) return;
  }
  for (let index: u32 = 0; index < 8; index++) {
    const register = 7 - index;
    if (register == RSP) continue;
    const value = peek(index * size, size);
    setGpr(register, size == 2 ? (gpr(register) & ~(<u64>0xffff)) | value : value);
  }
  skip(8 * size);
  commitStack();
}

/** ENTER. [SDM] vol. 2A "ENTER—Make Stack Frame for Procedure Parameters". */
export function enter(size: u32, frameBytes: u32, level: u32): void {
  const mask = stackMask();
  const depth = level & 31;
  let pointer = gpr(RSP);
  let frame = gpr(RBP);
  pointer = enterPush(pointer, size, frame, mask);
  if (faulted()) return;
  const framePointer = pointer;
  for (let index: u32 = 1; index < depth; index++) {
    frame -= size;
    const linear = linearAddress(SREG_SS, frame & mask, size, 0);
    if (faulted()) return;
    let value: u64;
    if (size == 8) value = read64(linear);
    else value = size == 4 ? read32(linear) : read16(linear);
    if (faulted()) return;
    pointer = enterPush(pointer, size, value, mask);
    if (faulted()) return;
  }
  if (depth > 0) {
    pointer = enterPush(pointer, size, framePointer, mask);
    if (faulted()) return;
  }
  pointer -= frameBytes & 0xffff;
  // The frame must be writable at its end, though nothing is written there.
  const end = linearAddress(SREG_SS, pointer & mask, size, 1);
  if (faulted() || !probeWriteCurrent(end, size)) return;
  if (size == 2) setGpr(RBP, (gpr(RBP) & ~(<u64>0xffff)) | (framePointer & 0xffff));
  else setGpr(RBP, size == 4 ? framePointer & 0xffff_ffff : framePointer);
  setStackPointer(pointer, mask);
}

/** One push of ENTER: the new pointer; RSP stays until all has gone well. */
function enterPush(pointer: u64, size: u32, value: u64, mask: u64): u64 {
  const offset = (pointer - size) & mask;
  const linear = linearAddress(SREG_SS, offset, size, 1);
  if (faulted()) return pointer;
  if (size == 8) write64(linear, value);
  else if (size == 4) write32(linear, <u32>value);
  else write16(linear, <u32>value);
  return (pointer & ~mask) | offset;
}
