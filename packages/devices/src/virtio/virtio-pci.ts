import type { u32 } from '@umbra/base';
import type { GuestMemory, MmioHandlers } from '@umbra/core';
import * as z from 'zod';
import type { PciBus } from '../pci-bus.ts';
import { type PciFunction, PciFunctionState } from '../pci-function.ts';
import { byte, dword, word } from '../state.ts';
import { QUEUE_SIZE_MAX, Virtqueue, VirtqueueState } from './virtqueue.ts';

const VENDOR = 0x1af4;
const FIRST_DEVICE_ID = 0x1040;
/** Where the four structures lie in the one memory window. [VIRTIO] §4.1.4 */
const AREA = {
  COMMON: 0x0000,
  ISR: 0x1000,
  DEVICE: 0x2000,
  NOTIFY: 0x3000,
  BYTES: 0x1000,
} as const;
const BAR = 4;
const BAR_BYTES = 0x4000;
const NOTIFY_STRIDE = 4;
/** Common configuration. [VIRTIO] §4.1.4.3 */
const COMMON = {
  DEVICE_FEATURE_SELECT: 0x00,
  DEVICE_FEATURE: 0x04,
  DRIVER_FEATURE_SELECT: 0x08,
  DRIVER_FEATURE: 0x0c,
  MSIX_VECTOR: 0x10,
  QUEUE_COUNT: 0x12,
  STATUS: 0x14,
  GENERATION: 0x15,
  QUEUE_SELECT: 0x16,
  QUEUE_SIZE: 0x18,
  QUEUE_MSIX_VECTOR: 0x1a,
  QUEUE_ENABLE: 0x1c,
  QUEUE_NOTIFY_OFFSET: 0x1e,
  QUEUE_DESCRIPTORS: 0x20,
  QUEUE_AVAILABLE: 0x28,
  QUEUE_USED: 0x30,
  END: 0x38,
} as const;
const NO_VECTOR = 0xffff;
const STATUS = { DRIVER_OK: 1 << 2, FEATURES_OK: 1 << 3, NEEDS_RESET: 1 << 6 } as const;
const ISR = { QUEUE: 1 << 0, CONFIG: 1 << 1 } as const;
/** Bits of the feature words, above those of the kind of device. [VIRTIO] ch. 6 */
const FEATURE = { INDIRECT: 1 << 28, EVENT_INDEX: 1 << 29 } as const;
const FEATURE_VERSION_1 = 1 << 0;
/** Capabilities of PCI. [VIRTIO] §4.1.4 */
const CAPABILITY = { VENDOR: 0x09, COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;
const CONFIG = { STATUS: 0x06, CAPABILITIES: 0x34, FIRST_CAPABILITY: 0x40 } as const;
const STATUS_CAPABILITIES = 1 << 4;
const PLAIN_BYTES = 16;
const LONG_BYTES = 20;

export const VirtioPciState = z.strictObject({
  pci: PciFunctionState,
  deviceFeatureSelect: dword,
  driverFeatureSelect: dword,
  driverFeatures: z.array(dword).length(2),
  status: byte,
  generation: byte,
  queueSelect: word,
  isr: byte,
  queues: z.array(VirtqueueState).max(16),
});
export type VirtioPciState = z.infer<typeof VirtioPciState>;

/** The kind of device behind a transport. */
export interface VirtioKind {
  /** Type of device. [VIRTIO] ch. 5 */
  readonly type: number;
  /** PCI class, 24 bits. */
  readonly classCode: number;
  /** Features of the kind, bits 0 to 27. */
  readonly features: number;
  readonly queueCount: number;
  /** The device configuration as the driver reads it now. */
  config(): Uint8Array;
  /** The driver writes a byte of the device configuration. */
  writeConfig(offset: number, value: number): void;
  /** There may be chains in a queue. */
  onQueue(index: number): void;
  /** The driver has reset the device: what is under way is forgotten. */
  onReset(): void;
}

/** A virtio device on the PCI bus, without the ways of its drafts. [VIRTIO] §4.1 */
export class VirtioPci {
  readonly queues: readonly Virtqueue[];
  readonly #kind: VirtioKind;
  readonly #pci: PciFunction;
  #deviceFeatureSelect = 0;
  #driverFeatureSelect = 0;
  #driverFeatures = [0, 0];
  #status = 0;
  #generation = 0;
  #queueSelect = 0;
  #isr = 0;

  constructor(options: {
    name: string;
    slot: number;
    pci: PciBus;
    memory: GuestMemory;
    kind: VirtioKind;
  }) {
    const { name, slot, kind } = options;
    this.#kind = kind;
    this.queues = Array.from({ length: kind.queueCount }, () => new Virtqueue(options.memory));
    const deviceId = FIRST_DEVICE_ID + kind.type;
    const capabilities = buildCapabilities();
    this.#pci = options.pci.addFunction({
      name,
      slot,
      identity: {
        vendorId: VENDOR,
        deviceId,
        classCode: kind.classCode,
        revisionId: 1,
        subsystemVendorId: VENDOR,
        subsystemId: deviceId,
        interruptPin: 1,
      },
      bars: { [BAR]: { kind: 'registers', sizeBytes: BAR_BYTES, handlers: this.#registers() } },
      initial: [
        { offset: CONFIG.STATUS, bytes: [STATUS_CAPABILITIES] },
        { offset: CONFIG.CAPABILITIES, bytes: [CONFIG.FIRST_CAPABILITY] },
        { offset: CONFIG.FIRST_CAPABILITY, bytes: capabilities },
      ],
      // The window into the BAR for those who cannot reach memory there.
      writable: [
        { offset: WINDOW.BAR, masks: [0xff] },
        { offset: WINDOW.OFFSET, masks: Array.from({ length: 12 }, () => 0xff) },
      ],
      onConfigRead: (offset, size) => this.#window(offset, size, 'read'),
      onConfigWrite: (offset, size) => this.#window(offset, size, 'write'),
    });
  }

  /** Whether the driver is at work with the device. */
  get isRunning(): boolean {
    return (this.#status & STATUS.DRIVER_OK) !== 0 && (this.#status & STATUS.NEEDS_RESET) === 0;
  }

  /** Whether the driver took a feature of the kind of device. */
  hasFeature(bit: number): boolean {
    return ((this.#driverFeatures[0] ?? 0) & (1 << bit)) !== 0;
  }

  /** Gives a chain back to the driver. */
  give(queue: number, head: number, written: number): void {
    if (this.queues[queue]?.give(head, written) === true) this.#interrupt(ISR.QUEUE);
  }

  /** The driver has left the rules: nothing goes on before it resets the device. */
  fail(): void {
    if ((this.#status & STATUS.NEEDS_RESET) !== 0) return;
    this.#status |= STATUS.NEEDS_RESET;
    this.#interrupt(ISR.CONFIG);
  }

  /** The device configuration has changed by itself. */
  noteConfigChange(): void {
    this.#generation = (this.#generation + 1) & 0xff;
    if (this.isRunning) this.#interrupt(ISR.CONFIG);
  }

  reset(): void {
    this.#pci.reset();
    this.#resetDevice();
    this.#deviceFeatureSelect = 0;
    this.#driverFeatureSelect = 0;
    this.#queueSelect = 0;
    this.#generation = 0;
  }

  save(): VirtioPciState {
    return {
      pci: this.#pci.save(),
      deviceFeatureSelect: this.#deviceFeatureSelect,
      driverFeatureSelect: this.#driverFeatureSelect,
      driverFeatures: [...this.#driverFeatures],
      status: this.#status,
      generation: this.#generation,
      queueSelect: this.#queueSelect,
      isr: this.#isr,
      queues: this.queues.map((queue) => queue.save()),
    };
  }

  restore(state: VirtioPciState): void {
    this.#pci.restore(state.pci);
    this.#deviceFeatureSelect = state.deviceFeatureSelect;
    this.#driverFeatureSelect = state.driverFeatureSelect;
    this.#driverFeatures = [...state.driverFeatures];
    this.#status = state.status;
    this.#generation = state.generation;
    this.#queueSelect = state.queueSelect;
    this.#isr = state.isr;
    for (const [index, queue] of this.queues.entries()) {
      const saved = state.queues[index];
      if (saved !== undefined) queue.restore(saved);
    }
    this.#applyRingFeatures();
  }

  #interrupt(reason: number): void {
    this.#isr |= reason;
    this.#pci.setInterrupt(true);
  }

  #resetDevice(): void {
    this.#status = 0;
    this.#driverFeatures = [0, 0];
    this.#isr = 0;
    this.#pci.setInterrupt(false);
    for (const queue of this.queues) queue.reset();
    this.#applyRingFeatures();
    this.#kind.onReset();
  }

  #applyRingFeatures(): void {
    const low = this.#driverFeatures[0] ?? 0;
    const features = {
      hasIndirect: (low & FEATURE.INDIRECT) !== 0,
      hasEventIndex: (low & FEATURE.EVENT_INDEX) !== 0,
    };
    for (const queue of this.queues) queue.features = features;
  }

  #registers(): MmioHandlers {
    return {
      read: (offset, size) => this.#read(offset, size),
      write: (offset, size, value) => this.#write(offset, size, value),
    };
  }

  #read(offset: number, size: number): u32 {
    if (offset >= AREA.NOTIFY) return 0;
    if (offset >= AREA.DEVICE) return littleEndian(this.#kind.config(), offset - AREA.DEVICE, size);
    if (offset === AREA.ISR) {
      const isr = this.#isr;
      this.#isr = 0;
      this.#pci.setInterrupt(false);
      return isr;
    }
    return offset < COMMON.END ? this.#readCommon(offset, size) : 0;
  }

  #write(offset: number, size: number, value: u32): void {
    if (offset >= AREA.NOTIFY) {
      const index = Math.floor((offset - AREA.NOTIFY) / NOTIFY_STRIDE);
      if (index < this.queues.length && this.isRunning) this.#kind.onQueue(index);
    } else if (offset >= AREA.DEVICE) {
      for (let i = 0; i < size; i++) {
        this.#kind.writeConfig(offset - AREA.DEVICE + i, (value >>> (8 * i)) & 0xff);
      }
    } else if (offset < COMMON.END) {
      this.#writeCommon(offset, size, value);
    }
  }

  #readCommon(offset: number, size: number): u32 {
    const bytes = new Uint8Array(COMMON.END);
    const view = new DataView(bytes.buffer);
    const queue = this.queues[this.#queueSelect];
    view.setUint32(COMMON.DEVICE_FEATURE_SELECT, this.#deviceFeatureSelect, true);
    view.setUint32(COMMON.DEVICE_FEATURE, this.#deviceFeatures(this.#deviceFeatureSelect), true);
    view.setUint32(COMMON.DRIVER_FEATURE_SELECT, this.#driverFeatureSelect, true);
    view.setUint32(
      COMMON.DRIVER_FEATURE,
      this.#driverFeatures[this.#driverFeatureSelect] ?? 0,
      true,
    );
    view.setUint16(COMMON.MSIX_VECTOR, NO_VECTOR, true);
    view.setUint16(COMMON.QUEUE_COUNT, this.queues.length, true);
    view.setUint8(COMMON.STATUS, this.#status);
    view.setUint8(COMMON.GENERATION, this.#generation);
    view.setUint16(COMMON.QUEUE_SELECT, this.#queueSelect, true);
    view.setUint16(COMMON.QUEUE_MSIX_VECTOR, NO_VECTOR, true);
    if (queue !== undefined) {
      const { setup } = queue;
      view.setUint16(COMMON.QUEUE_SIZE, setup.size, true);
      view.setUint16(COMMON.QUEUE_ENABLE, setup.isEnabled ? 1 : 0, true);
      view.setUint16(COMMON.QUEUE_NOTIFY_OFFSET, this.#queueSelect, true);
      setUint64(view, COMMON.QUEUE_DESCRIPTORS, setup.descriptors);
      setUint64(view, COMMON.QUEUE_AVAILABLE, setup.available);
      setUint64(view, COMMON.QUEUE_USED, setup.used);
    }
    return littleEndian(bytes, offset, size);
  }

  #deviceFeatures(select: number): number {
    if (select === 0) return (this.#kind.features | FEATURE.INDIRECT | FEATURE.EVENT_INDEX) >>> 0;
    return select === 1 ? FEATURE_VERSION_1 : 0;
  }

  #writeCommon(offset: number, size: number, value: u32): void {
    switch (offset) {
      case COMMON.DEVICE_FEATURE_SELECT:
        this.#deviceFeatureSelect = value;
        break;
      case COMMON.DRIVER_FEATURE_SELECT:
        this.#driverFeatureSelect = value;
        break;
      case COMMON.DRIVER_FEATURE:
        this.#writeFeatures(value);
        break;
      case COMMON.STATUS:
        this.#writeStatus(value & 0xff);
        break;
      case COMMON.QUEUE_SELECT:
        this.#queueSelect = value & 0xffff;
        break;
      default:
        this.#writeQueue(offset, size, value);
    }
  }

  /** Features may change until FEATURES_OK. */
  #writeFeatures(value: u32): void {
    const select = this.#driverFeatureSelect;
    if ((this.#status & STATUS.FEATURES_OK) !== 0 || select > 1) return;
    this.#driverFeatures[select] = value;
  }

  #writeStatus(value: number): void {
    if (value === 0) {
      this.#resetDevice();
      return;
    }
    const accepted = [0, 1].every(
      (select) => ((this.#driverFeatures[select] ?? 0) & ~this.#deviceFeatures(select)) === 0,
    );
    const isModern = ((this.#driverFeatures[1] ?? 0) & FEATURE_VERSION_1) !== 0;
    const refused = accepted && isModern ? 0 : STATUS.FEATURES_OK;
    const wasRunning = this.isRunning;
    this.#status = (value & ~refused & ~STATUS.NEEDS_RESET) | (this.#status & STATUS.NEEDS_RESET);
    this.#applyRingFeatures();
    // A driver may have filled its queues before it says that it is ready.
    if (wasRunning || !this.isRunning) return;
    for (const index of this.queues.keys()) this.#kind.onQueue(index);
  }

  #writeQueue(offset: number, size: number, value: u32): void {
    const queue = this.queues[this.#queueSelect];
    if (queue === undefined || queue.setup.isEnabled) return;
    const { setup } = queue;
    if (offset === COMMON.QUEUE_SIZE) {
      const isPowerOfTwo = value > 0 && (value & (value - 1)) === 0;
      if (isPowerOfTwo && value <= QUEUE_SIZE_MAX) queue.configure({ size: value });
    } else if (offset === COMMON.QUEUE_ENABLE) {
      if (value === 1) queue.configure({ isEnabled: true });
    } else if (size === 4 && offset >= COMMON.QUEUE_DESCRIPTORS) {
      const name = (['descriptors', 'available', 'used'] as const)[
        (offset - COMMON.QUEUE_DESCRIPTORS) >> 3
      ];
      if (name === undefined) return;
      const high = Math.floor(setup[name] / 2 ** 32);
      const low = setup[name] % 2 ** 32;
      // No machine has memory beyond 2^52; doubles hold addresses below that exactly.
      const address =
        (offset & 4) === 0 ? high * 2 ** 32 + value : (value % 2 ** 20) * 2 ** 32 + low;
      queue.configure({ [name]: address });
    }
  }

  /** Accesses to the data of the PCI capability go to the place that it names. */
  #window(offset: number, size: number, direction: 'read' | 'write'): void {
    if (offset + size <= WINDOW.DATA || offset >= WINDOW.DATA + 4) return;
    const at = this.#pci.config32(WINDOW.OFFSET);
    const length = this.#pci.config32(WINDOW.LENGTH);
    const isInside = this.#pci.config8(WINDOW.BAR) === BAR && at + length <= BAR_BYTES;
    if (!isInside || ![1, 2, 4].includes(length) || at % length !== 0) return;
    if (direction === 'write') {
      this.#write(at, length, (this.#pci.config32(WINDOW.DATA) & maskOf(length)) >>> 0);
      return;
    }
    const value = this.#read(at, length);
    for (let i = 0; i < 4; i++) this.#pci.setConfig8(WINDOW.DATA + i, (value >>> (8 * i)) & 0xff);
  }
}

/** The five capabilities, each pointing to the next. */
function buildCapabilities(): number[] {
  const structures = [
    { type: CAPABILITY.COMMON, offset: AREA.COMMON, bytes: PLAIN_BYTES },
    { type: CAPABILITY.ISR, offset: AREA.ISR, bytes: PLAIN_BYTES },
    { type: CAPABILITY.DEVICE, offset: AREA.DEVICE, bytes: PLAIN_BYTES },
    { type: CAPABILITY.NOTIFY, offset: AREA.NOTIFY, bytes: LONG_BYTES },
    { type: CAPABILITY.PCI, offset: 0, bytes: LONG_BYTES },
  ];
  let at: number = CONFIG.FIRST_CAPABILITY;
  return structures.flatMap(({ type, offset, bytes }, index) => {
    at += bytes;
    const next = index === structures.length - 1 ? 0 : at;
    const isWindow = type === CAPABILITY.PCI;
    const capability = new Uint8Array(bytes);
    const view = new DataView(capability.buffer);
    capability.set([CAPABILITY.VENDOR, next, bytes, type, isWindow ? 0 : BAR]);
    view.setUint32(8, offset, true);
    view.setUint32(12, isWindow ? 0 : AREA.BYTES, true);
    if (type === CAPABILITY.NOTIFY) view.setUint32(16, NOTIFY_STRIDE, true);
    return [...capability];
  });
}

const WINDOW_CAPABILITY = CONFIG.FIRST_CAPABILITY + 3 * PLAIN_BYTES + LONG_BYTES;
/** Fields of the last capability. [VIRTIO] §4.1.4.9 */
const WINDOW = {
  BAR: WINDOW_CAPABILITY + 4,
  OFFSET: WINDOW_CAPABILITY + 8,
  LENGTH: WINDOW_CAPABILITY + 12,
  DATA: WINDOW_CAPABILITY + 16,
} as const;

function littleEndian(bytes: Uint8Array, offset: number, size: number): u32 {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[offset + i] ?? 0);
  return value;
}

function setUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 2 ** 32, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}

function maskOf(sizeBytes: number): number {
  return sizeBytes === 4 ? 0xffff_ffff : 2 ** (8 * sizeBytes) - 1;
}
