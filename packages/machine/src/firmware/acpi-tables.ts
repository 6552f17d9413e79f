// The ACPI tables, as two files with pointers still to be filled in: SeaBIOS places them itself by
// a script, direct boot places them here.

import { ACPI_DISABLE, ACPI_ENABLE } from '@umbra/devices';
import { ByteWriter, checksumOf } from './byte-writer.ts';
import { type BoardFacts, dsdtTerms } from './dsdt.ts';
import { PLATFORM } from './platform.ts';

export const TABLES_FILE = 'etc/acpi/tables';
export const RSDP_FILE = 'etc/acpi/rsdp';
export type AcpiFile = typeof TABLES_FILE | typeof RSDP_FILE;

/** A pointer of `size` bytes at `offset` of `file`, holding an offset into the tables file. */
interface Pointer {
  readonly file: AcpiFile;
  readonly offset: number;
  readonly size: 4 | 8;
}

/** A checksum byte at `offset` over `length` bytes from `start`, all in `file`. */
interface Checksum {
  readonly file: AcpiFile;
  readonly offset: number;
  readonly start: number;
  readonly length: number;
}

/** Both files, and what must be done once it is known where they lie. */
export interface AcpiTables {
  readonly tables: Uint8Array;
  readonly rsdp: Uint8Array;
  readonly pointers: readonly Pointer[];
  readonly checksums: readonly Checksum[];
}

const OEM = { ID: 'UMBRA', TABLE: 'UMBRA PC', CREATOR: 'UMBR' } as const;
const HEADER_BYTES = 36;
const CHECKSUM_OFFSET = 9;
const FACS_BYTES = 64;
const ADDRESS_SPACE = { MEMORY: 0, IO: 1 } as const;
/** [ACPI] table 5-9, "Fixed ACPI Description Table Fixed Feature Flags". */
const FEATURE = {
  WBINVD: 1 << 0,
  PROC_C1: 1 << 2,
  SLP_BUTTON: 1 << 5,
  RESET_REG_SUP: 1 << 10,
} as const;
/** [ACPI] table 5-10, "IA-PC Boot Architecture Flags". */
const BOOT_ARCHITECTURE = { LEGACY_DEVICES: 1 << 0, I8042: 1 << 1 } as const;
/** A latency above the limit says that the state does not exist. */
const NO_C_STATE = 0x0fff;
/** Flags of an interrupt source override: level, active high. */
const LEVEL_ACTIVE_HIGH = 0x000d;

/** Builds the tables of a machine with one processor. */
export function buildAcpiTables(board: BoardFacts): AcpiTables {
  const out = new ByteWriter();
  const pointers: Pointer[] = [];
  const checksums: Checksum[] = [];
  const append = (table: Uint8Array): number => {
    const start = out.align(16).length;
    out.bytes(table);
    checksums.push({
      file: TABLES_FILE,
      offset: start + CHECKSUM_OFFSET,
      start,
      length: table.length,
    });
    return start;
  };
  const pointer = (offset: number, size: 4 | 8): void => {
    pointers.push({ file: TABLES_FILE, offset, size });
  };
  // The FACS must be aligned to its size, and is the one table without a checksum.
  out.text('FACS', 4).u32(FACS_BYTES).padTo(FACS_BYTES);
  const dsdt = append(table('DSDT', 2, new ByteWriter().bytes(dsdtTerms(board))));
  const fadt = append(table('FACP', 4, fadtBody(0, dsdt)));
  pointer(fadt + 36, 4);
  pointer(fadt + 40, 4);
  pointer(fadt + 140, 8);
  const listed = [fadt, append(table('APIC', 3, madtBody())), append(table('HPET', 1, hpetBody()))];
  const rsdt = append(table('RSDT', 1, new ByteWriter().u32(...listed)));
  for (const index of listed.keys()) pointer(rsdt + HEADER_BYTES + index * 4, 4);
  const entries = new ByteWriter();
  for (const offset of listed) entries.u64(offset);
  const xsdt = append(table('XSDT', 1, entries));
  for (const index of listed.keys()) pointer(xsdt + HEADER_BYTES + index * 8, 8);
  pointers.push({ file: RSDP_FILE, offset: 16, size: 4 }, { file: RSDP_FILE, offset: 24, size: 8 });
  checksums.push(
    { file: RSDP_FILE, offset: 8, start: 0, length: 20 },
    { file: RSDP_FILE, offset: 32, start: 0, length: 36 },
  );
  return { tables: out.toBytes(), rsdp: rsdpBytes(rsdt, xsdt), pointers, checksums };
}

