// Linux kernels in the bzImage format. [LINUX-BOOT]

import { PAGE_SIZE, UmbraError } from '@umbra/base';
import { E820_TYPE, type E820Entry, encodeMemoryMap } from '../firmware/memory-map.ts';
import { PLATFORM } from '../firmware/platform.ts';
import { BOOT_RSDP_ADDRESS } from './boot-rom.ts';

/** Offsets in the file, and in boot_params too. [LINUX-BOOT] "Details of Header Fields". */
const HEADER = {
  SETUP_SECTS: 0x1f1,
  BOOT_FLAG: 0x1fe,
  JUMP_LENGTH: 0x201,
  MAGIC: 0x202,
  VERSION: 0x206,
  TYPE_OF_LOADER: 0x210,
  LOADFLAGS: 0x211,
  RAMDISK_IMAGE: 0x218,
  RAMDISK_SIZE: 0x21c,
  CMD_LINE_PTR: 0x228,
  INITRD_ADDR_MAX: 0x22c,
  XLOADFLAGS: 0x236,
  CMDLINE_SIZE: 0x238,
  PREF_ADDRESS: 0x258,
  INIT_SIZE: 0x260,
} as const;
/** Other members of boot_params. [LINUX-BOOT] "zero-page". */
const BOOT_PARAMS = { ACPI_RSDP_ADDR: 0x070, E820_ENTRIES: 0x1e8, E820_TABLE: 0x2d0 } as const;
const BOOT_PARAMS_BYTES = 4096;
const MAGIC = 0x5372_6448; // "HdrS"
const BOOT_FLAG = 0xaa55;
const LOADFLAGS = { LOADED_HIGH: 1 << 0 } as const;
const XLOADFLAGS = { KERNEL_64: 1 << 0 } as const;
/** Protocol 2.12, of Linux 3.8: the first with XLOADFLAGS. */
const VERSION_MIN = 0x020c;
const LOADER_UNDEFINED = 0xff;
const SECTOR_BYTES = 512;
const DEFAULT_SETUP_SECTS = 4;
/** The 64-bit entry point lies so far into the protected-mode code. */
const ENTRY_64_OFFSET = 0x200;

/** Where direct boot puts things in conventional memory. */
const PLACE = {
  PAGE_TABLES: 0x2000,
  STACK_TOP: 0x9000,
  BOOT_PARAMS: 0x1_0000,
  COMMAND_LINE: 0x2_0000,
} as const;
const PAGE_TABLE_ENTRY = { PRESENT_WRITABLE: 0x03, LARGE: 0x80 } as const;
const IDENTITY_GIB = 4;

/** What the machine needs to know of a kernel. */
export interface BzImage {
  readonly setupHeader: Uint8Array;
  readonly code: Uint8Array;
  readonly has64BitEntry: boolean;
  readonly initrdAddressMax: number;
  readonly commandLineBytesMax: number;
  /** Memory that the kernel writes before it looks at the memory map. */
  readonly reserved: { readonly start: number; readonly end: number };
}

