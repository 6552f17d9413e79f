// Kernels of the Multiboot specification, version 0.6.96 ("multiboot 1"). [MULTIBOOT]

import { PAGE_SIZE, UmbraError } from '@umbra/base';
import { ByteWriter } from '../firmware/byte-writer.ts';
import type { E820Entry } from '../firmware/memory-map.ts';
import { PLATFORM } from '../firmware/platform.ts';
import type { LoadedPiece } from './bzimage.ts';
import { parseElf32 } from './elf32.ts';

const SEARCH_BYTES = 8192;
const HEADER_MAGIC = 0x1bad_b002;
/** What EAX holds when the kernel is entered. */
const LOADER_MAGIC = 0x2bad_b002;
/** [MULTIBOOT] §3.1.2, "The magic fields of Multiboot header"; the low half must be understood. */
const HEADER_FLAG = { PAGE_ALIGN: 1 << 0, MEMORY_INFO: 1 << 1, ADDRESSES: 1 << 16 } as const;
const REQUIRED_MASK = 0xffff;
const UNDERSTOOD = HEADER_FLAG.PAGE_ALIGN | HEADER_FLAG.MEMORY_INFO;
/** [MULTIBOOT] §3.3, "Boot information format". */
const INFO_FLAG = {
  MEMORY: 1 << 0,
  CMDLINE: 1 << 2,
  MODS: 1 << 3,
  MMAP: 1 << 6,
  LOADER: 1 << 9,
} as const;
const INFO_BYTES = 116;
const MODULE_BYTES = 16;
const MMAP_ENTRY_BYTES = 24;
const LOADER_NAME = 'umbra';

/** A module: a file handed to the kernel beside its own image. */
export interface MultibootModule {
  readonly commandLine: string;
  readonly bytes: Uint8Array;
}

/** A kernel read from its file. */
export interface MultibootKernel {
  readonly entry: number;
  readonly pieces: readonly LoadedPiece[];
  /** First address behind the image and its zeroed memory. */
  readonly end: number;
}

/** A kernel placed in memory. */
export interface MultibootBoot {
  readonly pieces: readonly LoadedPiece[];
  readonly entry: number;
  readonly eax: number;
  readonly ebx: number;
}

/** Reads a kernel file; `name` is for messages. Throws UmbraError MULTIBOOT_* when it is none. */
export function parseMultiboot(file: Uint8Array, name: string): MultibootKernel {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const at = findHeader(view);
  if (at < 0) {
    throw new UmbraError(
      'MULTIBOOT_FORMAT',
      `${name} is no multiboot kernel: found no header with magic 0x1badb002 in its first 8192 bytes`,
    );
  }
  const flags = view.getUint32(at + 4, true);
  const unknown = flags & REQUIRED_MASK & ~UNDERSTOOD;
  if (unknown !== 0) {
    throw new UmbraError(
      'MULTIBOOT_FEATURE',
      `${name} requires multiboot features 0x${unknown.toString(16)}, and only page alignment and memory information are offered`,
    );
  }
  if ((flags & HEADER_FLAG.ADDRESSES) === 0) return parseElf32(file, name);
  return parseAddresses(view, file, at, name);
}