/** The two files with pointers and checksums filled in, the tables lying at `address`. */
export function placeAcpiTables(
  acpi: AcpiTables,
  address: number,
): Pick<AcpiTables, 'tables' | 'rsdp'> {
  const placed = { tables: acpi.tables.slice(), rsdp: acpi.rsdp.slice() };
  const bytesOf = (file: AcpiFile): Uint8Array =>
    file === TABLES_FILE ? placed.tables : placed.rsdp;
  for (const { file, offset } of acpi.pointers) {
    const bytes = bytesOf(file);
    // Tables lie below 4 GiB: the upper half of eight-byte pointers is zero already.
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setUint32(offset, view.getUint32(offset, true) + address, true);
  }
  for (const { file, offset, start, length } of acpi.checksums) {
    const bytes = bytesOf(file);
    bytes[offset] = checksumOf(bytes.subarray(start, start + length));
  }
  return placed;
}

/** Header and body of a table, the checksum left at zero. [ACPI] §5.2.6. */
function table(signature: string, revision: number, body: ByteWriter): Uint8Array {
  return new ByteWriter()
    .text(signature, 4)
    .u32(HEADER_BYTES + body.length)
    .u8(revision, 0)
    .text(OEM.ID, 6)
    .text(OEM.TABLE, 8)
    .u32(1)
    .text(OEM.CREATOR, 4)
    .u32(1)
    .bytes(body.toBytes())
    .toBytes();
}

/** [ACPI] §5.2.5.3. */
function rsdpBytes(rsdt: number, xsdt: number): Uint8Array {
  const revision = 2;
  return new ByteWriter()
    .text('RSD PTR ', 8)
    .u8(0)
    .text(OEM.ID, 6)
    .u8(revision)
    .u32(rsdt)
    .u32(36)
    .u64(xsdt)
    .padTo(36)
    .toBytes();
}

/** [ACPI] §5.2.9; the offsets in the comments count from the table's start. */
function fadtBody(facs: number, dsdt: number): ByteWriter {
  const ports = PLATFORM.ACPI_PORTS;
  const event = { address: ports, size: 4 };
  const control = { address: ports + 4, size: 2 };
  const timer = { address: ports + 8, size: 4 };
  const general = { address: ports + 12, size: 4 };
  const none = { address: 0, size: 0 };
  const out = new ByteWriter().u32(facs, dsdt); // 36
  out.u8(0, 0).u16(PLATFORM.SCI).u32(PLATFORM.SMI_PORT).u8(ACPI_ENABLE, ACPI_DISABLE, 0, 0); // 44
  out.u32(event.address, 0, control.address, 0, 0, timer.address, general.address, 0); // 56
  out.u8(event.size, control.size, 0, timer.size, general.size, 0, 0, 0); // 88
  out.u16(NO_C_STATE, NO_C_STATE, 0, 0).u8(0, 0); // 96
  const centuryIndex = 0x32;
  out.u8(0, 0, centuryIndex).u16(BOOT_ARCHITECTURE.LEGACY_DEVICES | BOOT_ARCHITECTURE.I8042); // 106
  out.u8(0);
  out.u32(FEATURE.WBINVD | FEATURE.PROC_C1 | FEATURE.SLP_BUTTON | FEATURE.RESET_REG_SUP); // 112
  out.bytes(genericAddress({ address: PLATFORM.RESET_PORT, size: 1 })); // 116
  out.u8(PLATFORM.RESET_VALUE, 0, 0, 0); // 128
  out.u64(0).u64(dsdt); // 132
  for (const block of [event, none, control, none, none, timer, general, none]) {
    out.bytes(genericAddress(block)); // From 148 on.
  }
  return out;
}

/** [ACPI] §5.2.3.2, for ports. */
function genericAddress(block: { address: number; size: number }): Uint8Array {
  const byteAccess = 1;
  const accessSize = block.size === 0 ? 0 : Math.log2(block.size) + byteAccess;
  return new ByteWriter()
    .u8(ADDRESS_SPACE.IO, block.size * 8, 0, accessSize)
    .u64(block.address)
    .toBytes();
}

/** [ACPI] §5.2.12. */
function madtBody(): ByteWriter {
  const pcatCompatible = 1;
  const enabled = 1;
  const allProcessors = 0xff;
  const nmiInput = 1;
  return new ByteWriter()
    .u32(PLATFORM.LOCAL_APIC, pcatCompatible)
    .u8(0, 8, 0, 0)
    .u32(enabled) // Local APIC of processor 0.
    .u8(1, 12, 0, 0)
    .u32(PLATFORM.IOAPIC, 0) // I/O APIC 0, from interrupt 0 on.
    .u8(2, 10, 0, 0)
    .u32(2)
    .u16(0) // The 8254 is wired to pin 2.
    .u8(2, 10, 0, PLATFORM.SCI)
    .u32(PLATFORM.SCI)
    .u16(LEVEL_ACTIVE_HIGH)
    .u8(4, 6, allProcessors)
    .u16(0)
    .u8(nmiInput);
}

/** [HPET] §3.2.4; the block id repeats the hardware's capability register. */
function hpetBody(): ByteWriter {
  const blockId = 0x8086_a201;
  const minimumTick = 100;
  return new ByteWriter()
    .u32(blockId)
    .u8(ADDRESS_SPACE.MEMORY, 64, 0, 0)
    .u64(PLATFORM.HPET)
    .u8(0)
    .u16(minimumTick)
    .u8(0);
}