/** A piece of memory to fill before the guest starts. */
export interface LoadedPiece {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** A kernel placed in memory: pieces to copy, and the state to enter it with. */
export interface LinuxBoot {
  readonly pieces: readonly LoadedPiece[];
  readonly entry: { readonly bits: 32 | 64; readonly address: number };
  readonly bootParams: number;
  readonly stackTop: number;
  readonly pageTables: number;
}

/** Reads a kernel file; `name` is for messages. Throws UmbraError KERNEL_* when it is none. */
export function parseBzImage(file: Uint8Array, name: string): BzImage {
  const fail = (code: string, message: string): never => {
    throw new UmbraError(code, message, { name, sizeBytes: file.length });
  };
  if (file.length < HEADER.INIT_SIZE + 4) {
    fail('KERNEL_TRUNCATED', `${name} has ${file.length} bytes, expected a Linux bzImage`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const bootFlag = view.getUint16(HEADER.BOOT_FLAG, true);
  const magic = view.getUint32(HEADER.MAGIC, true);
  if (bootFlag !== BOOT_FLAG || magic !== MAGIC) {
    const start = Buffer.from(file.subarray(0, 4)).toString('hex');
    fail(
      'KERNEL_FORMAT',
      `${name} is no Linux bzImage: expected "HdrS" at 0x202, found a file that begins with ${start}`,
    );
  }
  const version = view.getUint16(HEADER.VERSION, true);
  if (version < VERSION_MIN || (view.getUint8(HEADER.LOADFLAGS) & LOADFLAGS.LOADED_HIGH) === 0) {
    fail(
      'KERNEL_TOO_OLD',
      `${name} speaks boot protocol ${formatVersion(version)}, expected a bzImage of 2.12 (Linux 3.8) or newer`,
    );
  }
  const setupSectors = view.getUint8(HEADER.SETUP_SECTS) || DEFAULT_SETUP_SECTS;
  const codeStart = (setupSectors + 1) * SECTOR_BYTES;
  const codeBytes = view.getUint32(HEADER.SETUP_SECTS + 3, true) * 16;
  if (codeStart + codeBytes > file.length || codeBytes === 0) {
    fail(
      'KERNEL_TRUNCATED',
      `${name} has ${file.length} bytes, expected ${codeStart + codeBytes} by its header`,
    );
  }
  const headerEnd = HEADER.MAGIC + view.getUint8(HEADER.JUMP_LENGTH);
  const preferred = Number(view.getBigUint64(HEADER.PREF_ADDRESS, true));
  const initBytes = view.getUint32(HEADER.INIT_SIZE, true);
  return {
    setupHeader: file.subarray(HEADER.SETUP_SECTS, headerEnd),
    code: file.subarray(codeStart),
    has64BitEntry: (view.getUint16(HEADER.XLOADFLAGS, true) & XLOADFLAGS.KERNEL_64) !== 0,
    initrdAddressMax: view.getUint32(HEADER.INITRD_ADDR_MAX, true),
    commandLineBytesMax: view.getUint32(HEADER.CMDLINE_SIZE, true),
    reserved: {
      start: PLATFORM.HIGH_BASE,
      end: Math.max(preferred + initBytes, PLATFORM.HIGH_BASE + file.length - codeStart),
    },
  };
}

/** Places a kernel, its initrd and its command line in memory of the given map. */
export function placeLinux(options: {
  kernel: BzImage;
  initrd: Uint8Array | undefined;
  commandLine: string;
  memoryMap: readonly E820Entry[];
}): LinuxBoot {
  const { kernel, initrd, memoryMap } = options;
  const high = memoryMap.find(
    ({ address, type }) => address === PLATFORM.HIGH_BASE && type === E820_TYPE.RAM,
  ) ?? { address: PLATFORM.HIGH_BASE, size: 0 };
  const memoryEnd = high.address + high.size;
  if (kernel.reserved.end > memoryEnd) {
    throw new UmbraError(
      'MEMORY_TOO_SMALL',
      `The kernel needs memory up to ${mebibytes(kernel.reserved.end)} MiB to start, and the machine's ends at ${mebibytes(memoryEnd)} MiB`,
    );
  }
  const commandLine = Buffer.from(`${options.commandLine}\0`, 'latin1');
  if (commandLine.length - 1 > kernel.commandLineBytesMax) {
    throw new UmbraError(
      'COMMAND_LINE_TOO_LONG',
      `The kernel command line has ${commandLine.length - 1} characters, and this kernel takes at most ${kernel.commandLineBytesMax}`,
    );
  }
  const pieces: LoadedPiece[] = [
    { address: PLATFORM.HIGH_BASE, bytes: kernel.code },
    { address: PLACE.COMMAND_LINE, bytes: commandLine },
    { address: PLACE.PAGE_TABLES, bytes: identityPageTables() },
  ];
  const ramdisk = { address: 0, size: 0 };
  if (initrd !== undefined) {
    ramdisk.address = placeInitrd(initrd.length, kernel, memoryEnd);
    ramdisk.size = initrd.length;
    pieces.push({ address: ramdisk.address, bytes: initrd });
  }
  pieces.push({ address: PLACE.BOOT_PARAMS, bytes: bootParams(kernel, ramdisk, memoryMap) });
  const offset = kernel.has64BitEntry ? ENTRY_64_OFFSET : 0;
  return {
    pieces,
    entry: { bits: kernel.has64BitEntry ? 64 : 32, address: PLATFORM.HIGH_BASE + offset },
    bootParams: PLACE.BOOT_PARAMS,
    stackTop: PLACE.STACK_TOP,
    pageTables: PLACE.PAGE_TABLES,
  };
}

/** As high as the kernel allows, so that it keeps out of the way of unpacking. */
function placeInitrd(sizeBytes: number, kernel: BzImage, memoryEnd: number): number {
  const end = Math.min(memoryEnd, kernel.initrdAddressMax + 1);
  const address = Math.floor((end - sizeBytes) / PAGE_SIZE) * PAGE_SIZE;
  if (address >= kernel.reserved.end) return address;
  throw new UmbraError(
    'INITRD_TOO_LARGE',
    `The initrd has ${mebibytes(sizeBytes)} MiB, and there is room for ${mebibytes(Math.max(0, end - kernel.reserved.end))} MiB behind the kernel`,
  );
}

function bootParams(
  kernel: BzImage,
  ramdisk: { address: number; size: number },
  memoryMap: readonly E820Entry[],
): Uint8Array {
  const bytes = new Uint8Array(BOOT_PARAMS_BYTES);
  bytes.set(kernel.setupHeader, HEADER.SETUP_SECTS);
  const view = new DataView(bytes.buffer);
  view.setUint8(HEADER.TYPE_OF_LOADER, LOADER_UNDEFINED);
  view.setUint32(HEADER.CMD_LINE_PTR, PLACE.COMMAND_LINE, true);
  view.setUint32(HEADER.RAMDISK_IMAGE, ramdisk.address, true);
  view.setUint32(HEADER.RAMDISK_SIZE, ramdisk.size, true);
  view.setBigUint64(BOOT_PARAMS.ACPI_RSDP_ADDR, BigInt(BOOT_RSDP_ADDRESS), true);
  view.setUint8(BOOT_PARAMS.E820_ENTRIES, memoryMap.length);
  bytes.set(encodeMemoryMap(memoryMap), BOOT_PARAMS.E820_TABLE);
  return bytes;
}

/** Four-level tables that map the first 4 GiB onto themselves in 2 MiB pages. */
function identityPageTables(): Uint8Array {
  const bytes = new Uint8Array((2 + IDENTITY_GIB) * PAGE_SIZE);
  const view = new DataView(bytes.buffer);
  const entry = (offset: number, value: number): void =>
    view.setBigUint64(offset, BigInt(value), true);
  const { PRESENT_WRITABLE, LARGE } = PAGE_TABLE_ENTRY;
  entry(0, (PLACE.PAGE_TABLES + PAGE_SIZE) | PRESENT_WRITABLE);
  for (let gib = 0; gib < IDENTITY_GIB; gib += 1) {
    const directory = (2 + gib) * PAGE_SIZE;
    entry(PAGE_SIZE + gib * 8, (PLACE.PAGE_TABLES + directory) | PRESENT_WRITABLE);
    for (let index = 0; index < PAGE_SIZE / 8; index += 1) {
      const address = gib * 2 ** 30 + index * 2 ** 21;
      entry(directory + index * 8, address + (PRESENT_WRITABLE | LARGE));
    }
  }
  return bytes;
}

function formatVersion(version: number): string {
  return `${version >> 8}.${String(version & 0xff).padStart(2, '0')}`;
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
