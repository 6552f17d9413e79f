import type { Clock, Timer } from '@umbra/base';
import type {
  BlockBackend,
  BlockInfo,
  BlockRequest,
  BlockStatus,
  GuestMemory,
  IrqLine,
  MmioBus,
  MmioHandlers,
  PioBus,
  PioHandlers,
} from '@umbra/core';

/** Machine time that moves only when a test says so. */
export class ManualClock implements Clock {
  #now = 0;
  #nextId = 0;
  readonly #epochMs: number;
  readonly #pending = new Map<number, { deadline: number; callback: () => void }>();
  /** Callbacks that ran, to see that nothing storms. */
  callbackCount = 0;

  constructor(epochMs = Date.UTC(2024, 1, 29, 23, 59, 57)) {
    this.#epochMs = epochMs;
  }

  now(): number {
    return this.#now;
  }

  wallClockMs(): number {
    return this.#epochMs + Math.floor(this.#now / 1_000_000);
  }

  schedule(deadline: number, callback: () => void): Timer {
    const id = this.#nextId++;
    this.#pending.set(id, { deadline, callback });
    return { cancel: () => this.#pending.delete(id) };
  }

  get timerCount(): number {
    return this.#pending.size;
  }

  /** Lets time pass, running what falls due on the way at its own time. */
  advance(nanoseconds: number): void {
    const end = this.#now + nanoseconds;
    for (;;) {
      const due = this.#earliest(end);
      if (due === undefined) break;
      this.#run(due);
    }
    this.#now = end;
  }

  /** Time passes while the machine does not come round to its timers. */
  sleep(nanoseconds: number): void {
    this.#now += nanoseconds;
  }

  #earliest(end: number): number | undefined {
    let best: number | undefined;
    let bestDeadline = end;
    for (const [id, { deadline }] of this.#pending) {
      if (deadline < bestDeadline || (best === undefined && deadline <= end)) {
        best = id;
        bestDeadline = deadline;
      }
    }
    return best;
  }

  #run(id: number): void {
    const entry = this.#pending.get(id);
    this.#pending.delete(id);
    if (entry === undefined) return;
    this.#now = Math.max(this.#now, entry.deadline);
    this.callbackCount++;
    entry.callback();
  }
}

/** A wire that remembers what happened on it. */
export class TestLine implements IrqLine {
  isHigh = false;
  risingEdges = 0;

  set(asserted: boolean): void {
    if (asserted && !this.isHigh) this.risingEdges++;
    this.isHigh = asserted;
  }
}

/** Port space for tests. */
export class TestPio implements PioBus {
  readonly #ports = new Map<number, { first: number; handlers: PioHandlers }>();

  register(name: string, firstPort: number, count: number, handlers: PioHandlers): void {
    if (!this.isFree(firstPort, count)) throw new Error(`Ports of ${name} are taken`);
    for (let port = firstPort; port < firstPort + count; port++) {
      this.#ports.set(port, { first: firstPort, handlers });
    }
  }

  unregister(firstPort: number, count: number): void {
    for (let port = firstPort; port < firstPort + count; port++) this.#ports.delete(port);
  }

