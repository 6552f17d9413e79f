import { assert, MiB, UmbraError } from '@umbra/base';
import type { CharBackend } from '@umbra/core';
import { FW_CFG_KEY, type PamSegment } from '@umbra/devices';
import { BOOT_ORDER_FILE, bootOrderFile } from './boot/boot-order.ts';
import type { BootPlan } from './boot/boot-plan.ts';
import { bootGdt, buildBootRom, SELECTOR } from './boot/boot-rom.ts';
import { type LoadedPiece, placeLinux } from './boot/bzimage.ts';
import { leaveFirmwareState } from './boot/firmware-state.ts';
import { placeMultiboot } from './boot/multiboot.ts';
import { setUpPci } from './boot/pci-setup.ts';
import { PhysicalBus } from './bus/physical-bus.ts';
import { PortBus } from './bus/port-bus.ts';
import { Chipset, type SerialLine } from './chipset.ts';
import type { DriveMedia, DriveSpec } from './drive-spec.ts';
import type { BoardDrive } from './drives.ts';
import { buildAcpiTables, RSDP_FILE, TABLES_FILE } from './firmware/acpi-tables.ts';
import { ByteWriter } from './firmware/byte-writer.ts';
import { fillCmos } from './firmware/cmos.ts';
import {
  acpiAreaAddress,
  directMemoryMap,
  encodeMemoryMap,
  firmwareMemoryMap,
  ramRanges,
} from './firmware/memory-map.ts';
import { PLATFORM } from './firmware/platform.ts';
import { buildSmbios, SMBIOS_ANCHOR_FILE, SMBIOS_TABLES_FILE } from './firmware/smbios.ts';
import { LOADER_FILE, tableLoaderScript } from './firmware/table-loader.ts';
import type { BoardPort, ProcessorPort } from './processor-port.ts';
import type { MachineClock } from './time/machine-clock.ts';

const LOW_ROM_BYTES = PLATFORM.HIGH_BASE - PLATFORM.ROM_BASE;
/** Host memory beside RAM: display memory, the ROM area and the largest firmware image. */
export const VIDEO_BYTES = 32 * MiB;
export interface PcOptions {
  readonly ramBytes: number;
  readonly clock: MachineClock;
  readonly plan: BootPlan;
  readonly serial: readonly SerialLine[];
  readonly vgaRom?: Uint8Array | undefined;
  readonly debugConsole?: CharBackend | undefined;
  readonly hasDebugExit: boolean;
  readonly hasTestDevice: boolean;
  readonly drives: readonly BoardDrive[];
  readonly bootOrder: readonly DriveMedia[];
  /** 16 bytes that identify the machine. */
  readonly uuid: Uint8Array;
  /** 32 random bits. */
  readonly random: () => number;
  /** Makes the processor; the board answers from its first instruction on. */
  readonly createProcessor: (board: BoardPort) => ProcessorPort;
}

/** Why a machine came to its end. */
export type PcEnd =
  | { readonly kind: 'power-off' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'debug-exit'; readonly value: number }
  | { readonly kind: 'shutdown'; readonly dump: string }
  | { readonly kind: 'failure'; readonly message: string; readonly dump: string };

/** Requests to a running machine, as bits: see Pc.handleRequests. */
export const REQUEST = {
  STOP: 1 << 0,
  RESET: 1 << 1,
  POWER_BUTTON: 1 << 2,
  NMI: 1 << 3,
  /** The guest stands still until RESUME, or its end. */
  PAUSE: 1 << 4,
  RESUME: 1 << 5,
  /** There is something in the media mailbox. */
  MEDIA: 1 << 6,
} as const;

/** The state of a machine except for its memory, as JSON. */
export interface SavedPc {
  readonly version: 1;
  readonly nowNs: number;
  readonly processor: unknown;
  readonly devices: Readonly<Record<string, { kind: string; version: number; state: unknown }>>;
}

/** A whole PC on the processor's thread: processor, memory, chips, and what it boots. */
export class Pc {
  readonly processor: ProcessorPort;
  readonly chipset: Chipset;
  readonly #options: PcOptions;
  readonly #ports = new PortBus();
  readonly #lowRom: Uint8Array;
  readonly #lowRomOffset: number;
  #end: PcEnd | undefined;
  #isResetRequested = false;
  #isPaused = false;
  /** Takes the requests made from outside so far; set by the thread that owns the machine. */
  takeRequests: () => number = () => 0;
  /** Blocks the thread until there is a request; set likewise. */
  waitForRequest: () => void = () => undefined;
  /** Does what the host wants done with drives; set likewise. */
  changeMedia: () => void = () => undefined;
  /** Hands the controllers what their disks have finished; set likewise. */
  collectDisks: () => void = () => undefined;

