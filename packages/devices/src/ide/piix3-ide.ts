import type { BlockBackend, Device, GuestMemory, IrqLine, PioBus, PioHandlers } from '@umbra/core';
import * as z from 'zod';
import { FW_CFG_SUBSYSTEM } from '../i440fx.ts';
import type { PciBus } from '../pci-bus.ts';
import { type PciFunction, PciFunctionState } from '../pci-function.ts';
import type { ScsiCdrom } from '../scsi/scsi-cdrom.ts';
import { stateSchema } from '../state.ts';
import { AtaDisk, AtaDiskState } from './ata-disk.ts';
import { AtapiDrive, AtapiDriveState } from './atapi-drive.ts';
import { IdeChannel, IdeChannelState } from './ide-channel.ts';

const SLOT = 1;
const FUNCTION = 1;
/** [PIIX3] §2.3. */
const CONFIG = { COMMAND: 0x04, IDETIM: 0x40, SIDETIM: 0x44 } as const;
const IDETIM_DECODE = 1 << 15;
const COMMAND_IO = 1 << 0;
const CHANNELS = [
  { commandPort: 0x1f0, controlPort: 0x3f6 },
  { commandPort: 0x170, controlPort: 0x376 },
] as const;
const MODEL = { disk: 'Umbra Virtual Disk', cdrom: 'Umbra Virtual DVD-ROM' } as const;
/** Ports of one channel's bus master. */
const BUS_MASTER_PORTS = 8;

const DriveState = z.union([AtaDiskState, AtapiDriveState]);
const State = z.strictObject({
  pci: PciFunctionState,
  channels: z.array(IdeChannelState).length(CHANNELS.length),
  drives: z.array(DriveState.nullable()).length(2 * CHANNELS.length),
});
type State = z.infer<typeof State>;

/** A drive on one of the four places: first and second of each channel. */
export type IdeDriveOptions =
  | { readonly kind: 'disk'; readonly backend: BlockBackend; readonly serial: string }
  | { readonly kind: 'cdrom'; readonly unit: ScsiCdrom; readonly serial: string };

/** The IDE controller of the PIIX3: two channels, each with a bus master. [PIIX3] */
export class Piix3Ide implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('piix3-ide', 1, State);
  readonly #pci: PciFunction;
  readonly #channels: readonly IdeChannel[];
  readonly #drives: readonly (AtaDisk | AtapiDrive | undefined)[];

  /** `irqs` are ISA interrupts 14 and 15. */
  constructor(options: {
    name: string;
    pci: PciBus;
    pio: PioBus;
    memory: GuestMemory;
    irqs: readonly [IrqLine, IrqLine];
    drives: readonly (IdeDriveOptions | undefined)[];
  }) {
    const { name, pio, memory, irqs } = options;
    this.name = name;
    this.#pci = options.pci.addFunction({
      name,
      slot: SLOT,
      function: FUNCTION,
      identity: { vendorId: 0x8086, deviceId: 0x7010, classCode: 0x01_0180, ...FW_CFG_SUBSYSTEM },
      bars: { 4: { kind: 'io', sizeBytes: 16, handlers: this.#busMasters() } },
      writable: [{ offset: CONFIG.IDETIM, masks: [0xff, 0xff, 0xff, 0xff, 0xff] }],
    });
    this.#channels = CHANNELS.map(
      ({ commandPort, controlPort }, index) =>
        new IdeChannel({
          name: `${name}-channel${index}`,
          pio,
          memory,
          irq: irqs[index] as IrqLine,
          commandPort,
          controlPort,
          isDecoding: () => this.#isDecoding(index),
        }),
    );
    this.#drives = Array.from({ length: 2 * CHANNELS.length }, (_, place) =>
      this.#attach(place, options.drives[place]),
    );
  }

  reset(): void {
    this.#pci.reset();
    for (const channel of this.#channels) channel.reset();
  }

  save(): State {
    return {
      pci: this.#pci.save(),
      channels: this.#channels.map((channel) => channel.save()),
      drives: this.#drives.map((drive) => drive?.save() ?? null),
    };
  }

  /** Throws when the state has other drives than this controller. */
  restore(state: State): void {
    this.#pci.restore(state.pci);
    for (const [place, drive] of this.#drives.entries()) {
      const saved = state.drives[place] ?? undefined;
      if (drive instanceof AtaDisk) drive.restore(AtaDiskState.parse(saved));
      if (drive instanceof AtapiDrive) drive.restore(AtapiDriveState.parse(saved));
    }
    for (const [index, channel] of this.#channels.entries()) {
      const saved = state.channels[index];
      if (saved !== undefined) channel.restore(saved);
    }
  }

  #attach(place: number, options: IdeDriveOptions | undefined): AtaDisk | AtapiDrive | undefined {
    const channel = this.#channels[place >> 1];
    if (options === undefined || channel === undefined) return undefined;
    const names = { serial: options.serial, model: MODEL[options.kind] };
    const drive =
      options.kind === 'disk'
        ? new AtaDisk(channel, { backend: options.backend, ...names })
        : new AtapiDrive(channel, { unit: options.unit, ...names });
    channel.attach((place & 1) as 0 | 1, drive);
    return drive;
  }

  /** Whether the bridge passes accesses to a channel's ports on. [PIIX3] §2.3.9 */
  #isDecoding(index: number): boolean {
    const timing = this.#pci.config16(CONFIG.IDETIM + 2 * index);
    const isEnabled = (this.#pci.config16(CONFIG.COMMAND) & COMMAND_IO) !== 0;
    return isEnabled && (timing & IDETIM_DECODE) !== 0;
  }

  #busMasters(): PioHandlers {
    const of = (offset: number) => this.#channels[offset >> 3]?.busMaster;
    return {
      in8: (offset) => of(offset)?.in8(offset % BUS_MASTER_PORTS) ?? 0xff,
      out8: (offset, value) => of(offset)?.out8(offset % BUS_MASTER_PORTS, value),
    };
  }
}
