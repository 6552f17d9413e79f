import {
  BLOCK_SEGMENTS_MAX,
  type BlockBackend,
  type BlockRequest,
  type BlockStatus,
  type Device,
  type GuestMemory,
  SECTOR_BYTES,
} from '@umbra/core';
import * as z from 'zod';
import { gather, scatter, slice, totalLength } from '../memory-ranges.ts';
import type { PciBus } from '../pci-bus.ts';
import { QueuedBackend } from '../queued-backend.ts';
import { type MemoryRange, transferSectors } from '../sector-transfer.ts';
import { stateSchema } from '../state.ts';
import { type VirtioKind, VirtioPci, VirtioPciState } from './virtio-pci.ts';
import type { Chain } from './virtqueue.ts';

const TYPE = 2;
const CLASS_SCSI_STORAGE = 0x01_0000;
/** Bits. [VIRTIO] §5.2.3 */
const FEATURE = {
  SEGMENTS_MAX: 2,
  READ_ONLY: 5,
  BLOCK_SIZE: 6,
  FLUSH: 9,
  CONFIG_WCE: 11,
  MULTI_QUEUE: 12,
  DISCARD: 13,
  WRITE_ZEROES: 14,
} as const;
/** [VIRTIO] §5.2.6 */
const REQUEST = {
  IN: 0,
  OUT: 1,
  FLUSH: 4,
  GET_ID: 8,
  DISCARD: 11,
  WRITE_ZEROES: 13,
} as const;
const STATUS = { OK: 0, IO_ERROR: 1, UNSUPPORTED: 2 } as const;
const HEADER_BYTES = 16;
const ID_BYTES = 20;
/** Offsets in the device configuration. [VIRTIO] §5.2.4 */
const CONFIG = {
  CAPACITY: 0,
  SEGMENTS_MAX: 12,
  BLOCK_SIZE: 20,
  WRITEBACK: 32,
  QUEUES: 34,
  DISCARD_SECTORS_MAX: 36,
  DISCARD_SEGMENTS_MAX: 40,
  DISCARD_ALIGNMENT: 44,
  ZEROES_SECTORS_MAX: 48,
  ZEROES_SEGMENTS_MAX: 52,
  ZEROES_MAY_UNMAP: 56,
  BYTES: 60,
} as const;
const SEGMENTS_MAX = 126;
/** One request moves no more than this, whatever its segments say. */
const TRANSFER_BYTES_MAX = 32 << 20;
const RANGE_SECTORS_MAX = 1 << 22;
const RANGES_MAX = 16;
const RANGE_BYTES = 16;
const RANGE_UNMAP = 1 << 0;

const State = z.strictObject({ transport: VirtioPciState, isWriteback: z.boolean() });
type State = z.infer<typeof State>;

/** A disk as virtio describes it. [VIRTIO] §5.2 */
export class VirtioBlk implements Device<State>, VirtioKind {
  readonly name: string;
  readonly schema = stateSchema('virtio-blk', 1, State);
  readonly type = TYPE;
  readonly classCode = CLASS_SCSI_STORAGE;
  readonly features: number;
  readonly queueCount: number;
  readonly #memory: GuestMemory;
  readonly #backend: QueuedBackend;
  readonly #serial: string;
  readonly #transport: VirtioPci;
  #isWriteback = true;
  #underWay = 0;
  /** Counts resets, so that what the backend finishes later finds nobody. */
  #epoch = 0;

  constructor(options: {
    name: string;
    slot: number;
    pci: PciBus;
    memory: GuestMemory;
    backend: BlockBackend;
    serial: string;
    queueCount?: number;
  }) {
    const { info } = options.backend;
    this.name = options.name;
    this.queueCount = options.queueCount ?? 1;
    this.features = featureWord(info, this.queueCount);
    this.#memory = options.memory;
    this.#backend = new QueuedBackend(options.backend);
    this.#serial = options.serial;
    this.#transport = new VirtioPci({ ...options, kind: this });
    this.onReset();
  }

