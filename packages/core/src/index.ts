export type { ApicBus, ApicMessage } from './apic-bus.ts';
export { DELIVERY_MODE } from './apic-bus.ts';
export type { CharBackend, Frame, FrameSink } from './backends.ts';
export type {
  BlockBackend,
  BlockInfo,
  BlockRequest,
  BlockSegment,
  BlockStatus,
} from './block-backend.ts';
export { BLOCK_SEGMENTS_MAX, SECTOR_BYTES } from './block-backend.ts';
export type { Device, StateSchema } from './device.ts';
export type { GuestMemory } from './guest-memory.ts';
export type { IrqLine } from './irq-line.ts';
export type { MmioBus, MmioHandlers } from './mmio-bus.ts';
export type { PioBus, PioHandlers } from './pio-bus.ts';
