import type { GuestMemory } from '@umbra/core';

/** Why a processor stopped running guest code. */
export type ProcessorExit =
  | { readonly kind: 'halt' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'failure'; readonly message: string };

/** Memory of a machine as its chip set switches it. */
export interface SwitchableMemory extends GuestMemory {
  mapRom(address: number, hostOffset: number, size: number): void;
  mapRam(address: number, size: number): void;
  mapRamReadOnly(address: number, size: number): void;
  mapMemory(address: number, hostOffset: number, size: number): void;
  unmapMemory(address: number, size: number): void;
}

/** What the board asks of its processor; implemented by the processor of @umbra/cpu. */
export interface ProcessorPort {
  readonly guestMemory: SwitchableMemory;
  reset(): void;
  /** Runs guest code until there is something to report. */
  run(): ProcessorExit;
  /** The level of INTR: some interrupt waits at the local APIC or the 8259 pair. */
  setInterruptLine(asserted: boolean): void;
  raiseNmi(): void;
  /** INIT: registers start anew at the reset vector; memory stays. */
  requestInit(): void;
  requestStop(): void;
  /** Sleeps until something is pending or `timeoutMs` passed. */
  waitForWork(timeoutMs: number): void;
  setProtectedMode(state: {
    eip: number;
    eax?: number;
    ebx?: number;
    esi?: number;
    esp?: number;
    gdtBase?: number;
    gdtLimit?: number;
    codeSelector: number;
    dataSelector: number;
  }): void;
  setLongMode(state: {
    rip: number;
    rsi: number;
    rsp: number;
    cr3: number;
    gdtBase: number;
    gdtLimit: number;
    codeSelector: number;
    dataSelector: number;
  }): void;
  /** Registers and the code around RIP, for people. */
  dump(): string;
  /** The time stamp counter as the guest reads it. */
  timeStamp(): bigint;
  setA20(enabled: boolean): void;
  save(): unknown;
  restore(state: unknown): void;
  stats(): Record<string, number>;
}

/** What a processor asks of the board; called on its thread, never throws. */
export interface BoardPort {
  ioRead(port: number, size: 1 | 2 | 4): number;
  ioWrite(port: number, size: 1 | 2 | 4, value: number): void;
  mmioRead(address: number, size: 1 | 2 | 4): number;
  mmioWrite(address: number, size: 1 | 2 | 4, value: number): void;
  acknowledgeInterrupt(): number;
  service(): void;
  now(): number;
  readMsr(index: number): { lo: number; hi: number } | undefined;
  writeMsr(index: number, lo: number, hi: number): boolean;
  readCr8(): number;
  writeCr8(value: number): void;
  /** 32 random bits, for RDRAND. */
  random(): number;
}
