import type { Clock, Timer, u8, u32 } from '@umbra/base';
import type { Device, IrqLine, PioBus, PioHandlers } from '@umbra/core';
import * as z from 'zod';
import { FW_CFG_SUBSYSTEM } from './i440fx.ts';
import type { PciBus } from './pci-bus.ts';
import { type PciFunction, PciFunctionState } from './pci-function.ts';
import { Piix4Smbus, SMBUS_PORTS, SmbusState } from './piix4-smbus.ts';
import { ticksAt, timeOfTick } from './rate.ts';
import { byte, count, stateSchema, word } from './state.ts';

const SLOT = 1;
const FUNCTION = 3;
/** [PIIX4] §7.1. */
const CONFIG = {
  INTERRUPT_LINE: 0x3c,
  PMBA: 0x40,
  DEVACTB: 0x58,
  PMREGMISC: 0x80,
  SMBBA: 0x90,
  SMBHSTCFG: 0xd2,
} as const;
const PMREGMISC = { PMIOSE: 1 << 0 } as const;
const SMBHSTCFG = { SMB_HST_EN: 1 << 0 } as const;
/** DEVACTB bit 25 (APMC_EN): firmware that finds it set does not install SMM code. */
const DEVACTB_APMC_EN = 0x02;
const BASE_MASK = 0xffc0;
const SMBUS_BASE_MASK = 0xfff0;
const PM_PORTS = 64;
/** Registers of the power management block. [PIIX4] §7.2. */
const REG = {
  PMSTS: 0x00,
  PMEN: 0x02,
  PMCNTRL: 0x04,
  PMTMR: 0x08,
  GPSTS: 0x0c,
  GPEN: 0x0e,
} as const;
const PMSTS = { TMROF: 1 << 0, GBL: 1 << 5, PWRBTN: 1 << 8, RTC: 1 << 10, RSM: 1 << 15 } as const;
const PMSTS_ALL = PMSTS.TMROF | PMSTS.GBL | PMSTS.PWRBTN | PMSTS.RTC | PMSTS.RSM;
const PMEN_ALL = PMSTS.TMROF | PMSTS.GBL | PMSTS.PWRBTN | PMSTS.RTC;
const PMCNTRL = { SCI_EN: 1 << 0, SUS_TYP_SHIFT: 10, SUS_EN: 1 << 13, KEPT: 0x1c03 } as const;
const PORT = { APMC: 0xb2 } as const;
/** Values of the SMI command port that the FADT announces. */
export const ACPI_ENABLE = 0xf1;
export const ACPI_DISABLE = 0xf0;
/** SLP_TYP values. [PIIX4] §7.2.3, "SUS_TYP". */
export const SLEEP_TYPE = { S5: 0, S3: 1, S1: 2 } as const;
/** Rate of the ACPI power management timer, in hertz. [ACPI] §4.8.2.1. */
export const PM_TIMER_HZ = 3_579_545;
/** The status bit is set whenever bit 23 toggles. */
const TIMER_HALF = 0x80_0000;
const DEFAULT_BASE = 0x600;
const SMBUS_OFFSET = 0x100;

const State = z.strictObject({
  pci: PciFunctionState,
  smbus: SmbusState,
  pmsts: word,
  pmen: word,
  pmcntrl: word,
  gpsts: word,
  gpen: word,
  apmControl: byte,
  apmStatus: byte,
  /** Half rounds of the timer whose overflow is accounted for. */
  timerHalvesSeen: count,
});
type State = z.infer<typeof State>;

