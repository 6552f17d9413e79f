import {
  type DiskEvents,
  type DriveSpec,
  type HostDisk,
  type Machine,
  openHostDisk,
} from '@umbra/machine';
import type { DrivePlan } from './drive-options.ts';

/** A drive whose image is open. */
interface OpenDrive {
  readonly spec: DriveSpec;
  readonly disk: HostDisk;
}

/** Opens the images of all drives, or none; throws StorageError. */
export async function openDrives(
  plans: readonly DrivePlan[],
  events: DiskEvents,
): Promise<OpenDrive[]> {
  const opened: OpenDrive[] = [];
  try {
    for (const { spec, source } of plans) {
      const disk = await openHostDisk(source, events);
      opened.push({ spec: { ...spec, medium: disk.backend.info }, disk });
    }
    return opened;
  } catch (error) {
    for (const { disk } of opened) await disk.close();
    throw error;
  }
}

/**
 * Presses the buttons of all drives of removable media that hold one, and puts the media of the
 * others in again. What cannot be opened is told, and the drive stays empty. Never rejects.
 */
export async function swapMedia(
  machine: Machine,
  plans: readonly DrivePlan[],
  events: DiskEvents,
): Promise<void> {
  for (const [number, { spec, source }] of plans.entries()) {
    if (spec.media === 'disk') continue;
    if (machine.hasMedium(number)) {
      machine.eject(number, false);
      continue;
    }
    try {
      machine.insert(number, await openHostDisk(source, events));
    } catch (error) {
      process.stderr.write(`umbra: ${(error as Error).message}\r\n`);
    }
  }
}