/** Places a kernel, with its information and modules right behind it. */
export function placeMultiboot(options: {
  kernel: MultibootKernel;
  commandLine: string;
  modules: readonly MultibootModule[];
  memoryMap: readonly E820Entry[];
  ramBytes: number;
}): MultibootBoot {
  const { kernel, modules, memoryMap, ramBytes } = options;
  const start = alignUp(Math.max(kernel.end, PLATFORM.HIGH_BASE));
  const strings = [
    options.commandLine,
    ...modules.map(({ commandLine }) => commandLine),
    LOADER_NAME,
  ];
  const out = new ByteWriter().padTo(INFO_BYTES);
  const stringAddresses = strings.map((text) => {
    const address = start + out.length;
    out.text(text, text.length).u8(0);
    return address;
  });
  const mmapAddress = start + out.align(4).length;
  for (const { address, size, type } of memoryMap) {
    out
      .u32(MMAP_ENTRY_BYTES - 4)
      .u64(address)
      .u64(size)
      .u32(type);
  }
  const modulesAddress = start + out.length;
  const placed = placeModules(modules, alignUp(modulesAddress + modules.length * MODULE_BYTES));
  for (const [index, { address, bytes }] of placed.entries()) {
    out.u32(address, address + bytes.length, stringAddresses[index + 1] ?? 0, 0);
  }
  const { HIGH_BASE, CONVENTIONAL_END } = PLATFORM;
  const info = new ByteWriter()
    .u32(INFO_FLAG.MEMORY | INFO_FLAG.CMDLINE | INFO_FLAG.MODS | INFO_FLAG.MMAP | INFO_FLAG.LOADER)
    .u32(CONVENTIONAL_END / 1024, (Math.min(ramBytes, PLATFORM.PCI_MEMORY_BASE) - HIGH_BASE) / 1024)
    .u32(0, stringAddresses[0] ?? 0, modules.length, modulesAddress)
    .u32(0, 0, 0, 0) // No symbols.
    .u32(memoryMap.length * MMAP_ENTRY_BYTES, mmapAddress)
    .u32(0, 0, 0) // No drives, no BIOS configuration table.
    .u32(stringAddresses.at(-1) ?? 0)
    .padTo(INFO_BYTES);
  const bytes = out.toBytes();
  bytes.set(info.toBytes());
  const pieces = [...kernel.pieces, { address: start, bytes }, ...placed];
  checkFits(pieces, ramBytes);
  return { pieces, entry: kernel.entry, eax: LOADER_MAGIC, ebx: start };
}

function findHeader(view: DataView): number {
  for (let at = 0; at + 12 <= Math.min(view.byteLength, SEARCH_BYTES); at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    const sum = HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if (sum % 2 ** 32 === 0) return at;
  }
  return -1;
}

/** A kernel that says by itself where it goes. [MULTIBOOT] §3.1.3. */
function parseAddresses(
  view: DataView,
  file: Uint8Array,
  at: number,
  name: string,
): MultibootKernel {
  if (at + 32 > file.length) {
    throw new UmbraError('MULTIBOOT_TRUNCATED', `${name} ends inside its multiboot header`);
  }
  const field = (index: number): number => view.getUint32(at + 12 + index * 4, true);
  const [header, load, loadEnd, bssEnd, entry] = [field(0), field(1), field(2), field(3), field(4)];
  const fileStart = at - (header - load);
  const length = loadEnd === 0 ? file.length - fileStart : loadEnd - load;
  if (fileStart < 0 || length <= 0 || fileStart + length > file.length) {
    throw new UmbraError(
      'MULTIBOOT_TRUNCATED',
      `${name} has ${file.length} bytes, expected ${length} from ${fileStart} on by its multiboot header`,
    );
  }
  const bytes = new Uint8Array(Math.max(length, bssEnd - load));
  bytes.set(file.subarray(fileStart, fileStart + length));
  return { entry, pieces: [{ address: load, bytes }], end: load + bytes.length };
}

function placeModules(modules: readonly MultibootModule[], from: number): LoadedPiece[] {
  let address = from;
  return modules.map(({ bytes }) => {
    const piece = { address, bytes };
    address = alignUp(address + bytes.length);
    return piece;
  });
}

function checkFits(pieces: readonly LoadedPiece[], ramBytes: number): void {
  for (const { address, bytes } of pieces) {
    if (address + bytes.length <= ramBytes) continue;
    throw new UmbraError(
      'MEMORY_TOO_SMALL',
      `The kernel needs memory at 0x${address.toString(16)} for ${bytes.length} bytes, and the machine's ends at 0x${ramBytes.toString(16)}`,
    );
  }
}

function alignUp(address: number): number {
  return Math.ceil(address / PAGE_SIZE) * PAGE_SIZE;
}