/** Power management function of the Intel 82371AB: ACPI registers, PM timer, APM port. [PIIX4] */
export class Piix4Pm implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('piix4-pm', 1, State);
  readonly #pio: PioBus;
  readonly #clock: Clock;
  readonly #sci: IrqLine;
  readonly #onPowerOff: () => void;
  readonly #onSleep: ((type: number) => void) | undefined;
  readonly #base: number;
  readonly #pci: PciFunction;
  readonly #smbus = new Piix4Smbus();
  readonly #pmWindow: IoWindow;
  readonly #smbusWindow: IoWindow;
  #pmsts = 0;
  #pmen = 0;
  #pmcntrl = 0;
  #gpsts = 0;
  #gpen = 0;
  #apmControl = 0;
  #apmStatus = 0;
  #timerHalvesSeen = 0;
  #timer: Timer | undefined;

  /** `base` is where the registers are after reset; firmware may move them. */
  constructor(options: {
    name: string;
    pci: PciBus;
    pio: PioBus;
    clock: Clock;
    sci: IrqLine;
    onPowerOff: () => void;
    onSleep?: (type: number) => void;
    base?: number;
  }) {
    this.name = options.name;
    this.#pio = options.pio;
    this.#clock = options.clock;
    this.#sci = options.sci;
    this.#onPowerOff = options.onPowerOff;
    this.#onSleep = options.onSleep;
    this.#base = options.base ?? DEFAULT_BASE;
    this.#pmWindow = { count: PM_PORTS, handlers: this, mappedAt: undefined };
    this.#smbusWindow = { count: SMBUS_PORTS, handlers: this.#smbus, mappedAt: undefined };
    this.#pci = this.#addFunction(options.pci);
    options.pio.register(`${this.name}-apm`, PORT.APMC, 2, {
      in8: (offset) => (offset === 0 ? this.#apmControl : this.#apmStatus),
      out8: (offset, value) => this.#writeApm(offset, value),
    });
    this.#remap();
  }

  /** Somebody pressed the power button. */
  pressPowerButton(): void {
    this.#pmsts |= PMSTS.PWRBTN;
    this.#sync();
  }

  /** A general-purpose event, 0 to 15. */
  raiseGpe(bit: number): void {
    this.#gpsts |= (1 << bit) & 0xffff;
    this.#sync();
  }

  in8(offset: number): u8 {
    return (this.#read(offset & ~3) >>> (8 * (offset & 3))) & 0xff;
  }

  in16(offset: number): number {
    return this.in8(offset) | (this.in8(offset + 1) << 8);
  }

  in32(offset: number): u32 {
    return (offset & 3) === 0
      ? this.#read(offset)
      : (this.in16(offset) | (this.in16(offset + 2) << 16)) >>> 0;
  }

  out8(offset: number, value: u8): void {
    const isHigh = (offset & 1) !== 0;
    const bits = isHigh ? value << 8 : value;
    const merge = (old: number): number => (isHigh ? (old & 0xff) | bits : (old & 0xff00) | bits);
    switch (offset & ~1) {
      case REG.PMSTS:
        this.#accountTimer();
        this.#pmsts &= ~bits;
        break;
      case REG.PMEN:
        this.#pmen = merge(this.#pmen) & PMEN_ALL;
        break;
      case REG.PMCNTRL:
        this.#writeControl(merge(this.#pmcntrl), isHigh);
        break;
      case REG.GPSTS:
        this.#gpsts &= ~bits;
        break;
      case REG.GPEN:
        this.#gpen = merge(this.#gpen);
        break;
    }
    this.#sync();
  }

  reset(): void {
    this.#pci.reset();
    this.#smbus.reset();
    this.#pmsts = 0;
    this.#pmen = 0;
    this.#pmcntrl = 0;
    this.#gpsts = 0;
    this.#gpen = 0;
    this.#apmControl = 0;
    this.#apmStatus = 0;
    this.#timerHalvesSeen = this.#timerHalves();
    this.#remap();
    this.#sync();
  }

  save(): State {
    return {
      pci: this.#pci.save(),
      smbus: this.#smbus.save(),
      pmsts: this.#pmsts,
      pmen: this.#pmen,
      pmcntrl: this.#pmcntrl,
      gpsts: this.#gpsts,
      gpen: this.#gpen,
      apmControl: this.#apmControl,
      apmStatus: this.#apmStatus,
      timerHalvesSeen: this.#timerHalvesSeen,
    };
  }

  restore(state: State): void {
    this.#pci.restore(state.pci);
    this.#smbus.restore(state.smbus);
    this.#pmsts = state.pmsts;
    this.#pmen = state.pmen;
    this.#pmcntrl = state.pmcntrl;
    this.#gpsts = state.gpsts;
    this.#gpen = state.gpen;
    this.#apmControl = state.apmControl;
    this.#apmStatus = state.apmStatus;
    this.#timerHalvesSeen = state.timerHalvesSeen;
    this.#remap();
    this.#scheduleTimer();
  }

  #addFunction(pci: PciBus): PciFunction {
    const smbusBase = this.#base + SMBUS_OFFSET;
    return pci.addFunction({
      name: this.name,
      slot: SLOT,
      function: FUNCTION,
      identity: {
        vendorId: 0x8086,
        deviceId: 0x7113,
        classCode: 0x06_8000,
        revisionId: 3,
        interruptPin: 1,
        ...FW_CFG_SUBSYSTEM,
      },
      initial: [
        { offset: 0x04, bytes: [0x01, 0x00, 0x80, 0x02] },
        { offset: CONFIG.INTERRUPT_LINE, bytes: [9] },
        // A directly booted kernel has no firmware that would open these.
        { offset: CONFIG.PMBA, bytes: [(this.#base & 0xff) | 1, this.#base >> 8] },
        { offset: CONFIG.DEVACTB + 3, bytes: [DEVACTB_APMC_EN] },
        { offset: CONFIG.PMREGMISC, bytes: [PMREGMISC.PMIOSE] },
        { offset: CONFIG.SMBBA, bytes: [(smbusBase & 0xff) | 1, smbusBase >> 8] },
        { offset: CONFIG.SMBHSTCFG, bytes: [0x09] },
      ],
      writable: [
        { offset: CONFIG.PMBA, masks: [BASE_MASK & 0xff, BASE_MASK >> 8] },
        { offset: CONFIG.PMBA + 4, masks: Array.from({ length: 0x3c }, () => 0xff) },
        { offset: CONFIG.PMREGMISC, masks: [0xff] },
        { offset: CONFIG.SMBBA, masks: [SMBUS_BASE_MASK & 0xff, SMBUS_BASE_MASK >> 8] },
        { offset: CONFIG.SMBHSTCFG, masks: [0xff, 0xff, 0xff, 0xff] },
      ],
      onConfigWrite: () => this.#remap(),
    });
  }

  /** Shows the register blocks where the configuration space says. */
  #remap(): void {
    const isPmOpen = (this.#pci.config8(CONFIG.PMREGMISC) & PMREGMISC.PMIOSE) !== 0;
    const pmBase = this.#pci.config16(CONFIG.PMBA) & BASE_MASK;
    this.#place(this.#pmWindow, isPmOpen ? pmBase : 0);
    const isSmbusOpen = (this.#pci.config8(CONFIG.SMBHSTCFG) & SMBHSTCFG.SMB_HST_EN) !== 0;
    const smbusBase = this.#pci.config16(CONFIG.SMBBA) & SMBUS_BASE_MASK;
    this.#place(this.#smbusWindow, isSmbusOpen ? smbusBase : 0);
  }

  #place(window: IoWindow, base: number): void {
    if (window.mappedAt === base) return;
    if (window.mappedAt !== undefined) this.#pio.unregister(window.mappedAt, window.count);
    window.mappedAt = undefined;
    if (base === 0 || !this.#pio.isFree(base, window.count)) return;
    this.#pio.register(this.name, base, window.count, window.handlers);
    window.mappedAt = base;
  }

  #read(offset: number): u32 {
    switch (offset) {
      case REG.PMSTS:
        this.#accountTimer();
        return (this.#pmsts | (this.#pmen << 16)) >>> 0;
      case REG.PMCNTRL:
        return this.#pmcntrl;
      case REG.PMTMR:
        return ticksAt(this.#clock.now(), PM_TIMER_HZ) % (2 * TIMER_HALF);
      case REG.GPSTS:
        return (this.#gpsts | (this.#gpen << 16)) >>> 0;
      default:
        return 0;
    }
  }

  #writeControl(value: number, isHigh: boolean): void {
    this.#pmcntrl = value & PMCNTRL.KEPT;
    if (!isHigh || (value & PMCNTRL.SUS_EN) === 0) return;
    const type = (value >> PMCNTRL.SUS_TYP_SHIFT) & 7;
    if (type === SLEEP_TYPE.S5) this.#onPowerOff();
    else this.#onSleep?.(type);
  }

  #writeApm(offset: number, value: u8): void {
    if (offset !== 0) {
      this.#apmStatus = value;
      return;
    }
    this.#apmControl = value;
    // There is no SMM code behind this port: what it would do for ACPI is done here.
    if (value === ACPI_ENABLE) this.#pmcntrl |= PMCNTRL.SCI_EN;
    if (value === ACPI_DISABLE) this.#pmcntrl &= ~PMCNTRL.SCI_EN;
    this.#sync();
  }

  #timerHalves(): number {
    return Math.floor(ticksAt(this.#clock.now(), PM_TIMER_HZ) / TIMER_HALF);
  }

  #accountTimer(): void {
    const halves = this.#timerHalves();
    if (halves !== this.#timerHalvesSeen) this.#pmsts |= PMSTS.TMROF;
    this.#timerHalvesSeen = halves;
  }

  #sync(): void {
    this.#pmsts &= PMSTS_ALL;
    const isEvent = (this.#pmsts & this.#pmen) !== 0 || (this.#gpsts & this.#gpen) !== 0;
    this.#sci.set(isEvent && (this.#pmcntrl & PMCNTRL.SCI_EN) !== 0);
    this.#scheduleTimer();
  }

  #scheduleTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const isWanted = (this.#pmen & PMSTS.TMROF) !== 0 && (this.#pmcntrl & PMCNTRL.SCI_EN) !== 0;
    if (!isWanted || (this.#pmsts & PMSTS.TMROF) !== 0) return;
    const deadline = timeOfTick((this.#timerHalvesSeen + 1) * TIMER_HALF, PM_TIMER_HZ);
    this.#timer = this.#clock.schedule(deadline, () => {
      this.#accountTimer();
      this.#sync();
    });
  }
}

interface IoWindow {
  readonly count: number;
  readonly handlers: PioHandlers;
  mappedAt: number | undefined;
}
