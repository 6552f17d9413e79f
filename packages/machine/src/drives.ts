// The disk controllers of a machine and the drives behind them.

import type { BlockBackend, Device, GuestMemory, IrqLine } from '@umbra/core';
import { type IdeDriveOptions, type PciBus, Piix3Ide, ScsiCdrom } from '@umbra/devices';
import type { PortBus } from './bus/port-bus.ts';
import { DRIVE_PLACES, type DriveSpec, driveSerial } from './drive-spec.ts';

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
  readonly ideIrqs: readonly [IrqLine, IrqLine];
}

/** All controllers, and the drives of removable media by drive number. */
export function buildDrives(options: DrivesOptions): {
  readonly controllers: readonly Device[];
  readonly removable: ReadonlyMap<number, RemovableDrive>;
} {
  const { pci, pio, memory } = options;
  const removable = new Map<number, RemovableDrive>();
  const cdrom = (number: number, { medium, onEject }: BoardDrive): ScsiCdrom => {
    const unit = new ScsiCdrom({ medium, onEject });
    removable.set(number, unit);
    return unit;
  };
  const ide: (IdeDriveOptions | undefined)[] = new Array(DRIVE_PLACES.ide).fill(undefined);
  for (const [number, drive] of options.drives.entries()) {
    const { spec, medium } = drive;
    const serial = driveSerial(spec);
    if (spec.media === 'cdrom') {
      ide[spec.place] = { kind: 'cdrom', unit: cdrom(number, drive), serial };
    } else if (medium !== undefined) {
      ide[spec.place] = { kind: 'disk', backend: medium, serial };
    }
  }
  const irqs = options.ideIrqs;
  const controller = new Piix3Ide({ name: 'ide', pci, pio, memory, irqs, drives: ide });
  return { controllers: [controller], removable };
}
