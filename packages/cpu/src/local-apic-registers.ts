import * as z from 'zod';
import { PHYSICAL_ADDRESS_BITS } from './cpuid.ts';

/** Register offsets; x2APIC MSRs are 0x800 + offset / 16. [SDM] vol. 3A table 11-1. */
export const REG = {
  ID: 0x020,
  VERSION: 0x030,
  TPR: 0x080,
  APR: 0x090,
  PPR: 0x0a0,
  EOI: 0x0b0,
  RRD: 0x0c0,
  LDR: 0x0d0,
  DFR: 0x0e0,
  SVR: 0x0f0,
  ISR: 0x100,
  TMR: 0x180,
  IRR: 0x200,
  ESR: 0x280,
  ICR_LOW: 0x300,
  ICR_HIGH: 0x310,
  LVT_TIMER: 0x320,
  LVT_ERROR: 0x370,
  INITIAL_COUNT: 0x380,
  CURRENT_COUNT: 0x390,
  DIVIDE: 0x3e0,
  SELF_IPI: 0x3f0,
} as const;
export const MSR = {
  APIC_BASE: 0x1b,
  TSC_DEADLINE: 0x6e0,
  X2APIC_FIRST: 0x800,
  X2APIC_LAST: 0x8ff,
} as const;
export const APIC_BASE = { BSP: 1 << 8, EXTD: 1 << 10, EN: 1 << 11, RESERVED_LOW: 0x2ff } as const;
/** Bits of the high half beyond the physical address. */
export const APIC_BASE_RESERVED_HIGH = ~((1 << (PHYSICAL_ADDRESS_BITS - 32)) - 1);
export const DEFAULT_ADDRESS = 0xfee0_0000;
/** Version 14h with six LVT entries. */
export const VERSION = 0x0005_0014;
export const SVR = { ENABLED: 1 << 8, WRITABLE: 0x1ff } as const;
export const DFR_FLAT = 0xffff_ffff;
export const ESR = { SEND_VECTOR: 1 << 5, RECEIVE_VECTOR: 1 << 6, REGISTER: 1 << 7 } as const;
export const ICR = {
  DELIVERY_STATUS: 1 << 12,
  LOGICAL: 1 << 11,
  ASSERT: 1 << 14,
  LEVEL: 1 << 15,
  WRITABLE: 0x000c_cfff,
} as const;
export const SHORTHAND = { NONE: 0, SELF: 1, ALL: 2, OTHERS: 3 } as const;
export const LVT = { VECTOR: 0xff, REMOTE_IRR: 1 << 14, LEVEL: 1 << 15, MASKED: 1 << 16 } as const;
/** LVT entries in the order of their registers. */
export const ENTRY = {
  TIMER: 0,
  THERMAL: 1,
  PERFORMANCE: 2,
  LINT0: 3,
  LINT1: 4,
  ERROR: 5,
} as const;
export const ENTRY_WRITABLE = [0x7_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff] as const;
/** Delivery status and remote IRR may be written with anything. */
export const LVT_READ_ONLY = 0x5000;
export const ENTRY_COUNT = 6;
export const VECTOR_FIRST = 16;
export const BROADCAST = { XAPIC: 0xff, X2APIC: 0xffff_ffff } as const;

const word = z.int().min(0).max(0xffff_ffff);
const byte = z.int().min(0).max(0xff);
const qword = z.string().regex(/^\d{1,20}$/);
export const LocalApicState = z.strictObject({
  baseLow: word,
  baseHigh: word,
  id: byte,
  tpr: byte,
  ldr: byte,
  dfr: word,
  svr: word,
  isr: z.array(word).length(8),
  tmr: z.array(word).length(8),
  irr: z.array(word).length(8),
  esr: byte,
  /** Errors since the last write of the register. */
  errors: byte,
  icrLow: word,
  icrHigh: word,
  lvt: z.array(word).length(ENTRY_COUNT),
  hasExtInt: z.boolean(),
  hasLint1: z.boolean(),
  timer: z.strictObject({
    mode: z.int().min(0).max(3),
    initialCount: word,
    divide: byte,
    expiryNs: z.number().min(0),
    deadline: qword,
  }),
});
export type LocalApicState = z.infer<typeof LocalApicState>;

/** Registers that do not exist as MSRs. [SDM] vol. 3A table 11-6. */
export const X2APIC_ABSENT: readonly number[] = [REG.APR, REG.RRD, REG.DFR, REG.ICR_HIGH];

/** Delivery mode of an LVT entry or of the ICR. */
export function deliveryModeOf(register: number): number {
  return (register >> 8) & 7;
}
