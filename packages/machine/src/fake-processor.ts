import type {
  BoardPort,
  ProcessorExit,
  ProcessorPort,
  SwitchableMemory,
} from './processor-port.ts';

/** A processor for tests: plain memory, and a guest that is a list of TypeScript functions. */
export class FakeProcessor implements ProcessorPort {
  readonly board: BoardPort;
  readonly guestMemory: FakeMemory;
  readonly log: string[] = [];
  /** Each run() takes one step; without one the guest halts. */
  readonly steps: (() => ProcessorExit | undefined)[] = [];
  isInterruptAsserted = false;

  constructor(board: BoardPort, ramBytes: number, videoBytes: number) {
    this.board = board;
    this.guestMemory = new FakeMemory(ramBytes, videoBytes);
  }

  reset(): void {
    this.log.push('reset');
  }
  run(): ProcessorExit {
    this.board.service();
    return this.steps.shift()?.() ?? { kind: 'halt' };
  }
  setInterruptLine(asserted: boolean): void {
    this.isInterruptAsserted = asserted;
  }
  raiseNmi(): void {
    this.log.push('nmi');
  }
  requestInit(): void {
    this.log.push('init');
  }
  requestStop(): void {
    this.log.push('stop');
  }
  waitForWork(timeoutMs: number): void {
    this.log.push(`wait ${timeoutMs > 0}`);
  }
  setProtectedMode(state: { eip: number }): void {
    this.log.push(`protected ${state.eip.toString(16)}`);
  }
  setLongMode(state: { rip: number }): void {
    this.log.push(`long ${state.rip.toString(16)}`);
  }
  dump(): string {
    return 'dump';
  }
  timeStamp(): bigint {
    return BigInt(this.board.now());
  }
  setA20(enabled: boolean): void {
    this.log.push(`a20 ${enabled}`);
  }
  save(): unknown {
    return { fake: true };
  }
  restore(state: unknown): void {
    this.log.push(`restore ${JSON.stringify(state)}`);
  }
  stats(): Record<string, number> {
    return {};
  }
}

/** Memory that keeps a list of what is mapped where, later mappings over earlier ones. */
class FakeMemory implements SwitchableMemory {
  readonly sizeBytes: number;
  readonly #bytes: Uint8Array;
  readonly #pages = new Map<number, { host: number; isWritable: boolean }>();
  #next: number;

  constructor(ramBytes: number, videoBytes: number) {
    this.sizeBytes = ramBytes;
    this.#bytes = new Uint8Array(ramBytes + videoBytes);
    this.#next = ramBytes;
    this.mapRam(0, 0xa_0000);
    this.mapRam(0x10_0000, ramBytes - 0x10_0000);
  }

  mapRom(address: number, hostOffset: number, size: number): void {
    this.#map(address, hostOffset, size, false);
  }
  mapRam(address: number, size: number): void {
    this.#map(address, address, size, true);
  }
  mapRamReadOnly(address: number, size: number): void {
    this.#map(address, address, size, false);
  }
  mapMemory(address: number, hostOffset: number, size: number): void {
    this.#map(address, hostOffset, size, true);
  }
  unmapMemory(address: number, size: number): void {
    for (let at = address; at < address + size; at += 4096) this.#pages.delete(at);
  }
  read8(address: number): number {
    const page = this.#pages.get(Math.floor(address / 4096) * 4096);
    return page === undefined ? 0xff : (this.#bytes[page.host + (address % 4096)] ?? 0xff);
  }
  read16(address: number): number {
    return this.read8(address) | (this.read8(address + 1) << 8);
  }
  read32(address: number): number {
    return (this.read16(address) | (this.read16(address + 2) << 16)) >>> 0;
  }
  write8(address: number, value: number): void {
    const page = this.#pages.get(Math.floor(address / 4096) * 4096);
    if (page?.isWritable) this.#bytes[page.host + (address % 4096)] = value;
  }
  write16(address: number, value: number): void {
    this.write8(address, value);
    this.write8(address + 1, value >>> 8);
  }
  write32(address: number, value: number): void {
    this.write16(address, value);
    this.write16(address + 2, value >>> 16);
  }
  readInto(address: number, target: Uint8Array): void {
    for (let index = 0; index < target.length; index += 1)
      target[index] = this.read8(address + index);
  }
  writeFrom(address: number, source: Uint8Array): void {
    for (const [index, byte] of source.entries()) this.write8(address + index, byte);
  }
  transferView(address: number, length: number): Uint8Array | undefined {
    return address + length <= this.sizeBytes
      ? this.#bytes.subarray(address, address + length)
      : undefined;
  }
  transferred(): void {}
  allocateVideo(sizeBytes: number): number {
    const at = this.#next;
    this.#next += Math.ceil(sizeBytes / 4096) * 4096;
    return at;
  }
  hostBytes(): Uint8Array {
    return this.#bytes;
  }

  #map(address: number, host: number, size: number, isWritable: boolean): void {
    for (let at = 0; at < size; at += 4096) {
      this.#pages.set(address + at, { host: host + at, isWritable });
    }
  }
}
