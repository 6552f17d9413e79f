// What firmware leaves behind for a multiboot kernel that goes back to real mode: interrupt vectors
// that lead somewhere, interrupt controllers at their conventional vectors, and a ticking timer.

import type { GuestMemory } from '@umbra/core';
import { PLATFORM } from '../firmware/platform.ts';

interface Ports {
  write(port: number, size: 1 | 2 | 4, value: number): void;
}

const SEGMENT = 0xf000;
/** Where PC firmware has its IRET since the first PC, and the timer's handler. [PS2REF] */
const IRET_OFFSET = 0xff53;
const TIMER_OFFSET = 0xfea5;
const TIMER_VECTOR = 0x08;
/** push ax; mov al, 20h; out 20h, al; pop ax; iret: acknowledges the timer's interrupt. */
const TIMER_CODE = [0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf];
const IRET_CODE = [0xcf];
/** ICW1 to ICW4 of both 8259s, then all masked but the timer and the cascade. [I8259A] */
const PIC_SETUP: readonly (readonly [port: number, value: number])[] = [
  [0x20, 0x11],
  [0xa0, 0x11],
  [0x21, 0x08],
  [0xa1, 0x70],
  [0x21, 0x04],
  [0xa1, 0x02],
  [0x21, 0x01],
  [0xa1, 0x01],
  [0x21, 0xfa],
  [0xa1, 0xff],
];
/** Channel 0 in mode 2 with the longest period: 18.2 Hz. [I82C54] */
const PIT_SETUP: readonly (readonly [port: number, value: number])[] = [
  [0x43, 0x34],
  [0x40, 0x00],
  [0x40, 0x00],
];

/** Puts that state into RAM, into the ROM area's image, and through the ports. */
export function leaveFirmwareState(ports: Ports, memory: GuestMemory, lowRom: Uint8Array): void {
  const inRom = (offset: number): number => SEGMENT * 16 + offset - PLATFORM.ROM_BASE;
  lowRom.set(IRET_CODE, inRom(IRET_OFFSET));
  lowRom.set(TIMER_CODE, inRom(TIMER_OFFSET));
  for (let vector = 0; vector < 256; vector += 1) {
    const offset = vector === TIMER_VECTOR ? TIMER_OFFSET : IRET_OFFSET;
    memory.write32(vector * 4, ((SEGMENT << 16) | offset) >>> 0);
  }
  for (const [port, value] of [...PIC_SETUP, ...PIT_SETUP]) ports.write(port, 1, value);
}