  constructor(options: PcOptions) {
    this.#options = options;
    // The board speaks for buses that exist once the processor's memory does.
    const buses: { physical?: PhysicalBus; chipset?: Chipset } = {};
    this.processor = options.createProcessor(this.#board(buses));
    const memory = this.processor.guestMemory;
    const physical = new PhysicalBus(memory);
    buses.physical = physical;
    reserveMemory(physical, options.ramBytes);
    this.#lowRomOffset = memory.allocateVideo(LOW_ROM_BYTES);
    this.#lowRom = memory
      .hostBytes()
      .subarray(this.#lowRomOffset, this.#lowRomOffset + LOW_ROM_BYTES);
    this.chipset = new Chipset({
      processor: this.processor,
      ports: this.#ports,
      physical,
      clock: options.clock,
      serial: options.serial,
      vgaRom: options.vgaRom,
      debugConsole: options.debugConsole,
      hasDebugExit: options.hasDebugExit,
      hasTestDevice: options.hasTestDevice,
      drives: options.drives,
      events: {
        onReset: () => this.#requestReset(),
        onPowerOff: () => this.#finish({ kind: 'power-off' }),
        onDebugExit: (value) => this.#finish({ kind: 'debug-exit', value }),
        onPam: (segments) => this.#switchSegments(segments),
      },
    });
    buses.chipset = this.chipset;
    this.#fillFirmwareConfiguration();
    this.#fillCmos();
    this.#mapFirmware(physical);
    this.#start();
  }

  /** Runs the machine until it ends. Blocks the thread, also while the guest sleeps. */
  run(): PcEnd {
    for (;;) {
      const exit = this.processor.run();
      if (this.#end !== undefined) return this.#end;
      if (this.#isResetRequested) {
        this.#start();
        continue;
      }
      switch (exit.kind) {
        case 'halt':
          this.#sleep();
          break;
        case 'stopped':
          break;
        case 'shutdown':
          return { kind: 'shutdown', dump: this.processor.dump() };
        case 'failure':
          return { kind: 'failure', message: exit.message, dump: this.processor.dump() };
      }
      if (this.#end !== undefined) return this.#end;
    }
  }

  save(): SavedPc {
    const devices = this.chipset.devices.map(
      (device) =>
        [
          device.name,
          { kind: device.schema.kind, version: device.schema.version, state: device.save() },
        ] as const,
    );
    return {
      version: 1,
      nowNs: this.#options.clock.now(),
      processor: this.processor.save(),
      devices: Object.fromEntries(devices),
    };
  }

  /** Takes over a saved state; memory has been restored already. */
  restore(saved: SavedPc): void {
    this.#options.clock.setNow(saved.nowNs);
    for (const device of this.chipset.devices) {
      const entry = saved.devices[device.name];
      const { kind, version } = device.schema;
      if (entry === undefined || entry.kind !== kind || entry.version !== version) {
        throw new UmbraError(
          'STATE_DEVICE',
          `The saved state holds ${entry?.kind ?? 'nothing'} version ${entry?.version ?? '-'} for ${device.name}, expected ${kind} version ${version}`,
        );
      }
      device.restore(device.schema.parse(entry.state));
    }
    this.processor.restore(saved.processor);
  }

  #board(buses: { physical?: PhysicalBus; chipset?: Chipset }): BoardPort {
    const ports = this.#ports;
    const { clock, random } = this.#options;
    const physical = (): PhysicalBus => buses.physical as PhysicalBus;
    const localApic = (): Chipset['localApic'] => (buses.chipset as Chipset).localApic;
    return {
      ioRead: (port, size) => ports.read(port, size),
      ioWrite: (port, size, value) => ports.write(port, size, value),
      mmioRead: (address, size) => physical().read(address, size),
      mmioWrite: (address, size, value) => physical().write(address, size, value),
      acknowledgeInterrupt: () => (buses.chipset as Chipset).acknowledgeInterrupt(),
      service: () => this.#service(),
      now: () => clock.now(),
      readMsr: (index) => localApic().readMsr(index),
      writeMsr: (index, lo, hi) => localApic().writeMsr(index, lo, hi),
      readCr8: () => localApic().readCr8(),
      writeCr8: (value) => localApic().writeCr8(value),
      random,
    };
  }

  #service(): void {
    this.#options.clock.runDue();
    this.#handleRequests(this.takeRequests());
    this.collectDisks();
    this.chipset.feedSerial();
    while (this.#isPaused && this.#end === undefined) {
      this.waitForRequest();
      this.#handleRequests(this.takeRequests());
    }
  }

  #handleRequests(requests: number): void {
    if ((requests & REQUEST.PAUSE) !== 0) this.#isPaused = true;
    if ((requests & REQUEST.RESUME) !== 0) this.#isPaused = false;
    if ((requests & REQUEST.MEDIA) !== 0) this.changeMedia();
    if ((requests & REQUEST.NMI) !== 0) this.processor.raiseNmi();
    if ((requests & REQUEST.POWER_BUTTON) !== 0) this.chipset.power.pressPowerButton();
    if ((requests & REQUEST.RESET) !== 0) this.#requestReset();
    if ((requests & REQUEST.STOP) !== 0) this.#finish({ kind: 'stopped' });
  }

  #sleep(): void {
    this.processor.waitForWork(this.#options.clock.untilNextMs());
    // A deadline may have passed without the timer thread being faster than this one.
    this.#service();
  }

  #finish(end: PcEnd): void {
    this.#end ??= end;
    this.processor.requestStop();
  }

