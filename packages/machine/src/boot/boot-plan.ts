import { KiB, UmbraError } from '@umbra/base';
import type { BzImage } from './bzimage.ts';
import type { MultibootKernel, MultibootModule } from './multiboot.ts';

/** How a machine starts, with everything that it needs already read and checked. */
export type BootPlan =
  | { readonly kind: 'firmware'; readonly bios: Uint8Array }
  | {
      readonly kind: 'linux';
      readonly kernel: BzImage;
      readonly initrd: Uint8Array | undefined;
      readonly commandLine: string;
    }
  | {
      readonly kind: 'multiboot';
      readonly kernel: MultibootKernel;
      readonly modules: readonly MultibootModule[];
      readonly commandLine: string;
    };

const BIOS_BYTES_MIN = 64 * KiB;
const BIOS_BYTES_MAX = 4096 * KiB;

/** Checks a firmware image; `name` is for messages. Throws UmbraError BIOS_SIZE. */
export function parseBios(file: Uint8Array, name: string): Uint8Array {
  const isRom = file.length >= BIOS_BYTES_MIN && file.length <= BIOS_BYTES_MAX;
  if (isRom && file.length % (64 * KiB) === 0) return file;
  throw new UmbraError(
    'BIOS_SIZE',
    `${name} has ${file.length} bytes, expected a firmware image of a multiple of 64 KiB, at most 4 MiB`,
  );
}
