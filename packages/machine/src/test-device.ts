import type { Device, IrqLine, MmioBus, PioBus } from '@umbra/core';
import * as z from 'zod';

const PORT = { ECHO: 0xe0, FLUSH: 0xe4, IRQ: 0x2000 } as const;
const MEMORY = { ADDRESS: 0xff00_0000, BYTES: 0x1_0000 } as const;
const ECHO_BYTES = 4;

const State = z.strictObject({ echo: z.array(z.int().min(0).max(255)).length(ECHO_BYTES) });
type State = z.infer<typeof State>;

/**
 * The device that kvm-unit-tests talks to: an echo register, a page to flush, interrupt lines that
 * the guest drives itself, and memory behind MMIO. [KVM-UNIT-TESTS] lib/x86, testdev.
 */
export class TestDevice implements Device<State> {
  readonly name: string;
  readonly schema = {
    kind: 'test-device',
    version: 1,
    parse: (raw: unknown): State => State.parse(raw),
  } as const;
  readonly #echo = new Uint8Array(ECHO_BYTES);
  readonly #memory = new DataView(new ArrayBuffer(MEMORY.BYTES));

  constructor(options: { name: string; pio: PioBus; mmio: MmioBus; lines: readonly IrqLine[] }) {
    this.name = options.name;
    options.pio.register(this.name, PORT.ECHO, ECHO_BYTES, {
      in8: (offset) => this.#echo[offset] ?? 0xff,
      out8: (offset, value) => {
        this.#echo[offset] = value;
      },
    });
    // The page is flushed because the write traps: there is nothing to remember.
    options.pio.register(`${this.name}-flush`, PORT.FLUSH, 4, {
      in8: () => 0,
      out8: () => undefined,
    });
    options.pio.register(`${this.name}-irq`, PORT.IRQ, options.lines.length, {
      in8: () => 0,
      out8: (offset, value) => options.lines[offset]?.set(value !== 0),
    });
    options.mmio.register(`${this.name}-memory`, MEMORY.ADDRESS, MEMORY.BYTES, {
      read: (offset, size) => this.#read(offset, size),
      write: (offset, size, value) => this.#write(offset, size, value),
    });
  }

  reset(): void {
    this.#echo.fill(0);
  }

  save(): State {
    return { echo: [...this.#echo] };
  }

  restore(state: State): void {
    this.#echo.set(state.echo);
  }

  #read(offset: number, size: number): number {
    if (size === 1) return this.#memory.getUint8(offset);
    if (offset + size > MEMORY.BYTES) return 0xffff_ffff;
    return size === 2 ? this.#memory.getUint16(offset, true) : this.#memory.getUint32(offset, true);
  }

  #write(offset: number, size: number, value: number): void {
    if (size === 1) this.#memory.setUint8(offset, value);
    else if (offset + size > MEMORY.BYTES) return;
    else if (size === 2) this.#memory.setUint16(offset, value, true);
    else this.#memory.setUint32(offset, value, true);
  }
}
