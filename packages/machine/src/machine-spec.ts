import { MiB, UmbraError } from '@umbra/base';
import { type Engine, type MmuMode, parseCpuModel, RAM_BYTES_MAX } from '@umbra/cpu';
import type { BootPlan } from './boot/boot-plan.ts';
import type { DriveMedia, DriveSpec } from './drive-spec.ts';

export const ENGINES: readonly Engine[] = ['interpreter', 'translator', 'forced'];
export const MMU_MODES: readonly MmuMode[] = ['shadow', 'two-stage'];
/** The smallest memory that a PC's memory map makes sense with. */
const RAM_BYTES_MIN = 2 * MiB;

/** A machine to be made; plain data, so that it can be sent to the processor's thread. */
export interface MachineSpec {
  readonly ramBytes: number;
  readonly engine: Engine;
  readonly mmu: MmuMode;
  /** `MODEL[,-FEATURE...]`, as parseCpuModel() of the processor reads it. */
  readonly cpu?: string | undefined;
  readonly plan: BootPlan;
  readonly vgaRom?: Uint8Array | undefined;
  readonly hasDebugExit: boolean;
  readonly hasTestDevice: boolean;
  readonly drives: readonly DriveSpec[];
  /** Kinds of media in the order in which firmware tries them. */
  readonly bootOrder: readonly DriveMedia[];
}

/** Checks the name of a processor model with its features; throws UmbraError CPU_MODEL. */
export function checkCpuModel(text: string): string {
  parseCpuModel(text);
  return text;
}

/** Checks a memory size; throws UmbraError MEMORY_SIZE. */
export function checkRamBytes(ramBytes: number): number {
  if (Number.isSafeInteger(ramBytes) && ramBytes >= RAM_BYTES_MIN && ramBytes <= RAM_BYTES_MAX) {
    return Math.floor(ramBytes / MiB) * MiB;
  }
  throw new UmbraError(
    'MEMORY_SIZE',
    `Memory is ${ramBytes / MiB} MiB, expected ${RAM_BYTES_MIN / MiB} to ${RAM_BYTES_MAX / MiB} MiB`,
    { ramBytes },
  );
}
