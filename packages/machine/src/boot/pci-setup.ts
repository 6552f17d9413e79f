// What firmware does to PCI before an operating system runs, for machines booted without firmware:
// addresses for all functions, interrupt routes. Works through the configuration ports alone.

import { PLATFORM } from '../firmware/platform.ts';

/** The ports of the processor, as PortBus offers them. */
interface Ports {
  read(port: number, size: 1 | 2 | 4): number;
  write(port: number, size: 1 | 2 | 4, value: number): void;
}

const PORT = { ADDRESS: 0xcf8, DATA: 0xcfc, ELCR_HIGH: 0x4d1 } as const;
const CONFIG = {
  ID: 0x00,
  COMMAND: 0x04,
  HEADER: 0x0c,
  BAR_0: 0x10,
  INTERRUPT: 0x3c,
  IDE_TIMING: 0x40,
  PIRQ_ROUTE: 0x60,
} as const;
const COMMAND = { IO: 1 << 0, MEMORY: 1 << 1 } as const;
const BAR_COUNT = 6;
const BAR_IO = 1 << 0;
const ABSENT = 0xffff_ffff;
const MULTIFUNCTION = 0x0080_0000;
/** Both channels of the IDE controller answer at their ports. [PIIX3] §2.3.9 */
const IDE_DECODE = 0x8000_8000;
/** The ISA interrupt of each PIRQ line, and those that must be level-triggered for it. */
const PIRQ_ROUTES = [10, 10, 11, 11] as const;
const LEVEL_IRQS_HIGH = (1 << (PLATFORM.SCI - 8)) | (1 << (10 - 8)) | (1 << (11 - 8));

/** Sets up all functions of bus 0. */
export function setUpPci(ports: Ports): void {
  const next = { memory: PLATFORM.PCI_MEMORY_BASE as number, io: PLATFORM.PCI_IO_BASE as number };
  for (let slot = 0; slot < PLATFORM.PCI_SLOTS; slot += 1) {
    const count = (read(ports, slot << 3, CONFIG.HEADER) & MULTIFUNCTION) === 0 ? 1 : 8;
    for (let index = 0; index < count; index += 1) {
      const target = (slot << 3) | index;
      if (read(ports, target, CONFIG.ID) === ABSENT) continue;
      assignAddresses(ports, target, next);
      assignInterrupt(ports, target, slot);
    }
  }
  const isaBridge = 1 << 3;
  const routes = PIRQ_ROUTES.reduce<number>((word, irq, index) => word | (irq << (index * 8)), 0);
  write(ports, isaBridge, CONFIG.PIRQ_ROUTE, routes);
  ports.write(PORT.ELCR_HIGH, 1, LEVEL_IRQS_HIGH);
  const ide = isaBridge | 1;
  write(ports, ide, CONFIG.IDE_TIMING, IDE_DECODE);
}

function assignAddresses(ports: Ports, target: number, next: { memory: number; io: number }): void {
  let enabled = 0;
  for (let index = 0; index < BAR_COUNT; index += 1) {
    const register = CONFIG.BAR_0 + index * 4;
    write(ports, target, register, ABSENT);
    const answer = read(ports, target, register);
    if (answer === 0 || answer === ABSENT) continue;
    const isIo = (answer & BAR_IO) !== 0;
    const size = isIo ? -(answer & ~0x3) & 0xffff : -(answer & ~0xf) >>> 0;
    const kind = isIo ? 'io' : 'memory';
    // Sizes are powers of two, and addresses multiples of them.
    const address = Math.ceil(next[kind] / size) * size;
    if (address + size > (isIo ? PLATFORM.PCI_IO_END : PLATFORM.PCI_MEMORY_END)) {
      write(ports, target, register, 0);
      continue;
    }
    next[kind] = address + size;
    write(ports, target, register, address);
    enabled |= isIo ? COMMAND.IO : COMMAND.MEMORY;
  }
  if (enabled !== 0) {
    const command = read(ports, target, CONFIG.COMMAND) & 0xffff;
    write(ports, target, CONFIG.COMMAND, command | enabled);
  }
}

function assignInterrupt(ports: Ports, target: number, slot: number): void {
  const value = read(ports, target, CONFIG.INTERRUPT);
  const pin = (value >>> 8) & 0xff;
  if (pin === 0) return;
  const irq = PIRQ_ROUTES[(slot + pin - 2) & 3] as number;
  write(ports, target, CONFIG.INTERRUPT, (value & ~0xff) | irq);
}

function read(ports: Ports, target: number, register: number): number {
  ports.write(PORT.ADDRESS, 4, (0x8000_0000 | (target << 8) | register) >>> 0);
  return ports.read(PORT.DATA, 4);
}

function write(ports: Ports, target: number, register: number, value: number): void {
  ports.write(PORT.ADDRESS, 4, (0x8000_0000 | (target << 8) | register) >>> 0);
  ports.write(PORT.DATA, 4, value >>> 0);
}
