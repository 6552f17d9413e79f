/** Sizes of diskettes of the PC, in KiB, by what their makers call them. */
const FLOPPIES: ReadonlyMap<number, string> = new Map([
  [160, '160 KB'],
  [180, '180 KB'],
  [320, '320 KB'],
  [360, '360 KB'],
  [720, '720 KB'],
  [1200, '1.2 MB'],
  [1440, '1.44 MB'],
  [1680, '1.68 MB (DMF)'],
  [2880, '2.88 MB'],
]);

/** The diskette that an image of this size is of, or undefined. */
export function floppyOf(sizeBytes: number): string | undefined {
  return FLOPPIES.get(sizeBytes / 1024);
}
