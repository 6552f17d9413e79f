import type { u8, u32 } from '@umbra/base';
import type { Device, GuestMemory, PioBus } from '@umbra/core';
import * as z from 'zod';
import { count, dword, stateSchema, word } from './state.ts';

const PORT = { SELECTOR: 0x510 } as const;
/** Offsets from the selector port. [QEMU-FW-CFG] "Register Locations". */
const OFFSET = { SELECTOR: 0, DATA: 1, DMA_HIGH: 4, DMA_LOW: 8 } as const;
/** Well-known items. [QEMU-FW-CFG] "Firmware Configuration Items". */
export const FW_CFG_KEY = {
  SIGNATURE: 0x00,
  ID: 0x01,
  UUID: 0x02,
  RAM_SIZE: 0x03,
  NOGRAPHIC: 0x04,
  CPU_COUNT: 0x05,
  KERNEL_ADDRESS: 0x07,
  KERNEL_SIZE: 0x08,
  INITRD_ADDRESS: 0x0a,
  INITRD_SIZE: 0x0b,
  BOOT_MENU: 0x0e,
  CPU_COUNT_MAX: 0x0f,
  KERNEL_ENTRY: 0x10,
  KERNEL_DATA: 0x11,
  INITRD_DATA: 0x12,
  COMMAND_LINE_ADDRESS: 0x13,
  COMMAND_LINE_SIZE: 0x14,
  COMMAND_LINE_DATA: 0x15,
  SETUP_ADDRESS: 0x16,
  SETUP_SIZE: 0x17,
  SETUP_DATA: 0x18,
  FILE_DIRECTORY: 0x19,
  FILE_FIRST: 0x20,
  /** x86: E820 table of the old kind and IRQ 0 override. */
  IRQ0_OVERRIDE: 0x8002,
} as const;
const ID = { TRADITIONAL: 1 << 0, DMA: 1 << 1 } as const;
/** "QEMU CFG", what a read of the DMA register gives. */
const DMA_SIGNATURE = { HIGH: 0x5145_4d55, LOW: 0x2043_4647 } as const;
/** Bits of the control field of a DMA access. */
const CONTROL = {
  ERROR: 1 << 0,
  READ: 1 << 1,
  SKIP: 1 << 2,
  SELECT: 1 << 3,
  WRITE: 1 << 4,
} as const;
const CONTROL_BYTES = 16;
const NAME_BYTES = 56;
const ENTRY_BYTES = 64;
const FILES_MAX = 1024;
const KEY_MASK = 0x3fff;
const ARCHITECTURE_BIT = 0x8000;

const State = z.strictObject({ key: word, offset: count, dmaHigh: dword });
type State = z.infer<typeof State>;

