import type { BlockInfo } from '@umbra/core';

/** Where drives are connected, and how many of each there may be. */
export const DRIVE_PLACES = { ide: 4, virtio: 8, 'virtio-scsi': 16, floppy: 2 } as const;
export type DriveBus = keyof typeof DRIVE_PLACES;
export type DriveMedia = 'disk' | 'cdrom' | 'floppy';

/** A drive of a machine; its place in the machine's list is its number. */
export interface DriveSpec {
  readonly bus: DriveBus;
  /** Which of the places of its bus. */
  readonly place: number;
  readonly media: DriveMedia;
  /** What is in it at power-on; undefined when it is empty. */
  readonly medium: BlockInfo | undefined;
}

/** PCI slots: of the virtio host adapter, and of the first virtio disk with the others behind. */
export const VIRTIO_SCSI_SLOT = 15;
const VIRTIO_SLOT = 16;

/** The most requests that one drive has under way. */
export const QUEUE_DEPTH_MAX = 64;

/** Slots of the queue that all controllers share: requests, and one eject for each drive. */
export function slotCount(drives: readonly DriveSpec[]): number {
  return drives.length * (QUEUE_DEPTH_MAX + 1);
}

/** A name that the guest sees as the drive's serial number. */
export function driveSerial({ bus, place }: DriveSpec): string {
  return `UMBRA-${bus.toUpperCase()}-${place}`;
}

/**
 * Where firmware finds a drive, in the names of its boot order file.
 * [SEABIOS] "docs/Runtime_config"
 */
export function firmwarePath({ bus, place }: DriveSpec): string {
  switch (bus) {
    case 'ide':
      return `/pci@i0cf8/ide@1,1/drive@${place >> 1}/disk@${place & 1}`;
    case 'virtio':
      return `/pci@i0cf8/scsi@${virtioSlot(place).toString(16)}/disk@0,0`;
    case 'virtio-scsi':
      return `/pci@i0cf8/scsi@${VIRTIO_SCSI_SLOT.toString(16)}/channel@0/disk@${place.toString(16)},0`;
    case 'floppy':
      return `/pci@i0cf8/isa@1/fdc@03f0/floppy@${place}`;
  }
}

/** The PCI slot of a virtio disk. */
export function virtioSlot(place: number): number {
  return VIRTIO_SLOT + place;
}
