import type { Clock, Timer, u8 } from '@umbra/base';
import type { Device, IrqLine, PioBus } from '@umbra/core';
import * as z from 'zod';
import { byte, count, fromHex, hexBytes, integer, stateSchema, toHex } from './state.ts';

const PORT = { INDEX: 0x70, DATA: 0x71 } as const;
/** [MC146818] figure 8, and the century byte where the ACPI tables put it. */
const REG = {
  SECONDS: 0x00,
  SECONDS_ALARM: 0x01,
  MINUTES: 0x02,
  MINUTES_ALARM: 0x03,
  HOURS: 0x04,
  HOURS_ALARM: 0x05,
  DAY_OF_WEEK: 0x06,
  DAY_OF_MONTH: 0x07,
  MONTH: 0x08,
  YEAR: 0x09,
  A: 0x0a,
  B: 0x0b,
  C: 0x0c,
  D: 0x0d,
  CENTURY: 0x32,
} as const;
const A = { RS: 0x0f, DV: 0x70, DV_32768_HZ: 0x20, UIP: 1 << 7 } as const;
const B = {
  HOURS_24: 1 << 1,
  BINARY: 1 << 2,
  SQWE: 1 << 3,
  UIE: 1 << 4,
  AIE: 1 << 5,
  PIE: 1 << 6,
  SET: 1 << 7,
} as const;
const C = { UF: 1 << 4, AF: 1 << 5, PF: 1 << 6, IRQF: 1 << 7 } as const;
const D = { VRT: 1 << 7 } as const;
const HOURS_PM = 0x80;
const RAM_BYTES = 128;
const NS_PER_SECOND = 1_000_000_000;
const NS_PER_MS = 1_000_000;
/** UIP rises 244 µs before an update that takes 1,984 µs. [MC146818] "Update Cycle". */
const UPDATE_NS = 2_228_000;
/** An alarm byte of 11xxxxxx matches always. */
const ALARM_ANY = 0xc0;
const DAY_MS = 86_400_000;

const State = z.strictObject({
  index: byte,
  a: byte,
  b: byte,
  flags: byte,
  ram: hexBytes(RAM_BYTES),
  /** Guest's time minus host's time. */
  offsetMs: integer,
  /** The guest's time while SET holds it, in milliseconds since 1970; else 0. */
  heldMs: integer,
  /** Machine times up to which the flags of register C are accounted for. */
  periodicSeenNs: count,
  updateSeenSecond: integer,
});
type State = z.infer<typeof State>;

