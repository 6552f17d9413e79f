// The chips of our PC and the wires between them.

import type { Clock } from '@umbra/base';
import type { CharBackend, Device, IrqLine } from '@umbra/core';
import { LocalApic, TSC_HZ } from '@umbra/cpu';
import {
  BochsVga,
  DebugConsole,
  DebugExit,
  FwCfg,
  Hpet,
  I440fx,
  I8042,
  I8237Pair,
  I8254Pit,
  I8259Pair,
  I82093Ioapic,
  IsaInterrupts,
  Mc146818Rtc,
  type PamSegment,
  PciBus,
  PcTestdev,
  Piix3,
  Piix4Pm,
  PostPort,
  SystemControlPortA,
  SystemControlPortB,
  Uart16550,
} from '@umbra/devices';
import type { PhysicalBus } from './bus/physical-bus.ts';
import type { PortBus } from './bus/port-bus.ts';
import { type BoardDrive, buildDrives, type RemovableDrive } from './drives.ts';
import { PLATFORM } from './firmware/platform.ts';
import type { ProcessorPort } from './processor-port.ts';

const IOAPIC_PINS = 24;
const ISA_IRQS = 16;
const COM_PORTS = [
  { firstPort: 0x3f8, irq: 4 },
  { firstPort: 0x2f8, irq: 3 },
] as const;
const PAGE = 4096;

/** Bytes from the host for a serial port; -1 when there are none. */
export interface ByteSource {
  read(): number;
}

export interface SerialLine {
  readonly output: CharBackend;
  readonly input?: ByteSource;
}

/** What the chips ask of the machine around them. */
export interface ChipsetEvents {
  onReset(): void;
  onPowerOff(): void;
  onDebugExit(value: number): void;
  onPam(segments: readonly PamSegment[]): void;
}

export interface ChipsetOptions {
  readonly processor: ProcessorPort;
  readonly ports: PortBus;
  readonly physical: PhysicalBus;
  readonly clock: Clock;
  readonly events: ChipsetEvents;
  readonly serial: readonly SerialLine[];
  readonly vgaRom?: Uint8Array | undefined;
  readonly debugConsole?: CharBackend | undefined;
  readonly hasDebugExit: boolean;
  readonly hasTestDevice: boolean;
  readonly drives: readonly BoardDrive[];
}

/** All chips of a machine. */
export class Chipset {
  readonly devices: readonly Device[];
  readonly localApic: LocalApic;
  readonly fwCfg: FwCfg;
  readonly rtc: Mc146818Rtc;
  readonly power: Piix4Pm;
  readonly keyboard: I8042;
  readonly vga: BochsVga;
  /** Drives whose media can be changed, by drive number. */
  readonly removableDrives: ReadonlyMap<number, RemovableDrive>;
  readonly #pic: I8259Pair;
  readonly #serial: { readonly uart: Uart16550; readonly input: ByteSource | undefined }[] = [];

