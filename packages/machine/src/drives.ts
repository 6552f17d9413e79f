// The disk controllers of a machine and the drives behind them.

import type { BlockBackend, Device, GuestMemory, IrqLine } from '@umbra/core';
import {
  FloppyDrive,
  type I8237Pair,
  I82078Fdc,
  type IdeDriveOptions,
  type PciBus,
  Piix3Ide,
  ScsiCdrom,
  ScsiDisk,
  VirtioBlk,
  VirtioScsi,
} from '@umbra/devices';
import type { PortBus } from './bus/port-bus.ts';
import {
  DRIVE_PLACES,
  type DriveSpec,
  driveSerial,
  VIRTIO_SCSI_SLOT,
  virtioSlot,
} from './drive-spec.ts';

/** A drive with what is in it, as the machine's controllers need it. */
export interface BoardDrive {
  readonly spec: DriveSpec;
  readonly medium: BlockBackend | undefined;
  /** The guest has taken the medium out. */
  readonly onEject: () => void;
}

/** A drive whose medium can be changed while the machine runs. */
export interface RemovableDrive {
  insert(medium: BlockBackend): void;
  /** False when the guest has locked the drive; it has been told of the wish. */
  pressEject(): boolean;
  remove(): void;
}

export interface DrivesOptions {
  readonly drives: readonly BoardDrive[];
  readonly pci: PciBus;
  readonly pio: PortBus;
  readonly memory: GuestMemory;
  readonly dma: I8237Pair;
  readonly ideIrqs: readonly [IrqLine, IrqLine];
  readonly floppyIrq: IrqLine;
}

/** All controllers, and the drives of removable media by drive number. */
export function buildDrives(options: DrivesOptions): {
  readonly controllers: readonly Device[];
  readonly removable: ReadonlyMap<number, RemovableDrive>;
} {
  const { pci, pio, memory, dma } = options;
  const removable = new Map<number, RemovableDrive>();
  const ide: (IdeDriveOptions | undefined)[] = new Array(DRIVE_PLACES.ide).fill(undefined);
  const virtio: VirtioBlk[] = [];
  const units = new Map<number, ScsiDisk | ScsiCdrom>();
  const floppies: (FloppyDrive | undefined)[] = new Array(DRIVE_PLACES.floppy).fill(undefined);
  for (const [number, { spec, medium, onEject }] of options.drives.entries()) {
    const serial = driveSerial(spec);
    if (spec.bus === 'floppy') {
      const drive = new FloppyDrive({ medium, onEject });
      floppies[spec.place] = drive;
      removable.set(number, drive);
    } else if (spec.media === 'cdrom') {
      const unit = new ScsiCdrom({ medium, onEject });
      if (spec.bus === 'ide') ide[spec.place] = { kind: 'cdrom', unit, serial };
      else units.set(spec.place, unit);
      removable.set(number, unit);
    } else if (medium !== undefined && spec.bus === 'virtio') {
      const name = `virtio-disk${spec.place}`;
      const slot = virtioSlot(spec.place);
      virtio.push(new VirtioBlk({ name, slot, pci, memory, backend: medium, serial }));
    } else if (medium !== undefined && spec.bus === 'virtio-scsi') {
      units.set(spec.place, new ScsiDisk({ backend: medium, serial }));
    } else if (medium !== undefined) {
      ide[spec.place] = { kind: 'disk', backend: medium, serial };
    }
  }
  const irqs = options.ideIrqs;
  const controllers: Device[] = [
    new Piix3Ide({ name: 'ide', pci, pio, memory, irqs, drives: ide }),
    ...virtio,
  ];
  if (units.size > 0) {
    const slot = VIRTIO_SCSI_SLOT;
    controllers.push(new VirtioScsi({ name: 'virtio-scsi', slot, pci, memory, units }));
  }
  if (floppies.some((drive) => drive !== undefined)) {
    const irq = options.floppyIrq;
    controllers.push(new I82078Fdc({ name: 'floppy', pio, memory, irq, dma, drives: floppies }));
  }
  return { controllers, removable };
}
