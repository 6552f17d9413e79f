// System management BIOS tables: what `dmidecode` shows. [SMBIOS]

import { MiB } from '@umbra/base';
import { ByteWriter, checksumOf } from './byte-writer.ts';

export const SMBIOS_TABLES_FILE = 'etc/smbios/smbios-tables';
export const SMBIOS_ANCHOR_FILE = 'etc/smbios/smbios-anchor';

export interface SmbiosOptions {
  readonly ramBytes: number;
  /** 16 bytes that identify the machine. */
  readonly uuid: Uint8Array;
  readonly processorName: string;
}

export interface Smbios {
  readonly tables: Uint8Array;
  readonly anchor: Uint8Array;
}

const VERSION = { MAJOR: 2, MINOR: 8 } as const;
const TYPE = {
  BIOS: 0,
  SYSTEM: 1,
  CHASSIS: 3,
  PROCESSOR: 4,
  MEMORY_ARRAY: 16,
  MEMORY_DEVICE: 17,
  MEMORY_ARRAY_ADDRESS: 19,
  BOOT: 32,
  END: 127,
} as const;
const NO_HANDLE = 0xffff;
const NOT_PROVIDED = 0xfffe;
const UNKNOWN = 0x02;
const MANUFACTURER = 'Umbra';
const PRODUCT = 'Umbra Virtual Machine';
const ANCHOR_BYTES = 31;
/** Where the intermediate anchor begins, whose checksum stands beside the whole anchor's. */
const INTERMEDIATE_OFFSET = 16;

/** The tables, and the entry point with the tables' address left at zero (see placeSmbios). */
export function buildSmbios(options: SmbiosOptions): Smbios {
  const structures = buildStructures(options);
  const tables = Uint8Array.from(structures.flatMap((bytes) => [...bytes]));
  const largest = Math.max(...structures.map((bytes) => bytes.length));
  const anchor = new ByteWriter()
    .text('_SM_', 4)
    .u8(0, ANCHOR_BYTES, VERSION.MAJOR, VERSION.MINOR)
    .u16(largest)
    .padTo(INTERMEDIATE_OFFSET)
    .text('_DMI_', 5)
    .u8(0)
    .u16(tables.length)
    .u32(0)
    .u16(structures.length)
    .u8((VERSION.MAJOR << 4) | VERSION.MINOR)
    .toBytes();
  return { tables, anchor: sealAnchor(anchor) };
}

/** The entry point for tables at `address`. */
export function placeSmbios(smbios: Smbios, address: number): Uint8Array {
  const anchor = smbios.anchor.slice();
  new DataView(anchor.buffer).setUint32(24, address, true);
  return sealAnchor(anchor);
}

/** Fills in both checksums, the inner first. */
function sealAnchor(anchor: Uint8Array): Uint8Array {
  anchor[4] = 0;
  anchor[INTERMEDIATE_OFFSET + 5] = 0;
  anchor[INTERMEDIATE_OFFSET + 5] = checksumOf(anchor.subarray(INTERMEDIATE_OFFSET));
  anchor[4] = checksumOf(anchor);
  return anchor;
}

function buildStructures(options: SmbiosOptions): Uint8Array[] {
  const megabytes = Math.floor(options.ramBytes / MiB);
  const arrayHandle = 0x1000;
  return [
    structure(TYPE.BIOS, 0x0000, biosBody(), [MANUFACTURER, '1.0', '01/01/2026']),
    structure(TYPE.SYSTEM, 0x0100, systemBody(options.uuid), [MANUFACTURER, PRODUCT, '1.0']),
    structure(TYPE.CHASSIS, 0x0300, chassisBody(), [MANUFACTURER]),
    structure(TYPE.PROCESSOR, 0x0400, processorBody(), [
      'CPU 0',
      MANUFACTURER,
      options.processorName,
    ]),
    structure(TYPE.MEMORY_ARRAY, arrayHandle, memoryArrayBody(options.ramBytes), []),
    structure(TYPE.MEMORY_DEVICE, 0x1100, memoryDeviceBody(arrayHandle, megabytes), [
      'DIMM 0',
      MANUFACTURER,
    ]),
    structure(
      TYPE.MEMORY_ARRAY_ADDRESS,
      0x1300,
      memoryRangeBody(arrayHandle, options.ramBytes),
      [],
    ),
    structure(TYPE.BOOT, 0x2000, new ByteWriter().padTo(7), []),
    structure(TYPE.END, 0x7f00, new ByteWriter(), []),
  ];
}