  constructor(options: ChipsetOptions) {
    const { processor, ports: pio, physical: mmio, clock, events } = options;
    const memory = processor.guestMemory;
    const devices: Device[] = [];
    const add = <D extends Device>(device: D): D => {
      devices.push(device);
      return device;
    };
    this.localApic = add(buildLocalApic(options, (vector) => ioapic.eoi(vector)));
    const { localApic } = this;
    const output = { set: (asserted: boolean) => localApic.setExtInt(asserted) };
    this.#pic = add(new I8259Pair({ name: 'pic', pio, output }));
    const ioapic = add(
      new I82093Ioapic({ name: 'ioapic', mmio, bus: localApic, address: PLATFORM.IOAPIC }),
    );
    const isa = add(new IsaInterrupts({ name: 'isa-interrupts', pic: this.#pic, ioapic }));
    const pins = Array.from({ length: IOAPIC_PINS }, (_, pin) => ioapic.line(pin));

    const irq0 = isa.source(0, { isLegacyTimer: true });
    const pit = add(new I8254Pit({ name: 'pit', pio, clock, irq0, interest: isa.edgeInterest(0) }));
    add(new SystemControlPortB({ name: 'port-b', pio, clock, pit }));
    const rtcIrq = isa.source(8, { isLegacyTimer: true });
    this.rtc = add(new Mc146818Rtc({ name: 'rtc', pio, clock, irq: rtcIrq }));
    add(
      new Hpet({
        name: 'hpet',
        mmio,
        clock,
        address: PLATFORM.HPET,
        pins,
        irq0: isa.source(0),
        irq0Interest: isa.edgeInterest(0),
        irq8: isa.source(8),
        onLegacyReplacement: (isReplaced) => isa.setLegacyReplacement(isReplaced),
      }),
    );
    const onA20 = (isEnabled: boolean): void => processor.setA20(isEnabled);
    const onReset = (): void => events.onReset();
    this.keyboard = add(
      new I8042({
        name: 'keyboard',
        pio,
        keyboardIrq: isa.source(1),
        mouseIrq: isa.source(12),
        onA20,
        onReset,
      }),
    );
    add(new SystemControlPortA({ name: 'port-a', pio, onA20, onReset }));
    const dma = add(new I8237Pair({ name: 'dma', pio, memory }));
    for (const [index, line] of options.serial.entries()) {
      this.#addSerial(options, line, index, isa.source(COM_PORTS[index]?.irq ?? 0), add);
    }
    const pci = add(new PciBus({ name: 'pci', pio, mmio, onReset }));
    add(new I440fx({ name: 'i440fx', pci, onPam: (segments) => events.onPam(segments) }));
    const irqs = Array.from({ length: ISA_IRQS }, (_, irq) => isa.source(irq));
    const pirqPins = pins.slice(PLATFORM.PIRQ_PIN, PLATFORM.PIRQ_PIN + 4);
    add(new Piix3({ name: 'piix3', pci, irqs, pirqPins }));
    this.power = add(
      new Piix4Pm({
        name: 'piix4-pm',
        pci,
        pio,
        clock,
        sci: isa.source(PLATFORM.SCI),
        onPowerOff: () => events.onPowerOff(),
        base: PLATFORM.ACPI_PORTS,
      }),
    );
    this.vga = add(
      new BochsVga({ name: 'vga', pci, pio, mmio, memory, clock, rom: options.vgaRom }),
    );
    this.fwCfg = add(new FwCfg({ name: 'fw-cfg', pio, memory }));
    add(new PostPort({ name: 'post', pio }));
    if (options.debugConsole !== undefined) {
      add(new DebugConsole({ name: 'debug-console', pio, line: options.debugConsole }));
    }
    if (options.hasDebugExit) {
      add(new DebugExit({ name: 'debug-exit', pio, onExit: (value) => events.onDebugExit(value) }));
    }
    if (options.hasTestDevice) {
      add(new PcTestdev({ name: 'test-device', pio, mmio, lines: testLines(isa, pins) }));
    }
    const ideIrqs = [isa.source(14), isa.source(15)] as const;
    const floppyIrq = isa.source(6);
    const { controllers, removable } = buildDrives({
      drives: options.drives,
      pci,
      pio,
      memory,
      dma,
      ideIrqs,
      floppyIrq,
    });
    for (const controller of controllers) add(controller);
    this.removableDrives = removable;
    this.devices = devices;
  }

  /** Vector of the interrupt to deliver now, -1 when it went away. */
  acknowledgeInterrupt(): number {
    const vector = this.localApic.acknowledge();
    if (vector >= 0) return vector;
    const fromPic = this.localApic.acceptsExtInt() && this.#pic.hasInterrupt();
    return fromPic ? this.#pic.acknowledge() : -1;
  }

  /** Hands bytes that wait at the host to the serial ports, as far as these have room. */
  feedSerial(): void {
    for (const { uart, input } of this.#serial) {
      if (input !== undefined) feed(uart, input);
    }
  }

  #addSerial(
    options: ChipsetOptions,
    line: SerialLine,
    index: number,
    irq: IrqLine,
    add: <D extends Device>(device: D) => D,
  ): void {
    const firstPort = COM_PORTS[index]?.firstPort ?? 0;
    const { input } = line;
    const uart = add(
      new Uart16550({
        name: `com${index + 1}`,
        pio: options.ports,
        firstPort,
        irq,
        line: line.output,
        clock: options.clock,
        onInputSpace: () => {
          if (input !== undefined) feed(uart, input);
        },
      }),
    );
    this.#serial.push({ uart, input });
  }
}

/** Serial ports that a machine has room for. */
export const SERIAL_PORTS_MAX: number = COM_PORTS.length;

function feed(uart: Uart16550, input: ByteSource): void {
  while (uart.inputSpace() > 0) {
    const byte = input.read();
    if (byte < 0) return;
    uart.feed(byte);
  }
}

function buildLocalApic(options: ChipsetOptions, onEoi: (vector: number) => void): LocalApic {
  const { processor, physical } = options;
  let mappedAt: number | undefined;
  const localApic = new LocalApic({
    name: 'local-apic',
    id: 0,
    clock: options.clock,
    tscHz: TSC_HZ,
    tsc: () => processor.timeStamp(),
    output: { set: (asserted) => processor.setInterruptLine(asserted) },
    onEoi,
    onNmi: () => processor.raiseNmi(),
    onInit: () => processor.requestInit(),
    // A startup message wakes a processor that waits for one; the first never does.
    onStartup: () => undefined,
    onBaseChange: (address, isMmioEnabled) => show(isMmioEnabled ? address : undefined),
  });
  const registers = {
    read: (offset: number, size: number) => localApic.mmioRead(offset, size),
    write: (offset: number, size: number, value: number) =>
      localApic.mmioWrite(offset, size, value),
  };
  const show = (address: number | undefined): void => {
    if (mappedAt !== undefined) physical.unregister(mappedAt);
    // A guest may put the page onto something else: then it is simply not seen.
    mappedAt = address !== undefined && physical.isFree(address, PAGE) ? address : undefined;
    if (mappedAt !== undefined) physical.register('local-apic', mappedAt, PAGE, registers);
  };
  show(PLATFORM.LOCAL_APIC);
  return localApic;
}

/** Wires that the test device drives: ISA interrupts by their number, the rest by pin. */
function testLines(isa: IsaInterrupts, pins: readonly IrqLine[]): IrqLine[] {
  return pins.map((pin, index) => (index < ISA_IRQS ? isa.source(index) : pin));
}
