import type { u32 } from '@umbra/base';
import type { ApicMessage } from '@umbra/core';
import { BROADCAST } from './local-apic-registers.ts';

/** By what a local APIC knows messages for itself. */
interface ApicIdentity {
  readonly isX2apic: boolean;
  readonly id: u32;
  /** Logical id: eight bits in xAPIC mode, cluster and set in x2APIC mode. */
  readonly ldr: u32;
  /** The destination format register, xAPIC mode only. */
  readonly dfr: u32;
}

/** Whether a message is meant for a local APIC. [SDM] vol. 3A §11.6.2 */
export function isAddressed({ destination, isLogical }: ApicMessage, apic: ApicIdentity): boolean {
  if (destination === BROADCAST.X2APIC) return true;
  if (!apic.isX2apic && destination === BROADCAST.XAPIC) return true;
  if (!isLogical) return destination === apic.id;
  if (apic.isX2apic) {
    const isCluster = destination >>> 16 === apic.ldr >>> 16;
    return isCluster && (destination & apic.ldr & 0xffff) !== 0;
  }
  const isFlat = apic.dfr >>> 28 === 15;
  if (isFlat) return (destination & apic.ldr) !== 0;
  const cluster = destination >> 4;
  return (cluster === 15 || cluster === apic.ldr >> 4) && (destination & apic.ldr & 15) !== 0;
}
