import { type AcpiTables, RSDP_FILE, TABLES_FILE } from './acpi-tables.ts';
import { ByteWriter } from './byte-writer.ts';

/** The fw_cfg file that holds the script. */
export const LOADER_FILE = 'etc/table-loader';

const COMMAND = { ALLOCATE: 1, ADD_POINTER: 2, ADD_CHECKSUM: 3 } as const;
const ZONE = { HIGH: 1, FIRMWARE_SEGMENT: 2 } as const;
const COMMAND_BYTES = 128;
const NAME_BYTES = 56;

/**
 * The script by which SeaBIOS places our ACPI tables: commands of 128 bytes that allocate the
 * files, add their addresses to pointers and compute checksums. [QEMU-BIOS-LINKER]
 */
export function tableLoaderScript(acpi: AcpiTables): Uint8Array {
  const commands = [
    allocate(TABLES_FILE, 64, ZONE.HIGH),
    allocate(RSDP_FILE, 16, ZONE.FIRMWARE_SEGMENT),
    ...acpi.pointers.map(({ file, offset, size }) =>
      command(COMMAND.ADD_POINTER, file, TABLES_FILE).u32(offset).u8(size),
    ),
    ...acpi.checksums.map(({ file, offset, start, length }) =>
      command(COMMAND.ADD_CHECKSUM, file).u32(offset, start, length),
    ),
  ];
  return Uint8Array.from(commands.flatMap((entry) => [...entry.padTo(COMMAND_BYTES).toBytes()]));
}

function allocate(file: string, alignment: number, zone: number): ByteWriter {
  return command(COMMAND.ALLOCATE, file).u32(alignment).u8(zone);
}

function command(code: number, ...files: readonly string[]): ByteWriter {
  const out = new ByteWriter().u32(code);
  for (const file of files) out.text(file, NAME_BYTES, '\0');
  return out;
}
