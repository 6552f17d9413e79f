// In which order firmware tries drives.

import { type DriveMedia, type DriveSpec, firmwarePath } from '../drive-spec.ts';

export const BOOT_ORDER_FILE = 'bootorder';

/** The file that SeaBIOS reads: paths of drives, first one first. [SEABIOS] */
export function bootOrderFile(
  drives: readonly DriveSpec[],
  order: readonly DriveMedia[],
): Uint8Array {
  const paths = order.flatMap((media) =>
    drives.filter((drive) => drive.media === media).map(firmwarePath),
  );
  return new TextEncoder().encode(`${paths.join('\n')}\0`);
}
