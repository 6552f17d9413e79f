import type { Clock, u8, u32 } from '@umbra/base';
import {
  type ApicBus,
  type ApicMessage,
  DELIVERY_MODE,
  type Device,
  type IrqLine,
} from '@umbra/core';
import { isAddressed } from './apic-destination.ts';
import {
  APIC_BASE,
  APIC_BASE_RESERVED_HIGH,
  BROADCAST,
  DEFAULT_ADDRESS,
  DFR_FLAT,
  deliveryModeOf,
  ENTRY,
  ENTRY_COUNT,
  ENTRY_WRITABLE,
  ESR,
  ICR,
  LocalApicState,
  LVT,
  LVT_READ_ONLY,
  MSR,
  REG,
  SHORTHAND,
  SVR,
  VECTOR_FIRST,
  VERSION,
  X2APIC_ABSENT,
} from './local-apic-registers.ts';
import { LocalApicTimer, TIMER_MODE } from './local-apic-timer.ts';
import { VectorSet } from './vector-set.ts';

/** What a local APIC is wired to. */
export interface LocalApicOptions {
  readonly name: string;
  readonly id: number;
  readonly clock: Clock;
  readonly tscHz: number;
  /** High while an interrupt could be delivered: fixed ones above PPR, or the 8259's by LINT0. */
  readonly output: IrqLine;
  /** End of a level-triggered interrupt, for the I/O APICs. */
  readonly onEoi: (vector: u8) => void;
  readonly onNmi: () => void;
  readonly onInit: () => void;
  readonly onStartup: (vector: u8) => void;
  /** Interrupt messages for other processors. */
  readonly bus?: ApicBus;
  /** The registers' page moved, opened or closed. */
  readonly onBaseChange?: (address: number, isMmioEnabled: boolean) => void;
  /** The time stamp counter as the guest reads it; by default the clock at `tscHz`. */
  readonly tsc?: () => bigint;
}

/** The interrupt controller inside a processor: xAPIC and x2APIC. [SDM] vol. 3A ch. 11 */
export class LocalApic implements Device<LocalApicState> {
  readonly name: string;
  readonly schema = {
    kind: 'local-apic',
    version: 1,
    parse: (raw: unknown): LocalApicState => LocalApicState.parse(raw),
  } as const;
  readonly #options: LocalApicOptions;
  readonly #timer: LocalApicTimer;
  readonly #isr = new VectorSet();
  readonly #tmr = new VectorSet();
  readonly #irr = new VectorSet();
  readonly #lvt = new Uint32Array(ENTRY_COUNT);
  #baseLow = DEFAULT_ADDRESS;
  #baseHigh = 0;
  #id: number;
  #tpr = 0;
  #ldr = 0;
  #dfr: number = DFR_FLAT;
  #svr = 0xff;
  #esr = 0;
  #errors = 0;
  #icrLow = 0;
  #icrHigh = 0;
  #hasExtInt = false;
  #hasLint1 = false;