  config(): Uint8Array {
    const { sizeBytes, canDiscard } = this.#backend.info;
    const bytes = new Uint8Array(CONFIG.BYTES);
    const view = new DataView(bytes.buffer);
    const sectors = Math.floor(sizeBytes / SECTOR_BYTES);
    view.setUint32(CONFIG.CAPACITY, sectors % 2 ** 32, true);
    view.setUint32(CONFIG.CAPACITY + 4, Math.floor(sectors / 2 ** 32), true);
    view.setUint32(CONFIG.SEGMENTS_MAX, SEGMENTS_MAX, true);
    view.setUint32(CONFIG.BLOCK_SIZE, SECTOR_BYTES, true);
    view.setUint8(CONFIG.WRITEBACK, this.#isWriteback ? 1 : 0);
    view.setUint16(CONFIG.QUEUES, this.queueCount, true);
    if (canDiscard) {
      view.setUint32(CONFIG.DISCARD_SECTORS_MAX, RANGE_SECTORS_MAX, true);
      view.setUint32(CONFIG.DISCARD_SEGMENTS_MAX, RANGES_MAX, true);
      view.setUint32(CONFIG.DISCARD_ALIGNMENT, 1, true);
    }
    view.setUint32(CONFIG.ZEROES_SECTORS_MAX, RANGE_SECTORS_MAX, true);
    view.setUint32(CONFIG.ZEROES_SEGMENTS_MAX, RANGES_MAX, true);
    view.setUint8(CONFIG.ZEROES_MAY_UNMAP, canDiscard ? 1 : 0);
    return bytes;
  }

  writeConfig(offset: number, value: number): void {
    if (offset === CONFIG.WRITEBACK && this.#transport.hasFeature(FEATURE.CONFIG_WCE)) {
      this.#isWriteback = (value & 1) !== 0;
    }
  }

  onQueue(index: number): void {
    const queue = this.#transport.queues[index];
    while (queue !== undefined && this.#underWay < this.#backend.info.queueDepthMax) {
      const chain = queue.take();
      if (chain === undefined) return;
      if (chain === 'broken') {
        this.#transport.fail();
        return;
      }
      this.#start(index, chain);
    }
  }

  onReset(): void {
    this.#epoch++;
    this.#backend.dropWaiting();
    this.#underWay = 0;
    this.#isWriteback = this.#backend.info.hasWriteCache;
  }

  reset(): void {
    this.#transport.reset();
  }

  save(): State {
    return { transport: this.#transport.save(), isWriteback: this.#isWriteback };
  }

  restore(state: State): void {
    this.onReset();
    this.#isWriteback = state.isWriteback;
    this.#transport.restore(state.transport);
    for (const [index, queue] of this.#transport.queues.entries()) {
      for (const chain of queue.resumed()) this.#start(index, chain);
    }
  }

  #start(queue: number, chain: Chain): void {
    const room = totalLength(chain.writable);
    const header = gather(this.#memory, chain.readable, HEADER_BYTES);
    // Without a header, or a byte for the status, there is no request.
    if (header.length < HEADER_BYTES || room === 0) {
      this.#transport.fail();
      return;
    }
    const epoch = this.#epoch;
    this.#underWay++;
    const end = (status: number, written = 0): void => {
      if (epoch !== this.#epoch) return;
      const wasFull = this.#underWay >= this.#backend.info.queueDepthMax;
      this.#underWay--;
      const last = slice(chain.writable, room - 1, 1);
      scatter(this.#memory, last, Uint8Array.of(status));
      this.#transport.give(queue, chain.head, written + 1);
      if (!wasFull) return;
      for (const index of this.#transport.queues.keys()) this.onQueue(index);
    };
    this.#perform(chain, header, end);
  }

  #perform(
    chain: Chain,
    header: Uint8Array,
    end: (status: number, written?: number) => void,
  ): void {
    const view = new DataView(header.buffer, header.byteOffset);
    const sector = view.getUint32(12, true) * 2 ** 32 + view.getUint32(8, true);
    const target = slice(chain.writable, 0, totalLength(chain.writable) - 1);
    const source = slice(chain.readable, HEADER_BYTES);
    switch (view.getUint32(0, true)) {
      case REQUEST.IN:
        this.#transfer('read', sector, target, end);
        break;
      case REQUEST.OUT:
        this.#transfer('write', sector, source, end);
        break;
      case REQUEST.FLUSH:
        this.#submit([{ kind: 'flush' }], end);
        break;
      case REQUEST.GET_ID: {
        const id = Uint8Array.from({ length: ID_BYTES }, (_, i) => this.#serial.charCodeAt(i));
        end(STATUS.OK, scatter(this.#memory, target, id));
        break;
      }
      case REQUEST.DISCARD:
      case REQUEST.WRITE_ZEROES:
        this.#workOnRanges(view.getUint32(0, true), source, end);
        break;
      default:
        end(STATUS.UNSUPPORTED);
    }
  }

  #transfer(
    kind: 'read' | 'write',
    sector: number,
    ranges: readonly MemoryRange[],
    end: (status: number, written?: number) => void,
  ): void {
    const { sizeBytes, isReadOnly } = this.#backend.info;
    const offsetBytes = sector * SECTOR_BYTES;
    const lengthBytes = totalLength(ranges);
    const isAllowed =
      lengthBytes % SECTOR_BYTES === 0 &&
      lengthBytes <= TRANSFER_BYTES_MAX &&
      ranges.length <= BLOCK_SEGMENTS_MAX &&
      offsetBytes + lengthBytes <= sizeBytes &&
      !(kind === 'write' && isReadOnly);
    if (!isAllowed) {
      end(STATUS.IO_ERROR);
      return;
    }
    if (lengthBytes === 0) {
      end(STATUS.OK);
      return;
    }
    const onDone = (status: BlockStatus): void => {
      if (status !== 'ok') end(STATUS.IO_ERROR);
      else if (kind === 'read') end(STATUS.OK, lengthBytes);
      else if (this.#isWriteThrough) this.#submit([{ kind: 'flush' }], end);
      else end(STATUS.OK);
    };
    const { memory, backend } = { memory: this.#memory, backend: this.#backend };
    const isStarted = transferSectors({ backend, memory, kind, offsetBytes, ranges, onDone });
    if (!isStarted) end(STATUS.IO_ERROR);
  }

  /** Without a flush command, or with the cache turned off, writes end on the medium. */
  get #isWriteThrough(): boolean {
    const hasCache = this.#backend.info.hasWriteCache;
    const canFlush = this.#transport.hasFeature(FEATURE.FLUSH);
    return hasCache && (!canFlush || !this.#isWriteback);
  }

  /** DISCARD and WRITE ZEROES: a list of ranges. */
  #workOnRanges(type: number, source: readonly MemoryRange[], end: (status: number) => void): void {
    const { sizeBytes, isReadOnly, canDiscard } = this.#backend.info;
    const isZeroes = type === REQUEST.WRITE_ZEROES;
    const length = totalLength(source);
    if (!isZeroes && !canDiscard) {
      end(STATUS.UNSUPPORTED);
      return;
    }
    if (length === 0 || length % RANGE_BYTES !== 0 || length > RANGES_MAX * RANGE_BYTES) {
      end(STATUS.UNSUPPORTED);
      return;
    }
    const list = gather(this.#memory, source, length);
    const view = new DataView(list.buffer);
    const requests: BlockRequest[] = [];
    for (let at = 0; at < length; at += RANGE_BYTES) {
      const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      const sectors = view.getUint32(at + 8, true);
      const flags = view.getUint32(at + 12, true);
      const range = { offsetBytes: sector * SECTOR_BYTES, lengthBytes: sectors * SECTOR_BYTES };
      const isKnown = (flags & ~RANGE_UNMAP) === 0 && (isZeroes || flags === 0);
      if (!isKnown || sectors > RANGE_SECTORS_MAX) {
        end(STATUS.UNSUPPORTED);
        return;
      }
      if (isReadOnly || range.offsetBytes + range.lengthBytes > sizeBytes) {
        end(STATUS.IO_ERROR);
        return;
      }
      if (sectors === 0) continue;
      const mayDiscard = (flags & RANGE_UNMAP) !== 0;
      if (isZeroes) requests.push({ kind: 'write-zeroes', ...range, mayDiscard });
      else requests.push({ kind: 'discard', ...range });
    }
    this.#submit(requests, end);
  }

  /** Requests one after the other, until one fails. */
  #submit(requests: readonly BlockRequest[], end: (status: number) => void): void {
    const [first, ...rest] = requests;
    if (first === undefined) {
      end(STATUS.OK);
      return;
    }
    this.#backend.submit(first, (status) => {
      if (status === 'ok') this.#submit(rest, end);
      else end(STATUS.IO_ERROR);
    });
  }
}

function featureWord(info: BlockBackend['info'], queueCount: number): number {
  const bits: number[] = [
    FEATURE.SEGMENTS_MAX,
    FEATURE.BLOCK_SIZE,
    FEATURE.FLUSH,
    FEATURE.CONFIG_WCE,
    FEATURE.WRITE_ZEROES,
  ];
  if (info.isReadOnly) bits.push(FEATURE.READ_ONLY);
  if (info.canDiscard) bits.push(FEATURE.DISCARD);
  if (queueCount > 1) bits.push(FEATURE.MULTI_QUEUE);
  return bits.reduce((word, bit) => word | (1 << bit), 0);
}
