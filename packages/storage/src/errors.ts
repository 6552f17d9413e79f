import { UmbraError } from '@umbra/base';

/** What can go wrong with an image; callers match these, so they stay as they are. */
export type StorageErrorCode =
  | 'FILE_NOT_FOUND'
  | 'FILE_EXISTS'
  | 'FILE_ACCESS'
  | 'FILE_IO'
  | 'FILE_TOO_SHORT'
  | 'HOST_FULL'
  | 'LOCKED'
  | 'READ_ONLY'
  | 'OUT_OF_RANGE'
  | 'FORMAT_UNKNOWN'
  | 'DAMAGED'
  | 'UNSUPPORTED'
  | 'SIZE'
  | 'PARENT_MISSING'
  | 'PARENT_IDENTITY'
  | 'PARENT_CHANGED'
  | 'CHAIN'
  | 'IN_USE'
  | 'CANCELLED';

/** An error of an image, its file or the host's file system. */
export class StorageError extends UmbraError {
  override readonly name = 'StorageError';
  override readonly code: StorageErrorCode;

  constructor(
    code: StorageErrorCode,
    message: string,
    context: Readonly<Record<string, unknown>> = {},
    cause?: unknown,
  ) {
    super(code, message, context, cause);
    this.code = code;
  }
}

/** Something in a file that its format does not allow. */
export interface Damage {
  readonly path: string;
  /** Where in the file, in bytes. */
  readonly offset: number;
  /** What it is that is wrong, as the format's manual calls it, such as "footer checksum". */
  readonly what: string;
  readonly found: string | number;
  readonly expected: string | number;
}

/** The error for a damaged file. */
export function damaged(damage: Damage): StorageError {
  const { path, offset, what, found, expected } = damage;
  return new StorageError(
    'DAMAGED',
    `The file ${path} is damaged at offset ${offset}: the ${what} is ${found}, expected ${expected}`,
    { ...damage },
  );
}

/** A check of a header's fields: throws DAMAGED when a rule does not hold. */
export function headerCheck<K extends string>(
  path: string,
  offsetOf: (field: K) => number,
  header: Readonly<Record<K, string | number>>,
): (field: K, holds: boolean, rule: string) => void {
  return (field, holds, rule) => {
    if (holds) return;
    const found = header[field];
    const what = `header's ${field}`;
    throw damaged({ path, offset: offsetOf(field), what, found, expected: rule });
  };
}

/** The error for a file of a kind that Umbra does not read. */
export function unsupported(path: string, what: string, advice: string): StorageError {
  return new StorageError('UNSUPPORTED', `The file ${path} ${what}; ${advice}`, { path });
}

const MEANINGS: Readonly<Record<string, readonly [StorageErrorCode, string]>> = {
  ENOENT: ['FILE_NOT_FOUND', 'there is no such file'],
  EEXIST: ['FILE_EXISTS', 'it exists already'],
  EACCES: ['FILE_ACCESS', 'permission is denied'],
  EPERM: ['FILE_ACCESS', 'permission is denied'],
  EROFS: ['FILE_ACCESS', 'its file system is read-only'],
  ETXTBSY: ['FILE_ACCESS', 'it is in use as a program'],
  EISDIR: ['FILE_ACCESS', 'it is a folder'],
  ENOSPC: ['HOST_FULL', 'no room is left on its file system'],
  EDQUOT: ['HOST_FULL', 'the quota is used up'],
};

/** The error for a failed call of the host's file system; `doing` is a verb such as "read". */
export function hostError(path: string, doing: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause;
  const { code: hostCode = '', message } = cause as NodeJS.ErrnoException;
  const [code, reason] = MEANINGS[hostCode] ?? (['FILE_IO', hostCode || message] as const);
  return new StorageError(
    code,
    `The file ${path} cannot be ${doing}: ${reason}`,
    { path, hostCode },
    cause,
  );
}
