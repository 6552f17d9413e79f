import type { u8, u32 } from '@umbra/base';
import type { Device, IrqLine, MmioBus, PioBus } from '@umbra/core';
import * as z from 'zod';
import { dword, fromHex, hexBytes, stateSchema, toHex } from './state.ts';

const PORT = { DATA: 0xe0, FLUSH_PAGE: 0xe4, IRQ_LINES: 0x2000 } as const;
const IRQ_COUNT = 24;
const MEMORY = { ADDRESS: 0xff00_0000, SIZE_BYTES: 4096 } as const;

const State = z.strictObject({ data: dword, memory: hexBytes(MEMORY.SIZE_BYTES) });
type State = z.infer<typeof State>;

/**
 * The device that kvm-unit-tests drive: a port and some memory that keep what is written, a port
 * that takes writes for nothing, and one port for each interrupt line. [QEMU-PC-TESTDEV]
 */
export class PcTestdev implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('pc-testdev', 1, State);
  readonly #memory = new Uint8Array(MEMORY.SIZE_BYTES);
  #data = 0;

  /** `lines` are the interrupt lines 0 to 23: ISA interrupts, then I/O APIC pins 16 to 23. */
  constructor(options: {
    name: string;
    pio: PioBus;
    mmio: MmioBus;
    lines: readonly IrqLine[];
  }) {
    this.name = options.name;
    const { pio, mmio, lines } = options;
    pio.register(this.name, PORT.DATA, 4, this);
    pio.register(`${this.name}-flush`, PORT.FLUSH_PAGE, 4, { in8: () => 0, out8: () => {} });
    pio.register(`${this.name}-irqs`, PORT.IRQ_LINES, IRQ_COUNT, {
      in8: () => 0,
      out8: (offset, value) => lines[offset]?.set(value !== 0),
    });
    mmio.register(this.name, MEMORY.ADDRESS, MEMORY.SIZE_BYTES, {
      read: (offset, size) => this.#readMemory(offset, size),
      write: (offset, size, value) => this.#writeMemory(offset, size, value),
    });
  }

  in8(offset: number): u8 {
    return (this.#data >>> (8 * offset)) & 0xff;
  }

  out8(offset: number, value: u8): void {
    const shift = 8 * offset;
    this.#data = ((this.#data & ~(0xff << shift)) | (value << shift)) >>> 0;
  }

  reset(): void {
    this.#data = 0;
    this.#memory.fill(0);
  }

  save(): State {
    return { data: this.#data, memory: toHex(this.#memory) };
  }

  restore(state: State): void {
    this.#data = state.data;
    fromHex(state.memory, this.#memory);
  }

  #readMemory(offset: number, size: number): u32 {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (this.#memory[offset + i] ?? 0);
    return value;
  }

  #writeMemory(offset: number, size: number, value: u32): void {
    for (let i = 0; i < size; i++) this.#memory[offset + i] = (value >>> (8 * i)) & 0xff;
  }
}
