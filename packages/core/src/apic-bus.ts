import type { u8, u32 } from '@umbra/base';

/** Delivery modes as in the interrupt command register. [SDM] vol. 3A §11.6.1. */
export const DELIVERY_MODE = {
  FIXED: 0,
  LOWEST: 1,
  SMI: 2,
  NMI: 4,
  INIT: 5,
  STARTUP: 6,
  EXTINT: 7,
} as const;

/** One interrupt message between I/O APICs and local APICs. */
export interface ApicMessage {
  readonly vector: u8;
  /** One of DELIVERY_MODE. */
  readonly deliveryMode: number;
  /** APIC id, or a set of logical ids when `isLogical`; 0xff and 0xffff_ffff address everyone. */
  readonly destination: u32;
  readonly isLogical: boolean;
  /** Level-triggered: its end of interrupt is broadcast to the I/O APICs. */
  readonly isLevel: boolean;
  /** False only in the INIT level de-assert message. */
  readonly isAsserted: boolean;
}

/** The way interrupt messages take to the local APICs. */
export interface ApicBus {
  deliver(message: ApicMessage): void;
}