/** Firmware configuration: items and files that SeaBIOS and kernels read. [QEMU-FW-CFG] */
export class FwCfg implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('fw-cfg', 1, State);
  readonly #memory: GuestMemory;
  readonly #items = new Map<number, Uint8Array>();
  readonly #files: { name: string; key: number; sizeBytes: number }[] = [];
  #key = 0;
  #offset = 0;
  #dmaHigh = 0;

  constructor(options: { name: string; pio: PioBus; memory: GuestMemory }) {
    this.name = options.name;
    this.#memory = options.memory;
    this.setItem(FW_CFG_KEY.SIGNATURE, ascii('QEMU'));
    this.setItem(FW_CFG_KEY.ID, new Uint8Array([ID.TRADITIONAL | ID.DMA, 0, 0, 0]));
    this.setItem(FW_CFG_KEY.FILE_DIRECTORY, new Uint8Array(4));
    options.pio.register(this.name, PORT.SELECTOR, 12, this);
  }

  /** Sets the item behind a key (see FW_CFG_KEY); the bytes are kept, not copied. */
  setItem(key: number, bytes: Uint8Array): void {
    this.#items.set(key, bytes);
  }

  /** Adds a file, or replaces it, under a name of at most 55 ASCII characters. */
  addFile(name: string, bytes: Uint8Array): void {
    const known = this.#files.find((file) => file.name === name);
    if (known !== undefined) {
      known.sizeBytes = bytes.length;
      this.setItem(known.key, bytes);
    } else {
      if (name.length >= NAME_BYTES)
        throw new RangeError(`File name ${name} exceeds 55 characters`);
      if (this.#files.length >= FILES_MAX) throw new RangeError(`More than ${FILES_MAX} files`);
      const key = FW_CFG_KEY.FILE_FIRST + this.#files.length;
      this.#files.push({ name, key, sizeBytes: bytes.length });
      this.setItem(key, bytes);
    }
    this.setItem(FW_CFG_KEY.FILE_DIRECTORY, this.#directory());
  }

  in8(offset: number): u8 {
    if (offset === OFFSET.DATA) return this.#next();
    return (this.in32(offset & ~3) >>> (8 * (offset & 3))) & 0xff;
  }

  in32(offset: number): u32 {
    if (offset === OFFSET.DMA_HIGH) return swap32(DMA_SIGNATURE.HIGH);
    if (offset === OFFSET.DMA_LOW) return swap32(DMA_SIGNATURE.LOW);
    return 0;
  }

  /** Bytes written to the data port are ignored: nothing here is writable. */
  out8(): void {}

  out16(offset: number, value: number): void {
    if (offset === OFFSET.SELECTOR) this.#select(value);
  }

  out32(offset: number, value: u32): void {
    if (offset === OFFSET.DMA_HIGH) {
      this.#dmaHigh = swap32(value);
    } else if (offset === OFFSET.DMA_LOW) {
      const address = this.#dmaHigh * 2 ** 32 + swap32(value);
      this.#dmaHigh = 0;
      if (Number.isSafeInteger(address)) this.#transfer(address);
    }
  }

  reset(): void {
    this.#key = 0;
    this.#offset = 0;
    this.#dmaHigh = 0;
  }

  save(): State {
    return { key: this.#key, offset: this.#offset, dmaHigh: this.#dmaHigh };
  }

  restore(state: State): void {
    this.#key = state.key;
    this.#offset = state.offset;
    this.#dmaHigh = state.dmaHigh;
  }

  #select(key: number): void {
    this.#key = key & (KEY_MASK | ARCHITECTURE_BIT);
    this.#offset = 0;
  }

  #item(): Uint8Array {
    return this.#items.get(this.#key) ?? NOTHING;
  }

  #next(): u8 {
    const value = this.#item()[this.#offset];
    if (value === undefined) return 0;
    this.#offset++;
    return value;
  }

  /** Carries out the access whose descriptor is at `address`. [QEMU-FW-CFG] "DMA Interface" */
  #transfer(address: number): void {
    const raw = new Uint8Array(CONTROL_BYTES);
    this.#memory.readInto(address, raw);
    const view = new DataView(raw.buffer);
    const control = view.getUint32(0);
    const length = view.getUint32(4);
    const target = view.getUint32(8) * 2 ** 32 + view.getUint32(12);
    if ((control & CONTROL.SELECT) !== 0) this.#select(control >>> 16);
    let status = 0;
    if ((control & CONTROL.READ) !== 0) this.#readTo(target, length);
    else if ((control & CONTROL.WRITE) !== 0) status = CONTROL.ERROR;
    else if ((control & CONTROL.SKIP) !== 0) {
      this.#offset = Math.min(this.#offset + length, this.#item().length);
    }
    this.#memory.write32(address, swap32(status));
  }

  #readTo(target: number, length: number): void {
    const item = this.#item();
    const bytes = item.subarray(this.#offset, this.#offset + length);
    this.#offset += bytes.length;
    if (!Number.isSafeInteger(target + length)) return;
    this.#memory.writeFrom(target, bytes);
    // Beyond the item the guest reads zeroes, but never more than there is RAM to hold them.
    const rest = Math.min(length - bytes.length, this.#memory.sizeBytes);
    const zeroes = new Uint8Array(Math.min(rest, ZERO_BYTES_MAX));
    for (let done = 0; done < rest; done += ZERO_BYTES_MAX) {
      const chunk = zeroes.subarray(0, Math.min(ZERO_BYTES_MAX, rest - done));
      this.#memory.writeFrom(target + bytes.length + done, chunk);
    }
  }

  #directory(): Uint8Array {
    const directory = new Uint8Array(4 + ENTRY_BYTES * this.#files.length);
    const view = new DataView(directory.buffer);
    view.setUint32(0, this.#files.length);
    // Firmware searches linearly; an order by name makes the directory the same every time.
    const sorted = [...this.#files].sort((a, b) => (a.name < b.name ? -1 : 1));
    sorted.forEach(({ name, key, sizeBytes }, index) => {
      const offset = 4 + ENTRY_BYTES * index;
      view.setUint32(offset, sizeBytes);
      view.setUint16(offset + 4, key);
      directory.set(ascii(name), offset + 8);
    });
    return directory;
  }
}

const NOTHING = new Uint8Array(0);
const ZERO_BYTES_MAX = 0x1_0000;

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f);
}

function swap32(value: u32): u32 {
  return (
    ((value >>> 24) | ((value >>> 8) & 0xff00) | ((value << 8) & 0xff_0000) | (value << 24)) >>> 0
  );
}