  constructor(options: LocalApicOptions) {
    this.name = options.name;
    this.#options = options;
    this.#id = options.id;
    const { clock, tscHz } = options;
    const nsToTicks = (): bigint => BigInt(Math.floor((clock.now() * tscHz) / 1_000_000_000));
    this.#timer = new LocalApicTimer({
      clock,
      tscHz,
      tsc: options.tsc ?? nsToTicks,
      onExpiry: () => this.#raiseEntry(ENTRY.TIMER),
    });
    this.#powerOn();
  }

  /** Whether IA32_APIC_BASE enables the APIC (CPUID.1:EDX.APIC follows it). */
  get isEnabled(): boolean {
    return (this.#baseLow & APIC_BASE.EN) !== 0;
  }

  get isX2apic(): boolean {
    return this.isEnabled && (this.#baseLow & APIC_BASE.EXTD) !== 0;
  }

  /** Physical address of the register page. */
  get baseAddress(): number {
    return this.#baseHigh * 2 ** 32 + ((this.#baseLow & 0xffff_f000) >>> 0);
  }

  mmioRead(offset: number, size: number): u32 {
    if (!this.isEnabled || this.isX2apic) return size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1;
    const shift = offset & 15;
    // Registers are words at multiples of 16; nothing lives between them.
    if (shift > 3) return 0;
    const value = this.#readRegister(offset & 0xff0) ?? this.#illegalRegister();
    return size === 4 ? value : (value >>> (8 * shift)) & (2 ** (8 * size) - 1);
  }

  mmioWrite(offset: number, size: number, value: u32): void {
    if (!this.isEnabled || this.isX2apic || size !== 4 || (offset & 15) !== 0) return;
    switch (offset) {
      case REG.ID:
        this.#id = value >>> 24;
        break;
      case REG.LDR:
        this.#ldr = value >>> 24;
        break;
      case REG.DFR:
        this.#dfr = (value | 0x0fff_ffff) >>> 0;
        break;
      case REG.ICR_LOW:
        this.#icrLow = value & ICR.WRITABLE;
        this.#send(this.#icrLow, this.#icrHigh >>> 24);
        break;
      case REG.ICR_HIGH:
        this.#icrHigh = (value & 0xff00_0000) >>> 0;
        break;
      default:
        if (!this.#writeRegister(offset, value)) this.#illegalRegister();
    }
    this.#sync();
  }

  /** IA32_APIC_BASE, IA32_TSC_DEADLINE, x2APIC registers; undefined means #GP(0). */
  readMsr(index: number): { lo: u32; hi: u32 } | undefined {
    if (index === MSR.APIC_BASE) return { lo: this.#baseLow >>> 0, hi: this.#baseHigh };
    if (index === MSR.TSC_DEADLINE) {
      const { deadline } = this.#timer.state;
      return { lo: Number(deadline & 0xffff_ffffn), hi: Number(deadline >> 32n) };
    }
    if (index < MSR.X2APIC_FIRST || index > MSR.X2APIC_LAST || !this.isX2apic) return undefined;
    const offset = (index - MSR.X2APIC_FIRST) << 4;
    if (offset === REG.ICR_LOW) return { lo: this.#icrLow, hi: this.#icrHigh };
    if (X2APIC_ABSENT.includes(offset) || offset === REG.EOI) return undefined;
    const value = this.#readRegister(offset);
    return value === undefined ? undefined : { lo: value, hi: 0 };
  }

  /** False means #GP(0). */
  writeMsr(index: number, lo: u32, hi: u32): boolean {
    if (index === MSR.APIC_BASE) return this.#writeBase(lo, hi);
    if (index === MSR.TSC_DEADLINE) {
      this.#timer.setDeadline((BigInt(hi) << 32n) | BigInt(lo));
      return true;
    }
    if (index < MSR.X2APIC_FIRST || index > MSR.X2APIC_LAST || !this.isX2apic) return false;
    const isAccepted = this.#writeX2apic((index - MSR.X2APIC_FIRST) << 4, lo >>> 0, hi >>> 0);
    this.#sync();
    return isAccepted;
  }

  /** Bits 7:4 of TPR, which work with the APIC disabled too. */
  readCr8(): number {
    return this.#tpr >> 4;
  }

  writeCr8(value: number): void {
    this.#tpr = (value & 15) << 4;
    this.#sync();
  }

  /** A message from an I/O APIC or another processor; those for others are ignored. */
  deliver(message: ApicMessage): void {
    if (!this.isEnabled || !this.#isAddressed(message)) return;
    this.#accept(message);
    this.#sync();
  }

  /** The vector to deliver next, -1 when none has a higher priority than PPR. */
  pendingVector(): number {
    if (!this.isEnabled) return -1;
    const vector = this.#irr.highest();
    return vector >= 0 && vector >> 4 > this.#ppr() >> 4 ? vector : -1;
  }

  /** Takes the pending vector into service; -1 when there is none. */
  acknowledge(): number {
    const vector = this.pendingVector();
    if (vector < 0) return -1;
    this.#irr.delete(vector);
    this.#isr.add(vector);
    this.#sync();
    return vector;
  }

  /** Whether the 8259's interrupt may pass: LINT0 is an open ExtINT, or the APIC is disabled. */
  acceptsExtInt(): boolean {
    if (!this.isEnabled) return true;
    const entry = this.#entry(ENTRY.LINT0);
    return (entry & LVT.MASKED) === 0 && deliveryModeOf(entry) === DELIVERY_MODE.EXTINT;
  }

  /** The LINT0 pin, which the 8259 pair drives. */
  setExtInt(asserted: boolean): void {
    const hasRisen = asserted && !this.#hasExtInt;
    this.#hasExtInt = asserted;
    this.#pinChanged(ENTRY.LINT0, hasRisen);
  }

  /** The LINT1 pin, NMI on a PC. */
  setLint1(asserted: boolean): void {
    const hasRisen = asserted && !this.#hasLint1;
    this.#hasLint1 = asserted;
    this.#pinChanged(ENTRY.LINT1, hasRisen);
  }

  reset(): void {
    this.#baseHigh = 0;
    this.#hasExtInt = false;
    this.#hasLint1 = false;
    this.#tpr = 0;
    this.#powerOn();
    this.#announceBase();
    this.#sync();
  }

  save(): LocalApicState {
    const { state: timer } = this.#timer;
    return {
      baseLow: this.#baseLow >>> 0,
      baseHigh: this.#baseHigh,
      id: this.#id,
      tpr: this.#tpr,
      ldr: this.#ldr,
      dfr: this.#dfr,
      svr: this.#svr,
      isr: this.#isr.toWords(),
      tmr: this.#tmr.toWords(),
      irr: this.#irr.toWords(),
      esr: this.#esr,
      errors: this.#errors,
      icrLow: this.#icrLow,
      icrHigh: this.#icrHigh,
      lvt: [...this.#lvt],
      hasExtInt: this.#hasExtInt,
      hasLint1: this.#hasLint1,
      timer: { ...timer, deadline: String(timer.deadline) },
    };
  }

  restore(state: LocalApicState): void {
    this.#baseLow = state.baseLow;
    this.#baseHigh = state.baseHigh;
    this.#id = state.id;
    this.#tpr = state.tpr;
    this.#ldr = state.ldr;
    this.#dfr = state.dfr;
    this.#svr = state.svr;
    this.#isr.load(state.isr);
    this.#tmr.load(state.tmr);
    this.#irr.load(state.irr);
    this.#esr = state.esr;
    this.#errors = state.errors;
    this.#icrLow = state.icrLow;
    this.#icrHigh = state.icrHigh;
    this.#lvt.set(state.lvt);
    this.#hasExtInt = state.hasExtInt;
    this.#hasLint1 = state.hasLint1;
    this.#timer.restore({ ...state.timer, deadline: BigInt(state.timer.deadline) });
    this.#announceBase();
  }

  #powerOn(): void {
    this.#baseLow = DEFAULT_ADDRESS | APIC_BASE.EN | (this.#options.id === 0 ? APIC_BASE.BSP : 0);
    this.#initialize();
    this.#id = this.#options.id;
  }

  /** The state after INIT, which leaves base and id alone. [SDM] vol. 3A §11.4.7.3. */
  #initialize(): void {
    for (const set of [this.#isr, this.#tmr, this.#irr]) set.clear();
    this.#lvt.fill(LVT.MASKED);
    // Firmware leaves LINT0 open for the 8259; a kernel booted without firmware relies on it.
    if (this.#options.id === 0) this.#lvt[ENTRY.LINT0] = DELIVERY_MODE.EXTINT << 8;
    this.#ldr = 0;
    this.#dfr = DFR_FLAT;
    this.#svr = 0xff;
    this.#esr = 0;
    this.#errors = 0;
    this.#icrLow = 0;
    this.#icrHigh = 0;
    this.#timer.reset();
  }

  /** The four modes and the ways between them. [SDM] vol. 3A figure 11-27. */
  #writeBase(lo: u32, hi: u32): boolean {
    if ((lo & APIC_BASE.RESERVED_LOW) !== 0 || (hi & APIC_BASE_RESERVED_HIGH) !== 0) return false;
    const isEnabled = (lo & APIC_BASE.EN) !== 0;
    const isExtended = (lo & APIC_BASE.EXTD) !== 0;
    if (isExtended && (!isEnabled || !this.isEnabled)) return false;
    if (this.isX2apic && isEnabled && !isExtended) return false;
    const wasEnabled = this.isEnabled;
    const wasX2apic = this.isX2apic;
    this.#baseLow = (lo & ~APIC_BASE.BSP) | (this.#baseLow & APIC_BASE.BSP);
    this.#baseHigh = hi;
    if (wasEnabled && !isEnabled) {
      this.#initialize();
      this.#id = this.#options.id;
    }
    if (isExtended && !wasX2apic) {
      this.#id = this.#options.id;
      this.#icrHigh = 0;
    }
    this.#announceBase();
    this.#sync();
    return true;
  }

  #announceBase(): void {
    this.#options.onBaseChange?.(this.baseAddress, this.isEnabled && !this.isX2apic);
  }

  #illegalRegister(): u32 {
    this.#error(ESR.REGISTER);
    return 0;
  }

  #readRegister(offset: number): u32 | undefined {
    if (offset >= REG.ISR && offset < REG.ESR) {
      const set = [this.#isr, this.#tmr, this.#irr][(offset - REG.ISR) >> 7];
      return set?.word((offset >> 4) & 7);
    }
    if (offset >= REG.LVT_TIMER && offset <= REG.LVT_ERROR) {
      return this.#entry((offset - REG.LVT_TIMER) >> 4);
    }
    switch (offset) {
      case REG.ID:
        return this.isX2apic ? this.#id : (this.#id << 24) >>> 0;
      case REG.VERSION:
        return VERSION;
      case REG.TPR:
        return this.#tpr;
      case REG.APR:
      case REG.EOI:
      case REG.RRD:
        return 0;
      case REG.PPR:
        return this.#ppr();
      case REG.LDR:
        return this.isX2apic ? this.#logicalX2apicId() : (this.#ldr << 24) >>> 0;
      case REG.DFR:
        return this.#dfr;
      case REG.SVR:
        return this.#svr;
      case REG.ESR:
        return this.#esr;
      case REG.ICR_LOW:
        return this.#icrLow;
      case REG.ICR_HIGH:
        return this.#icrHigh;
      case REG.INITIAL_COUNT:
        return this.#timer.state.initialCount;
      case REG.CURRENT_COUNT:
        return this.#timer.currentCount();
      case REG.DIVIDE:
        return this.#timer.state.divide;
      default:
        return undefined;
    }
  }

  /** The registers that both modes write alike; false when there is no such register. */
  #writeRegister(offset: number, value: u32): boolean {
    if (offset >= REG.LVT_TIMER && offset <= REG.LVT_ERROR) {
      this.#writeEntry((offset - REG.LVT_TIMER) >> 4, value);
      return true;
    }
    switch (offset) {
      case REG.TPR:
        this.#tpr = value & 0xff;
        return true;
      case REG.EOI:
        this.#endOfInterrupt();
        return true;
      case REG.SVR:
        this.#writeSvr(value & SVR.WRITABLE);
        return true;
      case REG.ESR:
        // The write shows what has gathered; the read that follows gets it.
        this.#esr = this.#errors;
        this.#errors = 0;
        return true;
      case REG.INITIAL_COUNT:
        this.#timer.setInitialCount(value);
        return true;
      case REG.DIVIDE:
        this.#timer.setDivide(value);
        return true;
      default:
        return false;
    }
  }

  /** As MSRs, registers refuse reserved bits. [SDM] vol. 3A §11.12.1.3. */
  #writeX2apic(offset: number, lo: u32, hi: u32): boolean {
    if (offset === REG.ICR_LOW) {
      if ((lo & ~(ICR.WRITABLE | ICR.DELIVERY_STATUS)) !== 0) return false;

      this.#icrLow = lo & ICR.WRITABLE;
      this.#icrHigh = hi;
      this.#send(lo, hi);
      return true;
    }
    if (hi !== 0) return false;
    if (offset === REG.SELF_IPI) {
      if (lo > 0xff) return false;
      this.#send((SHORTHAND.SELF << 18) | lo, 0);
      return true;
    }
    if (X2APIC_ABSENT.includes(offset)) return false;
    if (offset >= REG.LVT_TIMER && offset <= REG.LVT_ERROR) {
      const writable = ENTRY_WRITABLE[(offset - REG.LVT_TIMER) >> 4] ?? 0;
      if ((lo & ~(writable | LVT_READ_ONLY)) !== 0) return false;
    }
    const mustBeZero = offset === REG.EOI || offset === REG.ESR;
    if (mustBeZero && lo !== 0) return false;
    if (offset === REG.TPR && lo > 0xff) return false;
    if (offset === REG.SVR && (lo & ~SVR.WRITABLE) !== 0) return false;
    if (offset === REG.DIVIDE && (lo & ~0xb) !== 0) return false;
    return this.#writeRegister(offset, lo);
  }

  #writeSvr(value: u32): void {
    this.#svr = value;
    if (this.#isSoftwareEnabled()) return;
    for (let index = 0; index < ENTRY_COUNT; index++) {
      this.#lvt[index] = this.#entry(index) | LVT.MASKED;
    }
  }

  #isSoftwareEnabled(): boolean {
    return (this.#svr & SVR.ENABLED) !== 0;
  }

  #entry(index: number): u32 {
    return this.#lvt[index] ?? 0;
  }

  #writeEntry(index: number, value: u32): void {
    const writable = ENTRY_WRITABLE[index] ?? 0;
    const forced = this.#isSoftwareEnabled() ? 0 : LVT.MASKED;
    const kept = this.#entry(index) & LVT.REMOTE_IRR;
    this.#lvt[index] = (value & writable) | forced | kept;
    if (index === ENTRY.TIMER)
      this.#timer.setMode(Math.min((value >> 17) & 3, TIMER_MODE.TSC_DEADLINE));
    if (index === ENTRY.LINT0) this.#pinChanged(index, false);
    if (index === ENTRY.LINT1) this.#pinChanged(index, false);
  }

  #pinChanged(index: number, hasRisen: boolean): void {
    const entry = this.#entry(index);
    const isLevel = (entry & LVT.LEVEL) !== 0 && deliveryModeOf(entry) === DELIVERY_MODE.FIXED;
    const isHigh = index === ENTRY.LINT0 ? this.#hasExtInt : this.#hasLint1;
    if (isLevel) {
      const canFire = isHigh && (entry & (LVT.MASKED | LVT.REMOTE_IRR)) === 0;
      if (canFire && this.#isSoftwareEnabled()) {
        this.#lvt[index] = entry | LVT.REMOTE_IRR;
        this.#request(entry & LVT.VECTOR, true);
      }
    } else if (hasRisen && this.isEnabled) {
      this.#raiseEntry(index);
    }
    this.#sync();
  }

  /** A local interrupt source fires. */
  #raiseEntry(index: number): void {
    const entry = this.#entry(index);
    if ((entry & LVT.MASKED) !== 0) return;
    const hasMode = index !== ENTRY.TIMER && index !== ENTRY.ERROR;
    const mode = hasMode ? deliveryModeOf(entry) : DELIVERY_MODE.FIXED;
    if (mode === DELIVERY_MODE.FIXED) this.#request(entry & LVT.VECTOR, false);
    else if (mode === DELIVERY_MODE.NMI) this.#options.onNmi();
    else if (mode === DELIVERY_MODE.INIT) this.#acceptInit();
    this.#sync();
  }

  #error(bit: number): void {
    const isNew = (this.#errors & bit) === 0;
    this.#errors |= bit;
    if (isNew) this.#raiseEntry(ENTRY.ERROR);
  }

  #request(vector: u8, isLevel: boolean): void {
    if (vector < VECTOR_FIRST) {
      this.#error(ESR.RECEIVE_VECTOR);
      return;
    }
    this.#irr.add(vector);
    if (isLevel) this.#tmr.add(vector);
    else this.#tmr.delete(vector);
  }

  #accept(message: ApicMessage): void {
    switch (message.deliveryMode) {
      case DELIVERY_MODE.FIXED:
      case DELIVERY_MODE.LOWEST:
        if (this.#isSoftwareEnabled()) this.#request(message.vector, message.isLevel);
        break;
      case DELIVERY_MODE.NMI:
        this.#options.onNmi();
        break;
      case DELIVERY_MODE.INIT:
        // The level de-assert only synchronizes arbitration ids, which are long gone.
        if (message.isAsserted || !message.isLevel) this.#acceptInit();
        break;
      case DELIVERY_MODE.STARTUP:
        this.#options.onStartup(message.vector);
        break;
    }
  }

  #acceptInit(): void {
    this.#initialize();
    this.#tpr = 0;
    this.#options.onInit();
  }

  #logicalX2apicId(): u32 {
    return ((this.#id >> 4) << 16) | (1 << (this.#id & 15));
  }

  #isAddressed(message: ApicMessage): boolean {
    const isX2apic = this.isX2apic;
    const ldr = isX2apic ? this.#logicalX2apicId() : this.#ldr;
    return isAddressed(message, { isX2apic, id: this.#id, ldr, dfr: this.#dfr });
  }

  /** The interrupt command register was written. [SDM] vol. 3A §11.6.1. */
  #send(low: u32, destination: u32): void {
    const mode = (low >> 8) & 7;
    const vector = low & 0xff;
    const needsVector = mode === DELIVERY_MODE.FIXED || mode === DELIVERY_MODE.LOWEST;
    if (needsVector && vector < VECTOR_FIRST) {
      this.#error(ESR.SEND_VECTOR);
      return;
    }
    const shorthand = (low >> 18) & 3;
    const message: ApicMessage = {
      vector,
      deliveryMode: mode,
      destination: shorthand === SHORTHAND.NONE ? destination : BROADCAST.X2APIC,
      isLogical: shorthand === SHORTHAND.NONE && (low & ICR.LOGICAL) !== 0,
      // Only INIT has a level; other messages behave as edges whatever the bit says.
      isLevel: mode === DELIVERY_MODE.INIT && (low & ICR.LEVEL) !== 0,
      isAsserted: (low & ICR.ASSERT) !== 0,
    };
    if (shorthand !== SHORTHAND.SELF) this.#options.bus?.deliver(message);
    if (shorthand !== SHORTHAND.OTHERS && this.#isAddressed(message)) this.#accept(message);
  }

  #endOfInterrupt(): void {
    const vector = this.#isr.highest();
    if (vector < 0) return;
    this.#isr.delete(vector);
    if (!this.#tmr.has(vector)) return;
    for (const index of [ENTRY.LINT0, ENTRY.LINT1]) {
      const entry = this.#entry(index);
      if ((entry & LVT.REMOTE_IRR) === 0 || (entry & LVT.VECTOR) !== vector) continue;
      this.#lvt[index] = entry & ~LVT.REMOTE_IRR;
      this.#pinChanged(index, false);
    }
    this.#options.onEoi(vector);
  }

  #ppr(): u8 {
    const inService = Math.max(0, this.#isr.highest());
    return this.#tpr >> 4 >= inService >> 4 ? this.#tpr : inService & 0xf0;
  }

  #sync(): void {
    const isWaiting = this.pendingVector() >= 0 || (this.#hasExtInt && this.acceptsExtInt());
    this.#options.output.set(isWaiting);
  }
}
