export { CRYSTAL_HZ, TSC_HZ } from './cpuid.ts';
export { parseCpuModel } from './features.ts';
export { LocalApic, type LocalApicOptions } from './local-apic.ts';
export { PhysicalMemory, RAM_LIMIT } from './physical-memory.ts';
export {
  createMemory,
  type Engine,
  type MmuMode,
  Processor,
  type ProcessorHost,
  type ProcessorOptions,
  RAM_BYTES_MAX,
  type RunExit,
} from './processor.ts';
export { PENDING } from './state-layout.ts';