  #requestReset(): void {
    this.#isResetRequested = true;
    this.processor.requestStop();
  }

  /** Power-on and reset: everything to its first state, then the way to boot. */
  #start(): void {
    this.#isResetRequested = false;
    this.processor.reset();
    for (const device of this.chipset.devices) device.reset();
    const { plan } = this.#options;
    if (plan.kind !== 'firmware') setUpPci(this.#ports);
    if (plan.kind === 'linux') this.#startLinux(plan);
    if (plan.kind === 'multiboot') {
      this.#startMultiboot(plan);
      leaveFirmwareState(this.#ports, this.processor.guestMemory, this.#lowRom);
    }
  }

  #startLinux(plan: BootPlan & { kind: 'linux' }): void {
    const memoryMap = directMemoryMap(this.#options.ramBytes);
    const boot = placeLinux({ ...plan, memoryMap });
    this.#load([...boot.pieces, this.#acpiPiece()]);
    const selectors = { codeSelector: SELECTOR.CODE, dataSelector: SELECTOR.DATA };
    const gdt = bootGdt(boot.entry.bits);
    if (boot.entry.bits === 64) {
      this.processor.setLongMode({
        rip: boot.entry.address,
        rsi: boot.bootParams,
        rsp: boot.stackTop,
        cr3: boot.pageTables,
        ...gdt,
        ...selectors,
      });
    } else {
      this.processor.setProtectedMode({
        eip: boot.entry.address,
        ebx: 0,
        esi: boot.bootParams,
        esp: boot.stackTop,
        ...gdt,
        ...selectors,
      });
    }
  }

  #startMultiboot(plan: BootPlan & { kind: 'multiboot' }): void {
    const { ramBytes } = this.#options;
    const boot = placeMultiboot({ ...plan, memoryMap: directMemoryMap(ramBytes), ramBytes });
    this.#load([...boot.pieces, this.#acpiPiece()]);
    this.processor.setProtectedMode({
      eip: boot.entry,
      eax: boot.eax,
      ebx: boot.ebx,
      ...bootGdt(32),
      codeSelector: SELECTOR.CODE,
      dataSelector: SELECTOR.DATA,
    });
  }

  #load(pieces: readonly LoadedPiece[]): void {
    for (const { address, bytes } of pieces) this.processor.guestMemory.writeFrom(address, bytes);
  }

  /** ACPI tables for direct boot; the ROM area gets what points to them. */
  #acpiPiece(): LoadedPiece {
    const { ramBytes } = this.#options;
    const address = acpiAreaAddress(ramBytes);
    const { image, tables } = buildBootRom(this.#acpiTables(), this.#smbios(), address);
    this.#lowRom.set(image);
    return { address, bytes: tables };
  }

  #acpiTables(): ReturnType<typeof buildAcpiTables> {
    return buildAcpiTables({ hasFloppy: this.#driveSpecs.some(({ bus }) => bus === 'floppy') });
  }

  get #driveSpecs(): readonly DriveSpec[] {
    return this.#options.drives.map(({ spec }) => spec);
  }

  #smbios(): ReturnType<typeof buildSmbios> {
    const { ramBytes, uuid } = this.#options;
    return buildSmbios({ ramBytes, uuid, processorName: 'Umbra Virtual CPU' });
  }

  #mapFirmware(physical: PhysicalBus): void {
    const { plan } = this.#options;
    this.#lowRom.fill(0xff);
    if (plan.kind !== 'firmware') return;
    const { bios } = plan;
    const memory = this.processor.guestMemory;
    const offset = memory.allocateVideo(bios.length);
    memory.hostBytes().set(bios, offset);
    const address = PLATFORM.FLASH_END - bios.length;
    physical.reserve('firmware', address, bios.length);
    memory.mapRom(address, offset, bios.length);
    // Below 1 MiB the last 128 KiB of the image are seen.
    const alias = bios.subarray(-Math.min(bios.length, PLATFORM.HIGH_BASE - PLATFORM.BIOS_BASE));
    this.#lowRom.set(alias, LOW_ROM_BYTES - alias.length);
  }

  /**
   * Deviation: a segment that reads from ROM and writes to RAM ([440FX] §3.2.18) loses its writes.
   * SeaBIOS copies itself from the image below 4 GiB instead.
   */
  #switchSegments(segments: readonly PamSegment[]): void {
    const memory = this.processor.guestMemory;
    for (const { address, sizeBytes, isReadable, isWritable } of segments) {
      if (isReadable && isWritable) memory.mapRam(address, sizeBytes);
      else if (isReadable) memory.mapRamReadOnly(address, sizeBytes);
      else {
        const offset = this.#lowRomOffset + address - PLATFORM.ROM_BASE;
        memory.mapRom(address, offset, sizeBytes);
      }
    }
  }

  #fillFirmwareConfiguration(): void {
    const { fwCfg } = this.chipset;
    const { ramBytes, uuid } = this.#options;
    const acpi = this.#acpiTables();
    const smbios = this.#smbios();
    const one = new ByteWriter().u16(1).toBytes();
    fwCfg.setItem(FW_CFG_KEY.UUID, uuid);
    fwCfg.setItem(FW_CFG_KEY.RAM_SIZE, new ByteWriter().u64(ramBytes).toBytes());
    fwCfg.setItem(FW_CFG_KEY.CPU_COUNT, one);
    fwCfg.setItem(FW_CFG_KEY.CPU_COUNT_MAX, one);
    fwCfg.setItem(FW_CFG_KEY.NOGRAPHIC, new ByteWriter().u16(0).toBytes());
    fwCfg.setItem(FW_CFG_KEY.BOOT_MENU, new ByteWriter().u16(0).toBytes());
    fwCfg.setItem(FW_CFG_KEY.IRQ0_OVERRIDE, new ByteWriter().u32(1).toBytes());
    fwCfg.addFile('etc/e820', encodeMemoryMap(firmwareMemoryMap(ramBytes)));
    fwCfg.addFile(TABLES_FILE, acpi.tables);
    fwCfg.addFile(RSDP_FILE, acpi.rsdp);
    fwCfg.addFile(LOADER_FILE, tableLoaderScript(acpi));
    fwCfg.addFile(SMBIOS_TABLES_FILE, smbios.tables);
    fwCfg.addFile(SMBIOS_ANCHOR_FILE, smbios.anchor);
    const { bootOrder } = this.#options;
    const drives = this.#driveSpecs;
    if (drives.length > 0) fwCfg.addFile(BOOT_ORDER_FILE, bootOrderFile(drives, bootOrder));
  }

  #fillCmos(): void {
    const { rtc } = this.chipset;
    const { ramBytes } = this.#options;
    fillCmos((index, value) => rtc.setCmos(index, value), { ramBytes, drives: this.#driveSpecs });
  }
}

function reserveMemory(physical: PhysicalBus, ramBytes: number): void {
  const [low, ...high] = ramRanges(ramBytes);
  assert(low !== undefined, 'there is RAM from address 0 on');
  physical.reserve('conventional memory', 0, PLATFORM.VIDEO_BASE);
  physical.reserve('ROM area', PLATFORM.ROM_BASE, LOW_ROM_BYTES);
  physical.reserve('RAM', PLATFORM.HIGH_BASE, low.size - PLATFORM.HIGH_BASE);
  for (const { address, size } of high) physical.reserve('RAM above 4 GiB', address, size);
}
