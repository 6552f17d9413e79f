import {
  type DiskSource,
  DRIVE_PLACES,
  type DriveBus,
  type DriveMedia,
  type DriveSpec,
} from '@umbra/machine';
import { CACHE_MODES, type CacheMode, DISK_FORMATS, type DiskFormat } from '@umbra/storage';
import { usage } from './option-table.ts';
import type { RunOptions } from './options.ts';

/** A drive of a machine and the image that is put into it. */
export interface DrivePlan {
  readonly spec: Omit<DriveSpec, 'medium'>;
  readonly source: DiskSource;
}

const CDROM_BUSES: readonly DriveBus[] = ['ide', 'virtio-scsi'];
const DISK_BUSES: readonly DriveBus[] = ['ide', 'virtio', 'virtio-scsi'];
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
  const disks = (options.disk ?? []).map((text) => {
    const { bus, source } = parseDrive('disk', text, DISK_BUSES);
    return { spec: take(bus, 'disk'), source };
  });
  const cdroms = (options.cdrom ?? []).map((text) => {
    const { bus, source } = parseDrive('cdrom', text, CDROM_BUSES);
    return {
      spec: take(bus, 'cdrom'),
      source: { path: source.path, format: 'raw', isReadOnly: true } as const,
    };
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

/** `FILE[,bus=NAME][,format=NAME][,cache=NAME][,readonly]`; other commas are the file's. */
function parseDrive(
  option: string,
  text: string,
  buses: readonly DriveBus[],
): { bus: DriveBus; source: DiskSource } {
  const parts = text.split(',');
  let bus: DriveBus = 'ide';
  let format: DiskFormat | undefined;
  let cache: CacheMode | undefined;
  let isReadOnly = false;
  for (let last = parts.at(-1) ?? ''; parts.length > 1; last = parts.at(-1) ?? '') {
    const [, key, name = ''] = /^(bus|format|cache)=(.*)$/.exec(last) ?? [];
    if (key === 'bus') bus = oneOf(option, buses, 'bus', name);
    else if (key === 'format') format = oneOf(option, DISK_FORMATS, 'format', name);
    else if (key === 'cache') cache = oneOf(option, CACHE_MODES, 'cache', name);
    else if (last === 'readonly') isReadOnly = true;
    else break;
    parts.pop();
  }
  const path = parts.join(',');
  if (path === '') throw usage(`Option --${option} is "${text}", expected a file`);
  return { bus, source: { path, format, isReadOnly, ...(cache && { cache }) } };
}

function oneOf<T extends string>(
  option: string,
  choices: readonly T[],
  what: string,
  name: string,
): T {
  const choice = choices.find((known) => known === name);
  if (choice !== undefined) return choice;
  throw usage(`Option --${option} names ${what} "${name}", expected ${choices.join(', ')}`);
}
