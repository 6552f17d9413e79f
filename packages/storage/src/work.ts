import { StorageError } from './errors.ts';

/** Long work: how it is watched, and how it is given up. */
export interface Work {
  /** Called from time to time with the bytes done and the bytes in all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends the work with CANCELLED; a new file is not there then, an old one is whole. */
  readonly signal?: AbortSignal;
}

/** Tells of progress, and throws CANCELLED when the work is given up. */
export function advance(work: Work, done: number, total: number): void {
  if (work.signal?.aborted) throw new StorageError('CANCELLED', 'The command was cancelled');
  work.onProgress?.(done, total);
}