/** Real-time clock with battery-backed memory, Motorola MC146818. [MC146818] */
export class Mc146818Rtc implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('mc146818-rtc', 1, State);
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #ram = new Uint8Array(RAM_BYTES);
  #index = 0;
  #a: number = A.DV_32768_HZ | 6;
  #b: number = B.HOURS_24;
  #flags = 0;
  #offsetMs = 0;
  #heldMs = 0;
  #periodicSeenNs = 0;
  #updateSeenSecond: number;
  #timer: Timer | undefined;

  constructor(options: { name: string; pio: PioBus; clock: Clock; irq: IrqLine }) {
    this.name = options.name;
    this.#clock = options.clock;
    this.#irq = options.irq;
    this.#updateSeenSecond = this.#second();
    options.pio.register(this.name, PORT.INDEX, 2, this);
  }

  /** Sets a byte of the battery-backed memory, `index` 0x0e to 0x7f. */
  setCmos(index: number, value: u8): void {
    this.#ram[index & 0x7f] = value;
  }

  /** A byte of the battery-backed memory. */
  cmos(index: number): u8 {
    return this.#ram[index & 0x7f] ?? 0;
  }

  in8(offset: number): u8 {
    if (offset === 0) return 0xff;
    return this.#readRegister(this.#index);
  }

  out8(offset: number, value: u8): void {
    // Bit 7 masks NMI, which no device of this machine raises by the ISA bus.
    if (offset === 0) this.#index = value & 0x7f;
    else this.#writeRegister(this.#index, value);
  }

  /** RESET pin: time and battery-backed bytes stay. [MC146818] "RESET". */
  reset(): void {
    this.#index = 0;
    if ((this.#b & B.SET) !== 0) this.#offsetMs = this.#heldMs - this.#clock.wallClockMs();
    this.#heldMs = 0;
    this.#a = A.DV_32768_HZ | 6;
    this.#b = B.HOURS_24;
    this.#flags = 0;
    this.#periodicSeenNs = this.#clock.now();
    this.#updateSeenSecond = this.#second();
    this.#sync();
  }

  save(): State {
    return {
      index: this.#index,
      a: this.#a,
      b: this.#b,
      flags: this.#flags,
      ram: toHex(this.#ram),
      offsetMs: this.#offsetMs,
      heldMs: this.#heldMs,
      periodicSeenNs: this.#periodicSeenNs,
      updateSeenSecond: this.#updateSeenSecond,
    };
  }

  restore(state: State): void {
    this.#index = state.index;
    this.#a = state.a;
    this.#b = state.b;
    this.#flags = state.flags;
    fromHex(state.ram, this.#ram);
    this.#offsetMs = state.offsetMs;
    this.#heldMs = state.heldMs;
    this.#periodicSeenNs = state.periodicSeenNs;
    this.#updateSeenSecond = state.updateSeenSecond;
    this.#schedule();
  }

  #timeMs(): number {
    return (this.#b & B.SET) !== 0 ? this.#heldMs : this.#clock.wallClockMs() + this.#offsetMs;
  }

  #second(): number {
    return Math.floor(this.#timeMs() / 1000);
  }

  #readRegister(index: number): u8 {
    switch (index) {
      case REG.SECONDS:
      case REG.MINUTES:
      case REG.HOURS:
      case REG.DAY_OF_WEEK:
      case REG.DAY_OF_MONTH:
      case REG.MONTH:
      case REG.YEAR:
      case REG.CENTURY:
        return this.#encode(index, this.#dateField(index));
      case REG.A:
        return this.#a | (this.#isUpdating() ? A.UIP : 0);
      case REG.B:
        return this.#b;
      case REG.C: {
        this.#account();
        const value = this.#flags | (this.#isAsserted() ? C.IRQF : 0);
        this.#flags = 0;
        this.#sync();
        return value;
      }
      case REG.D:
        return D.VRT;
      default:
        return this.cmos(index);
    }
  }

  #writeRegister(index: number, value: u8): void {
    switch (index) {
      case REG.SECONDS:
      case REG.MINUTES:
      case REG.HOURS:
      case REG.DAY_OF_WEEK:
      case REG.DAY_OF_MONTH:
      case REG.MONTH:
      case REG.YEAR:
      case REG.CENTURY:
        this.#setDateField(index, value);
        break;
      case REG.A:
        this.#account();
        this.#a = value & ~A.UIP;
        this.#periodicSeenNs = this.#clock.now();
        break;
      case REG.B:
        this.#writeB(value);
        break;
      case REG.C:
      case REG.D:
        break;
      default:
        this.#ram[index] = value;
    }
    this.#sync();
  }

  #writeB(value: u8): void {
    this.#account();
    const wasSet = (this.#b & B.SET) !== 0;
    const isSet = (value & B.SET) !== 0;
    const time = this.#timeMs();
    // Setting SET clears UIE. [MC146818] "Register B".
    this.#b = isSet ? value & ~B.UIE : value;
    if (isSet && !wasSet) this.#heldMs = time;
    if (!isSet && wasSet) {
      this.#offsetMs = time - this.#clock.wallClockMs();
      this.#heldMs = 0;
      this.#updateSeenSecond = this.#second();
    }
  }

  #isUpdating(): boolean {
    if ((this.#b & B.SET) !== 0 || (this.#a & A.DV) !== A.DV_32768_HZ) return false;
    return (1000 - modulo(this.#timeMs(), 1000)) * NS_PER_MS <= UPDATE_NS;
  }

  #dateField(index: number): number {
    const date = new Date(this.#timeMs());
    switch (index) {
      case REG.SECONDS:
        return date.getUTCSeconds();
      case REG.MINUTES:
        return date.getUTCMinutes();
      case REG.HOURS:
        return date.getUTCHours();
      case REG.DAY_OF_WEEK:
        return date.getUTCDay() + 1;
      case REG.DAY_OF_MONTH:
        return date.getUTCDate();
      case REG.MONTH:
        return date.getUTCMonth() + 1;
      case REG.YEAR:
        return modulo(date.getUTCFullYear(), 100);
      default:
        return Math.floor(date.getUTCFullYear() / 100) % 100;
    }
  }

  /** One field of the date changes; fields out of range carry, as Date.UTC does. */
  #setDateField(index: number, raw: u8): void {
    const value = this.#decode(index, raw);
    const now = this.#timeMs();
    const date = new Date(now);
    let year = date.getUTCFullYear();
    let month = date.getUTCMonth();
    let day = date.getUTCDate();
    if (index === REG.YEAR) year = Math.floor(year / 100) * 100 + (value % 100);
    if (index === REG.CENTURY) year = value * 100 + modulo(year, 100);
    if (index === REG.MONTH) month = Math.max(0, value - 1);
    if (index === REG.DAY_OF_MONTH) day = value;
    const hours = index === REG.HOURS ? value : date.getUTCHours();
    const minutes = index === REG.MINUTES ? value : date.getUTCMinutes();
    const seconds = index === REG.SECONDS ? value : date.getUTCSeconds();
    const time = Date.UTC(year, month, day, hours, minutes, seconds, modulo(now, 1000));
    const changed = clampYear(time) - now;
    if ((this.#b & B.SET) !== 0) this.#heldMs += changed;
    else this.#offsetMs += changed;
    this.#updateSeenSecond = this.#second();
  }

  #encode(index: number, value: number): u8 {
    let number = value;
    let pm = 0;
    if (index === REG.HOURS && (this.#b & B.HOURS_24) === 0) {
      pm = value >= 12 ? HOURS_PM : 0;
      number = value % 12 === 0 ? 12 : value % 12;
    }
    return ((this.#b & B.BINARY) !== 0 ? number : toBcd(number)) | pm;
  }

  #decode(index: number, raw: u8): number {
    const isHalfDay = index === REG.HOURS && (this.#b & B.HOURS_24) === 0;
    const digits = isHalfDay ? raw & ~HOURS_PM : raw;
    const value = (this.#b & B.BINARY) !== 0 ? digits : (digits >> 4) * 10 + (digits & 15);
    return isHalfDay ? (value % 12) + ((raw & HOURS_PM) !== 0 ? 12 : 0) : value;
  }

  /** Period of the periodic interrupt, 0 when off. [MC146818] table 5, 32.768 kHz time base. */
  #periodNs(): number {
    const rate = this.#a & A.RS;
    if (rate === 0 || (this.#a & A.DV) !== A.DV_32768_HZ) return 0;
    const shift = rate < 3 ? rate + 6 : rate - 1;
    return (NS_PER_SECOND * 2 ** shift) / 32_768;
  }

  /** Sets the flags of everything that happened since the last look. */
  #account(): void {
    const now = this.#clock.now();
    const period = this.#periodNs();
    if (period > 0 && now - this.#periodicSeenNs >= period) {
      this.#flags |= C.PF;
      // Whole periods only, so that the rate stays true on average.
      const periods = Math.floor((now - this.#periodicSeenNs) / period);
      this.#periodicSeenNs = Math.floor(this.#periodicSeenNs + periods * period);
    }
    if ((this.#b & B.SET) !== 0) return;
    const second = this.#second();
    if (second === this.#updateSeenSecond) return;
    this.#flags |= C.UF;
    if (this.#alarmWithin(this.#updateSeenSecond, second)) this.#flags |= C.AF;
    this.#updateSeenSecond = second;
  }

  #alarmWithin(after: number, until: number): boolean {
    if (until < after) return false;
    // A day holds every alarm; a longer sleep asks no more.
    for (let second = Math.max(after + 1, until - DAY_MS / 1000 + 1); second <= until; second++) {
      if (this.#matchesAlarm(second)) return true;
    }
    return false;
  }

  #matchesAlarm(second: number): boolean {
    const matches = (index: number, value: number): boolean => {
      const raw = this.cmos(index + 1);
      return (raw & ALARM_ANY) === ALARM_ANY || this.#decode(index, raw) === value;
    };
    return (
      matches(REG.SECONDS, modulo(second, 60)) &&
      matches(REG.MINUTES, modulo(Math.floor(second / 60), 60)) &&
      matches(REG.HOURS, modulo(Math.floor(second / 3600), 24))
    );
  }

  #isAsserted(): boolean {
    return (this.#flags & this.#b & (C.UF | C.AF | C.PF)) !== 0;
  }

  #sync(): void {
    this.#irq.set(this.#isAsserted());
    this.#schedule();
  }

  /** One timer for the nearest interrupt; none runs while no interrupt is enabled or one waits. */
  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#isAsserted()) return;
    const now = this.#clock.now();
    let deadline = Number.POSITIVE_INFINITY;
    const period = this.#periodNs();
    if ((this.#b & B.PIE) !== 0 && period > 0) {
      deadline = Math.max(now, Math.ceil(this.#periodicSeenNs + period));
    }
    if ((this.#b & (B.UIE | B.AIE)) !== 0 && (this.#b & B.SET) === 0) {
      const untilSecondMs = 1000 - modulo(this.#timeMs(), 1000);
      deadline = Math.min(deadline, now + Math.ceil(untilSecondMs * NS_PER_MS));
    }
    if (!Number.isFinite(deadline)) return;
    this.#timer = this.#clock.schedule(deadline, () => {
      this.#account();
      this.#sync();
    });
  }
}

function toBcd(value: number): u8 {
  return (Math.floor(value / 10) << 4) | (value % 10);
}

function modulo(value: number, modulus: number): number {
  return ((value % modulus) + modulus) % modulus;
}

/** Keeps a guest's date where a JavaScript date and two century digits can hold it. */
function clampYear(timeMs: number): number {
  return Math.min(Math.max(timeMs, Date.UTC(100, 0, 1)), Date.UTC(9999, 11, 31));
}