/** Header, formatted part and strings with their two closing zeros. [SMBIOS] §6.1. */
function structure(
  type: number,
  handle: number,
  body: ByteWriter,
  strings: readonly string[],
): Uint8Array {
  const out = new ByteWriter()
    .u8(type, body.length + 4)
    .u16(handle)
    .bytes(body.toBytes());
  for (const text of strings) out.text(text, text.length).u8(0);
  out.u8(0);
  if (strings.length === 0) out.u8(0);
  return out.toBytes();
}

/** [SMBIOS] §7.1. */
function biosBody(): ByteWriter {
  const segment = 0xe800;
  const romSize = 0;
  const noCharacteristics = 1 << 3;
  const isVirtualMachine = 1 << 4;
  return new ByteWriter()
    .u8(1, 2)
    .u16(segment)
    .u8(3, romSize)
    .u64(noCharacteristics)
    .u8(0, isVirtualMachine, 1, 0, 0xff, 0xff);
}

/** [SMBIOS] §7.2. */
function systemBody(uuid: Uint8Array): ByteWriter {
  const powerSwitch = 0x06;
  return new ByteWriter().u8(1, 2, 3, 0).bytes(uuid).u8(powerSwitch, 0, 0);
}

/** [SMBIOS] §7.4. */
function chassisBody(): ByteWriter {
  const other = 0x01;
  const safe = 0x03;
  return new ByteWriter().u8(1, other, 0, 0, 0, safe, safe, safe, UNKNOWN).u32(0).u8(0, 0, 0, 0, 0);
}

/** [SMBIOS] §7.5. */
function processorBody(): ByteWriter {
  const central = 3;
  const other = 0x01;
  const populatedEnabled = 0x41;
  return new ByteWriter()
    .u8(1, central, other, 2)
    .u64(0)
    .u8(3, 0)
    .u16(0, 0, 0)
    .u8(populatedEnabled, other)
    .u16(NO_HANDLE, NO_HANDLE, NO_HANDLE)
    .u8(0, 0, 0, 1, 1, 1)
    .u16(UNKNOWN, other);
}

/** [SMBIOS] §7.17. */
function memoryArrayBody(ramBytes: number): ByteWriter {
  const systemBoard = 0x03;
  const systemMemory = 0x03;
  const noCorrection = 0x03;
  return new ByteWriter()
    .u8(systemBoard, systemMemory, noCorrection)
    .u32(ramBytes / 1024)
    .u16(NOT_PROVIDED, 1)
    .u64(0);
}

/** [SMBIOS] §7.18. */
function memoryDeviceBody(arrayHandle: number, megabytes: number): ByteWriter {
  const dimm = 0x09;
  const ram = 0x07;
  const otherDetail = 1 << 1;
  return new ByteWriter()
    .u16(arrayHandle, NOT_PROVIDED, NO_HANDLE, NO_HANDLE, megabytes)
    .u8(dimm, 0, 1, 0, ram)
    .u16(otherDetail, 0)
    .u8(2, 0, 0, 0, 0)
    .u32(0)
    .u16(0, 0, 0, 0);
}

/** [SMBIOS] §7.20. */
function memoryRangeBody(arrayHandle: number, ramBytes: number): ByteWriter {
  return new ByteWriter()
    .u32(0, ramBytes / 1024 - 1)
    .u16(arrayHandle)
    .u8(1)
    .u64(0)
    .u64(0);
}
