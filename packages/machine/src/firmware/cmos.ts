// What firmware reads of a machine in the battery-backed memory of its clock.
// [SEABIOS] src/hw/rtc.h

import { MiB } from '@umbra/base';
import type { DriveSpec } from '../drive-spec.ts';
import { PLATFORM } from './platform.ts';

const INDEX = {
  FLOPPY_TYPES: 0x10,
  EQUIPMENT: 0x14,
  BASE_MEMORY: 0x15,
  EXTENDED_MEMORY: 0x17,
  EXTENDED_MEMORY_COPY: 0x30,
  HIGH_MEMORY: 0x34,
  DISK_TRANSLATION: 0x39,
  PROCESSORS: 0x5f,
} as const;
const EQUIPMENT = { FLOPPY: 1 << 0, SECOND_FLOPPY: 1 << 6 } as const;
const BASE_MEMORY_KIB = 640;
/** Kinds of floppy drives: 3.5 inches, of 1.44 MB and of 2.88 MB; 5.25 inches of 1.2 MB. */
const FLOPPY = { MB_1_2: 2, MB_1_44: 4, MB_2_88: 5 } as const;
const TRACKS_BYTES = { MB_1_2: 1_228_800, MB_1_44: 1_474_560 } as const;
/** How firmware shows a disk's cylinders: as they are, or as many heads as blocks need. */
const TRANSLATION = { NONE: 0, LBA: 1 } as const;
/** 1024 cylinders of 16 heads and 63 sectors. */
const UNTRANSLATED_BYTES = 1024 * 16 * 63 * 512;

/** Sets all that, byte by byte. */
export function fillCmos(
  set: (index: number, value: number) => void,
  board: { readonly ramBytes: number; readonly drives: readonly DriveSpec[] },
): void {
  const word = (index: number, value: number): void => {
    set(index, value & 0xff);
    set(index + 1, (value >>> 8) & 0xff);
  };
  const low = Math.min(board.ramBytes, PLATFORM.PCI_MEMORY_BASE);
  const extendedKib = Math.min(0xffff, (low - PLATFORM.HIGH_BASE) / 1024);
  word(INDEX.BASE_MEMORY, BASE_MEMORY_KIB);
  word(INDEX.EXTENDED_MEMORY, extendedKib);
  word(INDEX.EXTENDED_MEMORY_COPY, extendedKib);
  word(INDEX.HIGH_MEMORY, Math.max(0, low - 16 * MiB) / 0x1_0000);
  set(INDEX.PROCESSORS, 0);
  fillDrives(set, board.drives);
}

function fillDrives(
  set: (index: number, value: number) => void,
  drives: readonly DriveSpec[],
): void {
  const at = (bus: DriveSpec['bus'], place: number): DriveSpec | undefined =>
    drives.find((drive) => drive.bus === bus && drive.place === place);
  const [first, second] = [floppyType(at('floppy', 0)), floppyType(at('floppy', 1))];
  set(INDEX.FLOPPY_TYPES, (first << 4) | second);
  set(
    INDEX.EQUIPMENT,
    (first === 0 ? 0 : EQUIPMENT.FLOPPY) | (second === 0 ? 0 : EQUIPMENT.SECOND_FLOPPY),
  );
  const translations = [0, 1, 2, 3].map((place) => translation(at('ide', place)) << (2 * place));
  set(
    INDEX.DISK_TRANSLATION,
    translations.reduce((all, one) => all | one, 0),
  );
}

/** The drive that its first diskette fits into; 0 when there is none. */
function floppyType(drive: DriveSpec | undefined): number {
  if (drive === undefined) return 0;
  const sizeBytes = drive.medium?.sizeBytes ?? 0;
  if (sizeBytes === TRACKS_BYTES.MB_1_2) return FLOPPY.MB_1_2;
  return sizeBytes > TRACKS_BYTES.MB_1_44 ? FLOPPY.MB_2_88 : FLOPPY.MB_1_44;
}

function translation(drive: DriveSpec | undefined): number {
  const sizeBytes = drive?.medium?.sizeBytes ?? 0;
  return sizeBytes > UNTRANSLATED_BYTES ? TRANSLATION.LBA : TRANSLATION.NONE;
}
