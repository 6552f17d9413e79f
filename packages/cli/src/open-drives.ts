import { type DiskEvents, type DriveSpec, type HostDisk, openHostDisk } from '@umbra/machine';
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
