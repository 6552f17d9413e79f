import { assert, PAGE_SIZE } from '@umbra/base';
import type { GuestMemory } from '@umbra/core';
import { AREA, PAGE_FLAG } from './state-layout.ts';

const READABLE = 1;
const WRITABLE = 2;
/** RAM ends here; what is above, below 4 GiB, belongs to devices. */
export const RAM_LIMIT = 0xc000_0000;

/** Who must hear of changes to guest memory behind the processor's back. */
export interface MemoryWatcher {
  /** `size` bytes (within a page) at a host address are about to change. */
  noteHostWrite(host: number, size: number): void;
  /** Some of the page of a host address was replaced meanwhile. */
  notePageReplaced(host: number): void;
  /** Guest-physical addresses mean other memory now. */
  mapChanged(): void;
}

/** Guest-physical memory: RAM, ROMs and frame buffers, in one block of host memory. */
export class PhysicalMemory implements GuestMemory {
  readonly sizeBytes: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #next: number;
  #watcher: MemoryWatcher | undefined;

  constructor(memory: WebAssembly.Memory, ramBytes: number) {
    this.sizeBytes = ramBytes;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#next = AREA.RAM + Math.ceil(ramBytes / PAGE_SIZE) * PAGE_SIZE;
    this.mapRam(0, Math.min(ramBytes, 0xa_0000));
    if (ramBytes > 0x10_0000) this.mapRam(0x10_0000, ramBytes - 0x10_0000);
  }

  watch(watcher: MemoryWatcher): void {
    this.#watcher = watcher;
  }

  #entry(address: number): number {
    return AREA.PHYS_MAP + Math.floor(address / PAGE_SIZE) * 4;
  }

  #map(address: number, hostOffset: number, size: number, flags: number): void {
    assert(address % PAGE_SIZE === 0 && size % PAGE_SIZE === 0, 'mappings are whole pages');
    assert(address + size <= 2 ** 32, 'mappings are below 4 GiB');
    for (let at = 0; at < size; at += PAGE_SIZE) {
      this.#view.setUint32(this.#entry(address + at), (hostOffset + at) | flags, true);
    }
    this.#watcher?.mapChanged();
  }

  /** Shows RAM at its own address. */
  mapRam(address: number, size: number): void {
    this.#map(address, AREA.RAM + address, size, READABLE | WRITABLE);
  }
  /** Shows RAM that the guest reads but does not write (shadowed firmware). */
  mapRamReadOnly(address: number, size: number): void {
    this.#map(address, AREA.RAM + address, size, READABLE);
  }
  /** Shows host memory that the guest reads; its writes reach the bus. */
  mapRom(address: number, hostOffset: number, size: number): void {
    this.#map(address, hostOffset, size, READABLE);
  }
  mapMemory(address: number, hostOffset: number, size: number): void {
    this.#map(address, hostOffset, size, READABLE | WRITABLE);
  }
  unmapMemory(address: number, size: number): void {
    for (let at = 0; at < size; at += PAGE_SIZE)
      this.#view.setUint32(this.#entry(address + at), 0, true);
    this.#watcher?.mapChanged();
  }

  allocateVideo(sizeBytes: number): number {
    const at = this.#next;
    this.#next += Math.ceil(sizeBytes / PAGE_SIZE) * PAGE_SIZE;
    assert(this.#next <= this.#bytes.length, 'video memory was set aside when the memory was made');
    return at;
  }

  hostBytes(): Uint8Array {
    return this.#bytes;
  }

  /** Host address of a guest-physical byte, or 0. */
  hostOf(address: number): number {
    if (address >= 2 ** 32) return 0;
    const entry = this.#view.getUint32(this.#entry(address), true);
    return entry & READABLE ? ((entry & ~0xfff) >>> 0) + (address % PAGE_SIZE) : 0;
  }

  read8(address: number): number {
    const host = this.hostOf(address);
    return host === 0 ? 0xff : this.#view.getUint8(host);
  }
  read16(address: number): number {
    return this.read8(address) | (this.read8(address + 1) << 8);
  }
  read32(address: number): number {
    return (this.read16(address) | (this.read16(address + 2) << 16)) >>> 0;
  }

  #writableHost(address: number): number {
    if (address >= 2 ** 32) return 0;
    const entry = this.#view.getUint32(this.#entry(address), true);
    return entry & WRITABLE ? ((entry & ~0xfff) >>> 0) + (address % PAGE_SIZE) : 0;
  }

  write8(address: number, value: number): void {
    const host = this.#writableHost(address);
    if (host === 0) return;
    this.#noteWrite(host, 1);
    this.#view.setUint8(host, value);
  }
  write16(address: number, value: number): void {
    this.write8(address, value);
    this.write8(address + 1, value >> 8);
  }
  write32(address: number, value: number): void {
    this.write16(address, value);
    this.write16(address + 2, value >>> 16);
  }

  #noteWrite(host: number, size: number): void {
    const flags = this.#view.getUint32(AREA.PAGE_INFO + (host >>> 12) * 4, true);
    if (flags & (PAGE_FLAG.CODE | PAGE_FLAG.PAGE_TABLE)) this.#watcher?.noteHostWrite(host, size);
  }

  readInto(address: number, target: Uint8Array): void {
    for (let done = 0; done < target.length; ) {
      const chunk = Math.min(PAGE_SIZE - ((address + done) % PAGE_SIZE), target.length - done);
      const host = this.hostOf(address + done);
      if (host === 0) target.fill(0xff, done, done + chunk);
      else target.set(this.#bytes.subarray(host, host + chunk), done);
      done += chunk;
    }
  }

  writeFrom(address: number, source: Uint8Array): void {
    for (let done = 0; done < source.length; ) {
      const chunk = Math.min(PAGE_SIZE - ((address + done) % PAGE_SIZE), source.length - done);
      const host = this.#writableHost(address + done);
      if (host !== 0) {
        this.#noteWrite(host, chunk);
        this.#bytes.set(source.subarray(done, done + chunk), host);
      }
      done += chunk;
    }
  }

  transferView(address: number, length: number, access: 'read' | 'write'): Uint8Array | undefined {
    const hostAt = (at: number): number =>
      access === 'write' ? this.#writableHost(at) : this.hostOf(at);
    const host = hostAt(address);
    if (host === 0) return undefined;
    const toNextPage = PAGE_SIZE - (address % PAGE_SIZE);
    for (let at = toNextPage; at < length; at += PAGE_SIZE) {
      if (hostAt(address + at) !== host + at) return undefined;
    }
    return this.#bytes.subarray(host, host + length);
  }

  transferred(address: number, length: number): void {
    const end = address + length;
    for (let at = address; at < end; at += PAGE_SIZE - (at % PAGE_SIZE)) {
      const host = this.#writableHost(at);
      if (host === 0) continue;
      const flags = this.#view.getUint32(AREA.PAGE_INFO + (host >>> 12) * 4, true);
      if (flags & (PAGE_FLAG.CODE | PAGE_FLAG.PAGE_TABLE)) this.#watcher?.notePageReplaced(host);
    }
  }
}
