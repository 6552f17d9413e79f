import { KiB, MiB } from '@umbra/base';

/** Where things are in the guest-physical address space and among the ports of our PC. */
export const PLATFORM = {
  /** The last KiB of conventional memory belongs to the firmware (EBDA). */
  CONVENTIONAL_END: 0x9_fc00,
  VIDEO_BASE: 0xa_0000,
  ROM_BASE: 0xc_0000,
  BIOS_BASE: 0xe_0000,
  FIRMWARE_SEGMENT: 0xf_0000,
  HIGH_BASE: 1 * MiB,
  /** PCI devices' memory lies between the end of RAM, at the lowest here, and the I/O APIC. */
  PCI_MEMORY_BASE: 0xc000_0000,
  PCI_MEMORY_END: 0xfec0_0000,
  /** I/O ports that PCI devices get; those below belong to the chip set. */
  PCI_IO_BASE: 0xc000,
  PCI_IO_END: 0x1_0000,
  IOAPIC: 0xfec0_0000,
  HPET: 0xfed0_0000,
  LOCAL_APIC: 0xfee0_0000,
  FLASH_END: 0x1_0000_0000,
  ACPI_PORTS: 0x600,
  SMBUS_PORTS: 0x700,
  SMI_PORT: 0xb2,
  RESET_PORT: 0xcf9,
  RESET_VALUE: 0x06,
  SCI: 9,
  /** The I/O APIC pin of PIRQA#; the other three follow. */
  PIRQ_PIN: 16,
  PCI_SLOTS: 32,
} as const;

/** Room that direct boot keeps at the top of RAM for ACPI tables. */
export const ACPI_AREA_BYTES = 64 * KiB;
