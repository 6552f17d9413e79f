// The ROM area below 1 MiB as direct boot shows it: no code, only what an operating system looks
// for there (RSDP, SMBIOS), and the descriptor table that it starts on.

import { assert } from '@umbra/base';
import { type AcpiTables, placeAcpiTables } from '../firmware/acpi-tables.ts';
import { ByteWriter } from '../firmware/byte-writer.ts';
import { PLATFORM } from '../firmware/platform.ts';
import { placeSmbios, type Smbios } from '../firmware/smbios.ts';

/** Selectors that the Linux boot protocol asks for. [LINUX-BOOT] "32-bit Boot Protocol". */
export const SELECTOR = { CODE: 0x10, DATA: 0x18 } as const;
const GDT_BYTES = 0x20;
/** Descriptors have their accessed bit set already: nobody can write it in a ROM. */
const DESCRIPTOR = {
  CODE32: [0x0000_ffff, 0x00cf_9b00],
  CODE64: [0x0000_ffff, 0x00af_9b00],
  DATA: [0x0000_ffff, 0x00cf_9300],
} as const;

/** Addresses in the ROM area. */
const PLACE = {
  GDT32: PLATFORM.FIRMWARE_SEGMENT,
  GDT64: PLATFORM.FIRMWARE_SEGMENT + GDT_BYTES,
  RSDP: PLATFORM.FIRMWARE_SEGMENT + 0x40,
  SMBIOS_ANCHOR: PLATFORM.FIRMWARE_SEGMENT + 0x80,
  SMBIOS_TABLES: PLATFORM.FIRMWARE_SEGMENT + 0x100,
} as const;

/** The descriptor table for 32-bit or 64-bit entry, as setProtectedMode and setLongMode take it. */
export function bootGdt(bits: 32 | 64): { gdtBase: number; gdtLimit: number } {
  return { gdtBase: bits === 32 ? PLACE.GDT32 : PLACE.GDT64, gdtLimit: GDT_BYTES - 1 };
}

/** Address of the RSDP in the image of buildBootRom. */
export const BOOT_RSDP_ADDRESS: number = PLACE.RSDP;

/** The image of the area from ROM_BASE to 1 MiB, and the tables to put at `acpiAddress` in RAM. */
export function buildBootRom(
  acpi: AcpiTables,
  smbios: Smbios,
  acpiAddress: number,
): { image: Uint8Array; tables: Uint8Array } {
  const image = new Uint8Array(PLATFORM.HIGH_BASE - PLATFORM.ROM_BASE).fill(0xff);
  const put = (address: number, bytes: Uint8Array): void => {
    assert(address + bytes.length <= PLATFORM.HIGH_BASE, 'firmware tables fit below 1 MiB');
    image.set(bytes, address - PLATFORM.ROM_BASE);
  };
  const { tables, rsdp } = placeAcpiTables(acpi, acpiAddress);
  put(PLACE.GDT32, gdtBytes(DESCRIPTOR.CODE32));
  put(PLACE.GDT64, gdtBytes(DESCRIPTOR.CODE64));
  put(PLACE.RSDP, rsdp);
  put(PLACE.SMBIOS_ANCHOR, placeSmbios(smbios, PLACE.SMBIOS_TABLES));
  put(PLACE.SMBIOS_TABLES, smbios.tables);
  return { image, tables };
}

function gdtBytes(code: readonly [number, number]): Uint8Array {
  return new ByteWriter().u32(0, 0, 0, 0, ...code, ...DESCRIPTOR.DATA).toBytes();
}
