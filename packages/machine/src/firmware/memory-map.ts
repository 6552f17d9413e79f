import { assert, GiB } from '@umbra/base';
import { ByteWriter } from './byte-writer.ts';
import { ACPI_AREA_BYTES, PLATFORM } from './platform.ts';

/** Types of address ranges. [ACPI] §15, "System Address Map Interfaces". */
export const E820_TYPE = { RAM: 1, RESERVED: 2, ACPI: 3 } as const;

export interface E820Entry {
  readonly address: number;
  readonly size: number;
  readonly type: number;
}

/** Where RAM lies: up to the PCI hole, the rest from 4 GiB on. */
export function ramRanges(ramBytes: number): { address: number; size: number }[] {
  const low = Math.min(ramBytes, PLATFORM.PCI_MEMORY_BASE);
  const ranges = [{ address: 0, size: low }];
  if (ramBytes > low) ranges.push({ address: 4 * GiB, size: ramBytes - low });
  return ranges;
}

/** The map that SeaBIOS gets: RAM alone, it knows the PC's holes itself. */
export function firmwareMemoryMap(ramBytes: number): E820Entry[] {
  return ramRanges(ramBytes).map((range) => ({ ...range, type: E820_TYPE.RAM }));
}

/** The map for a kernel that is booted without firmware; see acpiAreaAddress. */
export function directMemoryMap(ramBytes: number): E820Entry[] {
  const acpi = acpiAreaAddress(ramBytes);
  const { CONVENTIONAL_END, VIDEO_BASE, BIOS_BASE, HIGH_BASE } = PLATFORM;
  const [, ...high] = firmwareMemoryMap(ramBytes);
  return [
    { address: 0, size: CONVENTIONAL_END, type: E820_TYPE.RAM },
    { address: CONVENTIONAL_END, size: VIDEO_BASE - CONVENTIONAL_END, type: E820_TYPE.RESERVED },
    { address: BIOS_BASE, size: HIGH_BASE - BIOS_BASE, type: E820_TYPE.RESERVED },
    { address: HIGH_BASE, size: acpi - HIGH_BASE, type: E820_TYPE.RAM },
    { address: acpi, size: ACPI_AREA_BYTES, type: E820_TYPE.ACPI },
    ...high,
  ];
}

/** Where direct boot puts the ACPI tables: at the top of RAM below 4 GiB. */
export function acpiAreaAddress(ramBytes: number): number {
  const top = Math.min(ramBytes, PLATFORM.PCI_MEMORY_BASE);
  assert(top >= 2 * PLATFORM.HIGH_BASE, 'a machine has at least 2 MiB of RAM');
  return top - ACPI_AREA_BYTES;
}

/** Entries as the BIOS call and boot_params have them: 20 bytes each. */
export function encodeMemoryMap(entries: readonly E820Entry[]): Uint8Array {
  const out = new ByteWriter();
  for (const { address, size, type } of entries) out.u64(address).u64(size).u32(type);
  return out.toBytes();
}
