import { type BlockBackend, SECTOR_BYTES } from '@umbra/core';
import * as z from 'zod';
import { QueuedBackend } from '../queued-backend.ts';

/** How a diskette is formatted, as its size tells. */
export interface FloppyFormat {
  readonly tracks: number;
  readonly heads: number;
  readonly sectors: number;
  /** Value of the data rate select bits that it is read with. [82078] table 2-5 */
  readonly dataRate: number;
}

const RATE = { KBPS_500: 0, KBPS_250: 2, KBPS_1000: 3 } as const;
const FORMATS: readonly FloppyFormat[] = [
  { tracks: 80, heads: 2, sectors: 36, dataRate: RATE.KBPS_1000 },
  { tracks: 80, heads: 2, sectors: 21, dataRate: RATE.KBPS_500 },
  { tracks: 80, heads: 2, sectors: 18, dataRate: RATE.KBPS_500 },
  { tracks: 80, heads: 2, sectors: 15, dataRate: RATE.KBPS_500 },
  { tracks: 80, heads: 2, sectors: 9, dataRate: RATE.KBPS_250 },
  { tracks: 40, heads: 2, sectors: 9, dataRate: RATE.KBPS_250 },
  { tracks: 40, heads: 2, sectors: 8, dataRate: RATE.KBPS_250 },
  { tracks: 40, heads: 1, sectors: 9, dataRate: RATE.KBPS_250 },
  { tracks: 40, heads: 1, sectors: 8, dataRate: RATE.KBPS_250 },
];
/** Heads stop here. */
const TRACKS_MAX = 83;

/** The format of a diskette of `sizeBytes`; undefined when there is none of that size. */
export function floppyFormat(sizeBytes: number): FloppyFormat | undefined {
  return FORMATS.find(
    ({ tracks, heads, sectors }) => tracks * heads * sectors * SECTOR_BYTES === sizeBytes,
  );
}

export const FloppyDriveState = z.strictObject({
  track: z.int().min(0).max(TRACKS_MAX),
  isChanged: z.boolean(),
});
export type FloppyDriveState = z.infer<typeof FloppyDriveState>;

/** One floppy disk drive and what is in it. */
export class FloppyDrive {
  readonly #onEject: () => void;
  #medium: QueuedBackend | undefined;
  #track = 0;
  #isChanged = true;

  constructor(options: { medium: BlockBackend | undefined; onEject: () => void }) {
    if (options.medium !== undefined) this.#medium = new QueuedBackend(options.medium, 1);
    this.#onEject = options.onEject;
  }

  get medium(): QueuedBackend | undefined {
    return this.#medium;
  }

  get format(): FloppyFormat | undefined {
    return this.#medium === undefined ? undefined : floppyFormat(this.#medium.info.sizeBytes);
  }

  get track(): number {
    return this.#track;
  }

  /** The line that tells of a changed, or missing, diskette. */
  get isChanged(): boolean {
    return this.#isChanged || this.#medium === undefined;
  }

  insert(medium: BlockBackend): void {
    this.#medium = new QueuedBackend(medium, 1);
    this.#isChanged = true;
  }

  /** Nothing holds a diskette back. */
  pressEject(): boolean {
    this.remove();
    return true;
  }

  remove(): void {
    const hadMedium = this.#medium !== undefined;
    this.#medium = undefined;
    this.#isChanged = true;
    if (hadMedium) this.#onEject();
  }

  /** Moves the heads; a step also tells the drive that the change was noticed. */
  seek(track: number): void {
    this.#track = Math.max(0, Math.min(TRACKS_MAX, track));
    if (this.#medium !== undefined) this.#isChanged = false;
  }

  reset(): void {
    this.#track = 0;
    this.#isChanged = true;
  }

  save(): FloppyDriveState {
    return { track: this.#track, isChanged: this.#isChanged };
  }

  restore(state: FloppyDriveState): void {
    this.#track = state.track;
    this.#isChanged = state.isChanged;
  }
}
