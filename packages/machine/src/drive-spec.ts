import type { BlockInfo } from '@umbra/core';

/** Where drives are connected, and how many of each there may be. */
export const DRIVE_PLACES = { ide: 4 } as const;
export type DriveBus = keyof typeof DRIVE_PLACES;
export type DriveMedia = 'disk' | 'cdrom';

/** A drive of a machine; its place in the machine's list is its number. */
export interface DriveSpec {
  readonly bus: DriveBus;
  /** Which of the places of its bus. */
  readonly place: number;
  readonly media: DriveMedia;
  /** What is in it at power-on; undefined when it is empty. */
  readonly medium: BlockInfo | undefined;
}

/** Requests that the controller of a drive has under way at once, at most. */
function queueDepth({ medium }: DriveSpec): number {
  return medium?.queueDepthMax ?? 1;
}

/** Slots of the queue that controllers share: their requests, and one eject for each drive. */
export function slotCount(drives: readonly DriveSpec[]): number {
  return drives.reduce((sum, drive) => sum + queueDepth(drive) + 1, 1);
}

/** A name that the guest sees as the drive's serial number. */
export function driveSerial({ bus, place }: DriveSpec): string {
  return `UMBRA-${bus.toUpperCase()}-${place}`;
}

/**
 * Where firmware finds a drive, in the names of its boot order file.
 * [SEABIOS] "docs/Runtime_config"
 */
export function firmwarePath({ place }: DriveSpec): string {
  return `/pci@i0cf8/ide@1,1/drive@${place >> 1}/disk@${place & 1}`;
}
