import { StorageError } from '../errors.ts';
import type { FileFacts, HostFile } from '../file/host-file.ts';
import { type Segments, totalBytes } from '../segments.ts';
import type { Chance } from './chance.ts';

const SECTOR = 512;
const ZERO_SECTOR = Buffer.alloc(SECTOR);

/** What stable storage may hold of a sector: what it surely held last, and all written since. */
type Versions = { readonly bytes: Buffer; readonly writeNumber: number }[];

/**
 * A file on a host whose power can fail. Until it is synced, every written sector (and every change
 * of length) may or may not have reached stable storage, in any order.
 */
export class SimulatedFile implements HostFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  readonly #chance: Chance;
  /** Calls until the power fails. */
  #callsLeft: number;
  #sizeBytes: number;
  readonly #sectors: Map<number, Buffer>;
  #unsynced = new Map<number, Versions>();
  #writeCount = 0;
  /** The least length that stable storage may have. */
  #stableSizeBytes: number;
  readonly #onPowerCut: () => void;

  constructor(
    path: string,
    chance: Chance,
    options: {
      callsLeft?: number;
      onPowerCut?: () => void;
      sectors?: Map<number, Buffer>;
      sizeBytes?: number;
      isReadOnly?: boolean;
    } = {},
  ) {
    this.isReadOnly = options.isReadOnly ?? false;
    this.path = path;
    this.#chance = chance;
    this.#callsLeft = options.callsLeft ?? Number.POSITIVE_INFINITY;
    this.#onPowerCut = options.onPowerCut ?? (() => undefined);
    this.#sectors = options.sectors ?? new Map();
    this.#sizeBytes = options.sizeBytes ?? 0;
    this.#stableSizeBytes = this.#sizeBytes;
  }

  async facts(): Promise<FileFacts> {
    return { sizeBytes: this.#sizeBytes, modifiedMs: 0, identity: this.path };
  }

  async read(offset: number, segments: Segments): Promise<void> {
    await this.#pass();
    let at = offset;
    if (offset + totalBytes(segments) > this.#sizeBytes) {
      throw new StorageError('FILE_TOO_SHORT', `Read of ${offset}, the end is ${this.#sizeBytes}`);
    }
    for (const segment of segments) {
      for (let done = 0; done < segment.length; ) {
        const inside = at % SECTOR;
        const count = Math.min(SECTOR - inside, segment.length - done);
        const sector = this.#sectors.get((at - inside) / SECTOR) ?? ZERO_SECTOR;
        segment.set(sector.subarray(inside, inside + count), done);
        done += count;
        at += count;
      }
    }
  }

  async write(offset: number, segments: Segments): Promise<void> {
    // Some of what is written may be stored although the call never ends.
    await this.#pass(() => this.#store(offset, segments));
  }

  async sync(): Promise<void> {
    const covered = this.#writeCount;
    const sizeBytes = this.#sizeBytes;
    await this.#pass();
    this.#stableSizeBytes = Math.max(this.#stableSizeBytes, Math.min(sizeBytes, this.#sizeBytes));
    for (const [at, versions] of this.#unsynced) {
      // The version that was current at the call is the oldest that can be found now.
      while ((versions[1]?.writeNumber ?? Number.POSITIVE_INFINITY) <= covered) versions.shift();
      if (versions.length === 1) this.#unsynced.delete(at);
    }
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#pass(() => {
      for (const at of this.#sectors.keys()) {
        if (at * SECTOR >= sizeBytes) this.#setSector(at, ZERO_SECTOR);
      }
      this.#sizeBytes = sizeBytes;
      this.#stableSizeBytes = Math.min(this.#stableSizeBytes, sizeBytes);
    });
  }

  async close(): Promise<void> {}

  /** The same file, synced, on a host that works for a number of calls. */
  withPowerCut(callsLeft: number, onPowerCut: () => void): SimulatedFile {
    const sectors = new Map(this.#sectors);
    const sizeBytes = this.#sizeBytes;
    return new SimulatedFile(this.path, this.#chance, {
      callsLeft,
      onPowerCut,
      sectors,
      sizeBytes,
    });
  }

  /** The same file, opened for reading. */
  readOnly(): SimulatedFile {
    const options = { sectors: this.#sectors, sizeBytes: this.#sizeBytes, isReadOnly: true };
    return new SimulatedFile(this.path, this.#chance, options);
  }

  /** The file as it is found after the power failed. */
  afterPowerCut(chance: Chance): SimulatedFile {
    const sectors = new Map(this.#sectors);
    let end = this.#stableSizeBytes;
    for (const [at, versions] of this.#unsynced) {
      const choice = chance.below(versions.length);
      sectors.set(at, versions[choice]?.bytes ?? ZERO_SECTOR);
      if (choice > 0) end = Math.max(end, Math.min((at + 1) * SECTOR, this.#sizeBytes));
    }
    const growth = Math.floor((this.#sizeBytes - end) / SECTOR);
    const sizeBytes = growth > 0 ? end + chance.below(growth + 1) * SECTOR : end;
    return new SimulatedFile(this.path, chance, { sectors, sizeBytes });
  }

  #store(offset: number, segments: Segments): void {
    const bytes = Buffer.concat(segments);
    for (let done = 0; done < bytes.length; ) {
      const inside = (offset + done) % SECTOR;
      const count = Math.min(SECTOR - inside, bytes.length - done);
      const at = (offset + done - inside) / SECTOR;
      const sector = Buffer.from(this.#sectors.get(at) ?? ZERO_SECTOR);
      sector.set(bytes.subarray(done, done + count), inside);
      this.#setSector(at, sector);
      done += count;
    }
    this.#sizeBytes = Math.max(this.#sizeBytes, offset + bytes.length);
  }

  #setSector(at: number, sector: Buffer): void {
    const before = this.#sectors.get(at) ?? ZERO_SECTOR;
    const versions = this.#unsynced.get(at) ?? [{ bytes: before, writeNumber: 0 }];
    this.#writeCount += 1;
    versions.push({ bytes: sector, writeNumber: this.#writeCount });
    this.#unsynced.set(at, versions);
    this.#sectors.set(at, sector);
  }

  /** Lets other calls overtake this one; never returns once the power has failed. */
  async #pass(effect: () => void = () => undefined): Promise<void> {
    for (let turns = this.#chance.below(4); turns > 0; turns--) await Promise.resolve();
    this.#callsLeft -= 1;
    if (this.#callsLeft >= 0) effect();
    if (this.#callsLeft <= 0) {
      this.#onPowerCut();
      return await new Promise(() => undefined);
    }
    for (let turns = this.#chance.below(4); turns > 0; turns--) await Promise.resolve();
    // Nobody hears of an end after the power failed.
    if (this.#callsLeft <= 0) await new Promise(() => undefined);
  }
}
