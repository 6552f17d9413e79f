import {
  type DiskSource,
  DRIVE_PLACES,
  type DriveBus,
  type DriveMedia,
  type DriveSpec,
} from '@umbra/machine';
import { DISK_FORMATS, type DiskFormat } from '@umbra/storage';
import { usage } from './option-table.ts';
import type { RunOptions } from './options.ts';

/** A drive of a machine and the image that is put into it. */
export interface DrivePlan {
  readonly spec: Omit<DriveSpec, 'medium'>;
  readonly source: DiskSource;
}

/** Where hard disks can be. */
const BUSES: readonly DriveBus[] = ['ide', 'virtio'];
const MEDIA: readonly DriveMedia[] = ['disk', 'cdrom', 'floppy'];
const DEFAULT_BOOT_ORDER = 'disk,cdrom,floppy';
/** The IDE places that disks and CD drives take, best one first. */
const IDE_PLACES = { disk: [0, 1, 3, 2], cdrom: [2, 3, 1, 0] } as const;

/** The drives that the options ask for; throws UmbraError USAGE. */
export function planDrives(options: RunOptions): DrivePlan[] {
  const taken = new Set<string>();
  const take = (bus: DriveBus, media: DriveMedia): DrivePlan['spec'] => {
    const inOrder = [...Array(DRIVE_PLACES[bus]).keys()];
    const places = bus === 'ide' && media !== 'floppy' ? IDE_PLACES[media] : inOrder;
    const place = places.find((free) => !taken.has(`${bus}${free}`));
    if (place === undefined) {
      throw usage(`More drives than the ${DRIVE_PLACES[bus]} that bus ${bus} has room for`);
    }
    taken.add(`${bus}${place}`);
    return { bus, place, media };
  };
  const disks = (options.disk ?? []).map(parseDisk).map(({ bus, source }) => {
    return { spec: take(bus, 'disk'), source };
  });
  const cdroms = (options.cdrom ?? []).map((path) => {
    const source = { path, format: 'raw', isReadOnly: true } as const;
    return { spec: take('ide', 'cdrom'), source };
  });
  const floppies = (options.floppy ?? []).map((text) => {
    const path = text.replace(/,readonly$/, '');
    const source = { path, format: 'raw', isReadOnly: path !== text } as const;
    return { spec: take('floppy', 'floppy'), source };
  });
  return [...disks, ...cdroms, ...floppies];
}

/** The kinds of media of `--boot`, first one first; throws UmbraError USAGE. */
export function parseBootOrder(text: string = DEFAULT_BOOT_ORDER): DriveMedia[] {
  return text.split(',').map((name) => {
    const media = MEDIA.find((known) => known === name);
    if (media !== undefined) return media;
    throw usage(`Option --boot names "${name}", expected some of ${MEDIA.join(', ')}`);
  });
}

/** `FILE[,bus=NAME][,format=NAME][,readonly]`; commas elsewhere belong to the file's name. */
function parseDisk(text: string): { bus: DriveBus; source: DiskSource } {
  const parts = text.split(',');
  let bus: DriveBus = 'ide';
  let format: DiskFormat | undefined;
  let isReadOnly = false;
  for (let last = parts.at(-1) ?? ''; parts.length > 1; last = parts.at(-1) ?? '') {
    const [, key, name = ''] = /^(bus|format)=(.*)$/.exec(last) ?? [];
    if (key === 'bus') bus = oneOf(BUSES, 'bus', name);
    else if (key === 'format') format = oneOf(DISK_FORMATS, 'format', name);
    else if (last === 'readonly') isReadOnly = true;
    else break;
    parts.pop();
  }
  const path = parts.join(',');
  if (path === '') throw usage(`Option --disk is "${text}", expected a file`);
  return { bus, source: { path, format, isReadOnly } };
}

function oneOf<T extends string>(choices: readonly T[], what: string, name: string): T {
  const choice = choices.find((known) => known === name);
  if (choice !== undefined) return choice;
  throw usage(`Option --disk names ${what} "${name}", expected ${choices.join(', ')}`);
}
