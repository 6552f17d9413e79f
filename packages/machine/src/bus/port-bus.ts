import { assert } from '@umbra/base';
import type { PioBus, PioHandlers } from '@umbra/core';

const PORT_COUNT = 0x1_0000;
/** What a port that nobody decodes reads as: the bus floats high. */
const FLOATING = 0xff;

interface PortRange {
  readonly name: string;
  readonly first: number;
  readonly count: number;
  readonly handlers: PioHandlers;
}

/**
 * The I/O address space: one table entry per port, so that an access costs one lookup however many
 * devices there are. Wide accesses go to a handler of that width when the whole access lies in its
 * range, else they are cut into halves, low half first.
 */
export class PortBus implements PioBus {
  readonly #owners: (PortRange | undefined)[] = new Array<PortRange | undefined>(PORT_COUNT);

  register(name: string, firstPort: number, count: number, handlers: PioHandlers): void {
    assert(
      count > 0 && firstPort >= 0 && firstPort + count <= PORT_COUNT,
      `${name} has real ports`,
    );
    assert(this.isFree(firstPort, count), `ports of ${name} at ${firstPort.toString(16)} are free`);
    const range: PortRange = { name, first: firstPort, count, handlers };
    this.#owners.fill(range, firstPort, firstPort + count);
  }

  unregister(firstPort: number, count: number): void {
    const range = this.#owners[firstPort];
    assert(range?.first === firstPort && range.count === count, 'the range was registered so');
    this.#owners.fill(undefined, firstPort, firstPort + count);
  }

  isFree(firstPort: number, count: number): boolean {
    if (firstPort < 0 || firstPort + count > PORT_COUNT) return false;
    for (let port = firstPort; port < firstPort + count; port += 1) {
      if (this.#owners[port] !== undefined) return false;
    }
    return true;
  }

  read(port: number, size: 1 | 2 | 4): number {
    const range = this.#owners[port];
    if (size === 1) return range === undefined ? FLOATING : range.handlers.in8(port - range.first);
    if (range !== undefined && port - range.first + size <= range.count) {
      const { handlers } = range;
      if (size === 2 && handlers.in16 !== undefined) return handlers.in16(port - range.first);
      if (size === 4 && handlers.in32 !== undefined) return handlers.in32(port - range.first) >>> 0;
    }
    const half = size === 4 ? 2 : 1;
    const low = this.read(port, half);
    const high = this.read((port + half) & 0xffff, half);
    return (low | (high << (half * 8))) >>> 0;
  }

  write(port: number, size: 1 | 2 | 4, value: number): void {
    const range = this.#owners[port];
    if (size === 1) {
      range?.handlers.out8(port - range.first, value & 0xff);
      return;
    }
    if (range !== undefined && port - range.first + size <= range.count) {
      const { handlers } = range;
      if (size === 2 && handlers.out16 !== undefined) {
        handlers.out16(port - range.first, value & 0xffff);
        return;
      }
      if (size === 4 && handlers.out32 !== undefined) {
        handlers.out32(port - range.first, value >>> 0);
        return;
      }
    }
    const half = size === 4 ? 2 : 1;
    this.write(port, half, size === 4 ? value & 0xffff : value & 0xff);
    this.write((port + half) & 0xffff, half, value >>> (half * 8));
  }
}
