import type { Processor } from '../src/index.ts';
import { STATE } from '../src/state-layout.ts';
import type { Chance } from './fuzz-random.ts';

/** Port whose write ends a stream. */
export const EXIT_PORT = 0xf4;

/** Registers that streams of all kinds begin with: floating point, debug and flags. */
export function startRegisters(processor: Processor, random: Chance): void {
  const { state } = processor;
  for (const name of [
    'faultPending',
    'exitReason',
    'inhibitInterrupts',
    'deliveryDepth',
    'debugPending',
    'nmiLatched',
    'fpuStatus',
    'fpuLastOpcode',
    'fpuLastIp',
    'fpuLastDp',
    'fpuLastCs',
    'fpuLastDs',
    'cr2',
  ] as const) {
    state.set(name, 0);
  }
  state.set('xcr0', 1);
  state.set('mxcsr', random.chance(80) ? 0x1f80 : 0x1f80 | (random.below(4) << 13));
  state.set('fpuControl', 0x37f);
  for (let index = 0; index < 8; index++) {
    state.set64('fpuSignificand', 0x8000_0000_0000_0000n | BigInt(random.word()), index);
    state.set('dr', index === 6 ? 0xffff_0ff0 : index === 7 ? 0x400 : 0, index);
  }
  setFloats(processor, random);
  state.set('fpuTag', random.below(256));
  processor.runtime.writeFlags(random.word() & 0x8d5, 0x8d5);
}

/** Vectors, and x87 exponents near one, so that sums and products stay finite. */
function setFloats(processor: Processor, random: Chance): void {
  const { buffer, byteOffset } = processor.pendingWord;
  const view = new DataView(buffer, byteOffset - STATE.pending);
  for (let index = 0; index < 8; index++) {
    view.setUint16(STATE.fpuExponent + index * 2, 0x3fff - 8 + random.below(16), true);
  }
  for (let at = 0; at < 256; at += 4) view.setUint32(STATE.xmm + at, random.word(), true);
}
