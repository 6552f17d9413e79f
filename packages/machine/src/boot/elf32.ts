// Executables of 32-bit x86 as far as loading them goes. [ELF]

import { UmbraError } from '@umbra/base';
import type { LoadedPiece } from './bzimage.ts';

const IDENT = { MAGIC: 0x464c_457f, CLASS_32: 1, LITTLE_ENDIAN: 1 } as const;
const OFFSET = {
  CLASS: 4,
  DATA: 5,
  MACHINE: 18,
  ENTRY: 24,
  PHOFF: 28,
  PHENTSIZE: 42,
  PHNUM: 44,
} as const;
const HEADER_BYTES = 52;
const SEGMENT = { TYPE: 0, OFFSET: 4, PADDR: 12, FILESZ: 16, MEMSZ: 20 } as const;
const SEGMENT_BYTES = 32;
const PT_LOAD = 1;
const EM_386 = 3;
/** A segment larger than any guest's memory is a damaged file. */
const MEMORY_BYTES_MAX = 2 ** 32;

/** Reads an executable's loadable segments at their physical addresses. */
export function parseElf32(
  file: Uint8Array,
  name: string,
): { entry: number; pieces: readonly LoadedPiece[]; end: number } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const isElf32 =
    file.length >= HEADER_BYTES &&
    view.getUint32(0, true) === IDENT.MAGIC &&
    view.getUint8(OFFSET.CLASS) === IDENT.CLASS_32 &&
    view.getUint8(OFFSET.DATA) === IDENT.LITTLE_ENDIAN &&
    view.getUint16(OFFSET.MACHINE, true) === EM_386;
  if (!isElf32) {
    throw new UmbraError(
      'ELF_FORMAT',
      `${name} is no 32-bit x86 ELF file, which its multiboot header calls for`,
    );
  }
  const table = view.getUint32(OFFSET.PHOFF, true);
  const entrySize = view.getUint16(OFFSET.PHENTSIZE, true);
  const count = view.getUint16(OFFSET.PHNUM, true);
  if (entrySize < SEGMENT_BYTES || table + count * entrySize > file.length) {
    throw new UmbraError(
      'ELF_TRUNCATED',
      `${name} has ${file.length} bytes, expected ${count} program headers at ${table}`,
    );
  }
  const pieces: LoadedPiece[] = [];
  let end = 0;
  for (let index = 0; index < count; index += 1) {
    const segment = readSegment(file, view, table + index * entrySize, name);
    if (segment === undefined) continue;
    pieces.push(segment);
    end = Math.max(end, segment.address + segment.bytes.length);
  }
  if (pieces.length === 0) throw new UmbraError('ELF_FORMAT', `${name} has no loadable segment`);
  return { entry: view.getUint32(OFFSET.ENTRY, true), pieces, end };
}

function readSegment(
  file: Uint8Array,
  view: DataView,
  at: number,
  name: string,
): LoadedPiece | undefined {
  const field = (offset: number): number => view.getUint32(at + offset, true);
  const memoryBytes = field(SEGMENT.MEMSZ);
  if (field(SEGMENT.TYPE) !== PT_LOAD || memoryBytes === 0) return undefined;
  const offset = field(SEGMENT.OFFSET);
  const fileBytes = field(SEGMENT.FILESZ);
  const address = field(SEGMENT.PADDR);
  if (offset + fileBytes > file.length || fileBytes > memoryBytes) {
    throw new UmbraError(
      'ELF_TRUNCATED',
      `${name} has ${file.length} bytes, expected a segment of ${fileBytes} at ${offset}`,
    );
  }
  if (address + memoryBytes > MEMORY_BYTES_MAX) {
    throw new UmbraError(
      'ELF_FORMAT',
      `${name} wants ${memoryBytes} bytes at 0x${address.toString(16)}, beyond 4 GiB`,
    );
  }
  const bytes = new Uint8Array(memoryBytes);
  bytes.set(file.subarray(offset, offset + fileBytes));
  return { address, bytes };
}
