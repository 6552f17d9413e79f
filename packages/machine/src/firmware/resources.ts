// Resource descriptors as _CRS and _PRS give them. [ACPI] §6.4.

import { type Aml, buffer, dword, word } from './aml.ts';

/** One encoded descriptor. */
export type Resource = readonly number[];

const TAG = {
  IRQ: 0x22,
  DMA: 0x2a,
  IO: 0x47,
  END: 0x79,
  MEMORY32_FIXED: 0x86,
  DWORD_SPACE: 0x87,
  WORD_SPACE: 0x88,
  EXTENDED_INTERRUPT: 0x89,
} as const;
const SPACE = { MEMORY: 0, IO: 1, BUS: 2 } as const;
/** Minimum and maximum are fixed, positive decode, producer. */
const SPACE_FLAGS = 0x0c;
const MEMORY_READ_WRITE = 0x01;
const MEMORY_CACHEABLE = 0x02;
const IO_ENTIRE_RANGE = 0x03;
/** Consumer, level, active high, shared. */
const INTERRUPT_FLAGS = 0x09;
/** Where the number of the first interrupt lies in an extended interrupt descriptor. */
export const INTERRUPT_NUMBER_OFFSET = 5;

/** The buffer of a list of descriptors, with its end tag (checksum 0: not checked). */
export function resources(descriptors: readonly Resource[]): Aml {
  return buffer([...descriptors.flat(), TAG.END, 0]);
}

export function ioPorts(first: number, count: number): Resource {
  const decode16 = 1;
  return [TAG.IO, decode16, ...word(first), ...word(first), 1, count];
}

/** An edge-triggered ISA interrupt. */
export function isaInterrupt(irq: number): Resource {
  return [TAG.IRQ, ...word(1 << irq)];
}

/** Interrupts to choose from, level-triggered and shared. */
export function sharedInterrupts(numbers: readonly number[]): Resource {
  const body = [INTERRUPT_FLAGS, numbers.length, ...numbers.flatMap(dword)];
  return [TAG.EXTENDED_INTERRUPT, ...word(body.length), ...body];
}

/** The DMA channel that cascades the two controllers. */
export function dmaChannel(channel: number): Resource {
  const busMaster = 1 << 2;
  return [TAG.DMA, 1 << channel, busMaster];
}

export function fixedMemory(address: number, size: number): Resource {
  return [TAG.MEMORY32_FIXED, ...word(9), 1, ...dword(address), ...dword(size)];
}

export function busNumbers(first: number, last: number): Resource {
  return wordSpace(SPACE.BUS, 0, first, last);
}

export function ioWindow(first: number, last: number): Resource {
  return wordSpace(SPACE.IO, IO_ENTIRE_RANGE, first, last);
}

export function memoryWindow(first: number, last: number, isCacheable: boolean): Resource {
  const flags = MEMORY_READ_WRITE | (isCacheable ? MEMORY_CACHEABLE : 0);
  const values = [0, first, last, 0, last - first + 1].flatMap((value) => dword(value));
  return [TAG.DWORD_SPACE, ...word(3 + values.length), SPACE.MEMORY, SPACE_FLAGS, flags, ...values];
}

function wordSpace(type: number, flags: number, first: number, last: number): Resource {
  const values = [0, first, last, 0, last - first + 1].flatMap((value) => word(value));
  return [TAG.WORD_SPACE, ...word(3 + values.length), type, SPACE_FLAGS, flags, ...values];
}
