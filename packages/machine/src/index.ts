export { type BootPlan, parseBios } from './boot/boot-plan.ts';
export { parseBzImage } from './boot/bzimage.ts';
export { type MultibootModule, parseMultiboot } from './boot/multiboot.ts';
export { SERIAL_PORTS_MAX } from './chipset.ts';
export {
  DRIVE_PLACES,
  type DriveBus,
  type DriveMedia,
  type DriveSpec,
} from './drive-spec.ts';
export { cacheFolder } from './host/cache-folder.ts';
export { type DiskEvents, type DiskSource, type HostDisk, openHostDisk } from './host/host-disk.ts';
export { fileLine, type HostLine, socketLine, streamLine } from './host/host-line.ts';
export { Machine } from './machine.ts';
export {
  checkCpuModel,
  checkRamBytes,
  ENGINES,
  type MachineSpec,
  MMU_MODES,
} from './machine-spec.ts';
export type { PcEnd } from './pc.ts';
