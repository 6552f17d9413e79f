import type { Device } from '@umbra/core';
import type { PciBus } from './pci-bus.ts';
import { type PciFunction, PciFunctionState } from './pci-function.ts';
import { stateSchema } from './state.ts';

const SLOT = 0;
/** [440FX] §3.2. */
const CONFIG = { PMC: 0x50, PAM0: 0x59, PAM_COUNT: 7, SMRAM: 0x72, END: 0xa0 } as const;
const PAM = { RE: 1 << 0, WE: 1 << 1 } as const;
const SEGMENT_BYTES = 0x4000;
const BIOS_BYTES = 0x1_0000;
/** Firmware looks for this subsystem to learn that it may use fw_cfg. [QEMU-PCI-IDS] */
export const FW_CFG_SUBSYSTEM = { subsystemVendorId: 0x1af4, subsystemId: 0x1100 } as const;

/** Who answers accesses to a part of C0000h to FFFFFh: RAM, or the bus (ROM) behind it. */
export interface PamSegment {
  readonly address: number;
  readonly sizeBytes: number;
  /** Reads come from RAM. */
  readonly isReadable: boolean;
  /** Writes go to RAM. */
  readonly isWritable: boolean;
}

/** Host bridge, Intel 82441FX, as far as software of a running PC uses it. [440FX] */
export class I440fx implements Device<PciFunctionState> {
  readonly name: string;
  readonly schema = stateSchema('i440fx', 1, PciFunctionState);
  readonly #pci: PciFunction;
  readonly #onPam: (segments: readonly PamSegment[]) => void;

  /** `onPam` gets all segments whenever one changed, at reset and at restore. */
  constructor(options: {
    name: string;
    pci: PciBus;
    onPam: (segments: readonly PamSegment[]) => void;
  }) {
    this.name = options.name;
    this.#onPam = options.onPam;
    this.#pci = options.pci.addFunction({
      name: options.name,
      slot: SLOT,
      identity: {
        vendorId: 0x8086,
        deviceId: 0x1237,
        classCode: 0x06_0000,
        revisionId: 2,
        ...FW_CFG_SUBSYSTEM,
      },
      initial: [
        { offset: CONFIG.SMRAM, bytes: [0x02] },
        // The host bridge always answers and masters. [440FX] §3.2.3.
        { offset: 0x04, bytes: [0x06, 0x00, 0x80, 0x02] },
      ],
      writable: [
        { offset: CONFIG.PMC, masks: Array.from({ length: CONFIG.END - CONFIG.PMC }, () => 0xff) },
      ],
      onConfigWrite: (offset, size) => {
        const isPam = offset < CONFIG.PAM0 + CONFIG.PAM_COUNT && offset + size > CONFIG.PAM0;
        if (isPam) this.#onPam(this.pamSegments());
      },
    });
  }

  /** The thirteen segments as they are switched now. */
  pamSegments(): PamSegment[] {
    const segments = Array.from({ length: 12 }, (_, index) => {
      const register = this.#pci.config8(CONFIG.PAM0 + 1 + (index >> 1));
      const attributes = (index & 1) === 0 ? register : register >> 4;
      return segment(0xc_0000 + index * SEGMENT_BYTES, SEGMENT_BYTES, attributes);
    });
    segments.push(segment(0xf_0000, BIOS_BYTES, this.#pci.config8(CONFIG.PAM0) >> 4));
    return segments;
  }

  reset(): void {
    this.#pci.reset();
    this.#onPam(this.pamSegments());
  }

  save(): PciFunctionState {
    return this.#pci.save();
  }

  restore(state: PciFunctionState): void {
    this.#pci.restore(state);
    this.#onPam(this.pamSegments());
  }
}

function segment(address: number, sizeBytes: number, attributes: number): PamSegment {
  return {
    address,
    sizeBytes,
    isReadable: (attributes & PAM.RE) !== 0,
    isWritable: (attributes & PAM.WE) !== 0,
  };
}