  isFree(firstPort: number, count: number): boolean {
    for (let port = firstPort; port < firstPort + count; port++) {
      if (this.#ports.has(port)) return false;
    }
    return true;
  }

  /** All claimed ports. */
  ports(): number[] {
    return [...this.#ports.keys()];
  }

  in8(port: number): number {
    const entry = this.#ports.get(port);
    return entry === undefined ? 0xff : entry.handlers.in8(port - entry.first);
  }

  in16(port: number): number {
    const entry = this.#ports.get(port);
    if (entry?.handlers.in16 !== undefined) return entry.handlers.in16(port - entry.first);
    return this.in8(port) | (this.in8(port + 1) << 8);
  }

  in32(port: number): number {
    const entry = this.#ports.get(port);
    if (entry?.handlers.in32 !== undefined) return entry.handlers.in32(port - entry.first);
    return (this.in16(port) | (this.in16(port + 2) << 16)) >>> 0;
  }

  out8(port: number, value: number): void {
    const entry = this.#ports.get(port);
    entry?.handlers.out8(port - entry.first, value);
  }

  out16(port: number, value: number): void {
    const entry = this.#ports.get(port);
    if (entry?.handlers.out16 !== undefined) {
      entry.handlers.out16(port - entry.first, value);
      return;
    }
    this.out8(port, value & 0xff);
    this.out8(port + 1, value >> 8);
  }

  out32(port: number, value: number): void {
    const entry = this.#ports.get(port);
    if (entry?.handlers.out32 !== undefined) {
      entry.handlers.out32(port - entry.first, value);
      return;
    }
    this.out16(port, value & 0xffff);
    this.out16(port + 2, value >>> 16);
  }
}

/** Memory-mapped registers for tests. */
export class TestMmio implements MmioBus {
  readonly ranges = new Map<number, { size: number; handlers: MmioHandlers | undefined }>();

  register(name: string, address: number, size: number, handlers: MmioHandlers): void {
    if (!this.isFree(address, size)) throw new Error(`Range of ${name} is taken`);
    this.ranges.set(address, { size, handlers });
  }

  unregister(address: number): void {
    this.ranges.delete(address);
  }

  mapMemory(name: string, address: number, _hostOffset: number, size: number): void {
    if (!this.isFree(address, size)) throw new Error(`Range of ${name} is taken`);
    this.ranges.set(address, { size, handlers: undefined });
  }

  unmapMemory(address: number): void {
    this.ranges.delete(address);
  }

  isFree(address: number, size: number): boolean {
    for (const [first, range] of this.ranges) {
      if (address < first + range.size && first < address + size) return false;
    }
    return true;
  }

  read(address: number, size = 4): number {
    for (const [first, { size: length, handlers }] of this.ranges) {
      const isInside = address >= first && address < first + length;
      if (isInside && handlers !== undefined) return handlers.read(address - first, size);
    }
    return 0xffff_ffff;
  }

  write(address: number, value: number, size = 4): void {
    for (const [first, { size: length, handlers }] of this.ranges) {
      const isInside = address >= first && address < first + length;
      if (isInside) handlers?.write(address - first, size, value);
    }
  }
}

/** Guest memory with room for video memory behind it. */
export class TestMemory implements GuestMemory {
  readonly sizeBytes: number;
  readonly #bytes: Uint8Array;
  #videoUsed: number;

  constructor(sizeBytes = 0x1_0000, videoBytes = 0) {
    this.sizeBytes = sizeBytes;
    this.#bytes = new Uint8Array(sizeBytes + videoBytes);
    this.#videoUsed = sizeBytes;
  }

  read8(address: number): number {
    return address < this.sizeBytes ? (this.#bytes[address] ?? 0xff) : 0xff;
  }

  read16(address: number): number {
    return this.read8(address) | (this.read8(address + 1) << 8);
  }

  read32(address: number): number {
    return (this.read16(address) | (this.read16(address + 2) << 16)) >>> 0;
  }

  write8(address: number, value: number): void {
    if (address < this.sizeBytes) this.#bytes[address] = value;
  }

  write16(address: number, value: number): void {
    this.write8(address, value & 0xff);
    this.write8(address + 1, value >> 8);
  }

  write32(address: number, value: number): void {
    this.write16(address, value & 0xffff);
    this.write16(address + 2, value >>> 16);
  }

  readInto(address: number, target: Uint8Array): void {
    for (let i = 0; i < target.length; i++) target[i] = this.read8(address + i);
  }

  writeFrom(address: number, source: Uint8Array): void {
    for (let i = 0; i < source.length; i++) this.write8(address + i, source[i] ?? 0);
  }

  transferView(address: number, length: number): Uint8Array | undefined {
    return address + length <= this.sizeBytes
      ? this.#bytes.subarray(address, address + length)
      : undefined;
  }

  transferred(): void {}

  allocateVideo(sizeBytes: number): number {
    const offset = this.#videoUsed;
    this.#videoUsed += sizeBytes;
    return offset;
  }

  hostBytes(): Uint8Array {
    return this.#bytes;
  }
}

/** A disk in memory that finishes requests only when a test says so. */
export class TestDisk implements BlockBackend {
  readonly info: BlockInfo;
  readonly bytes: Uint8Array;
  readonly log: string[] = [];
  /** How the next request ends, unless it goes well. */
  nextStatus: BlockStatus = 'ok';
  readonly #pending: { request: BlockRequest; onDone: (status: BlockStatus) => void }[] = [];

  constructor(sizeBytes: number, info: Partial<BlockInfo> = {}) {
    this.bytes = new Uint8Array(sizeBytes);
    this.info = {
      sizeBytes,
      isReadOnly: false,
      canDiscard: true,
      hasWriteCache: true,
      queueDepthMax: 128,
      ...info,
    };
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  submit(request: BlockRequest, onDone: (status: BlockStatus) => void): void {
    this.#pending.push({ request, onDone });
    if (this.#pending.length > this.info.queueDepthMax) throw new Error('Queue depth exceeded');
  }

  /** Finishes all requests, also those that others lead to, one after the other. */
  run(): void {
    for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) {
      const { request, onDone } = next;
      const status = this.nextStatus;
      this.nextStatus = 'ok';
      if (status === 'ok') this.#carryOut(request);
      onDone(status);
    }
  }

  #carryOut(request: BlockRequest): void {
    if (request.kind === 'flush') {
      this.log.push('flush');
      return;
    }
    let at = request.offsetBytes;
    if ('segments' in request) {
      for (const segment of request.segments) {
        const part = this.bytes.subarray(at, at + segment.length);
        if (part.length !== segment.length) throw new Error('Request beyond the disk');
        if (request.kind === 'read') segment.set(part);
        else part.set(segment);
        at += segment.length;
      }
      if ((at - request.offsetBytes) % 512 !== 0) throw new Error('Request of part of a sector');
    } else {
      at += request.lengthBytes;
      this.bytes.fill(0, request.offsetBytes, at);
    }
    this.log.push(`${request.kind} ${request.offsetBytes} ${at - request.offsetBytes}`);
  }
}

/** Numbers from a seed (xorshift32), so that a failure can be repeated. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  below(limit: number): number {
    return this.next() % limit;
  }
}
