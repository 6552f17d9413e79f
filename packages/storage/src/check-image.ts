import { StorageError } from './errors.ts';
import { openNodeFile } from './file/node-file.ts';
import { formatOf, type ImportFormat, openForImport, openImage } from './open-image.ts';
import { checkVhd, type Finding } from './vhd/check-vhd.ts';
import { advance, type Work } from './work.ts';

/** How an image is checked. */
export interface CheckOptions {
  readonly format?: ImportFormat;
  /** Mends what can be mended; VHD only. */
  readonly isRepairing: boolean;
}

/**
 * Finds what is wrong with an image: of VHDs every part, and that their parents are there and
 * right; of other formats that all they map can be read. Throws StorageError for what cannot be
 * checked.
 */
export async function checkImage(
  path: string,
  options: CheckOptions,
  work: Work = {},
): Promise<Finding[]> {
  const format = options.format ?? (await formatOf(path));
  if (format !== 'vhd') {
    if (options.isRepairing) {
      throw new StorageError('UNSUPPORTED', `Only VHDs can be repaired, ${path} is ${format}`, {
        path,
      });
    }
    return await findUnreadable(() => readAll(path, format, work));
  }
  const { isRepairing } = options;
  const file = await openNodeFile(path, {
    mode: isRepairing ? 'read-write' : 'read-only',
    lock: isRepairing ? 'exclusive' : 'shared',
  });
  let findings: Finding[];
  try {
    findings = await checkVhd(file, work);
  } finally {
    await file.close();
  }
  if (findings.some(({ severity, isRepaired }) => severity === 'error' && !isRepaired)) {
    return findings;
  }
  const openAll = async (): Promise<void> => {
    await (await openImage(path, { format: 'vhd', isReadOnly: true })).close();
  };
  return [...findings, ...(await findUnreadable(openAll))];
}

async function readAll(
  path: string,
  format: Exclude<ImportFormat, 'vhd'>,
  work: Work,
): Promise<void> {
  const image = await openForImport(path, format);
  try {
    const bytes = Buffer.allocUnsafe(2 ** 20);
    for (let at = 0; at < image.sizeBytes; ) {
      advance(work, at, image.sizeBytes);
      const { isZero, lengthBytes } = await image.extentAt(at);
      const count = isZero ? lengthBytes : Math.min(lengthBytes, bytes.length);
      if (!isZero) await image.read(at, [bytes.subarray(0, count)]);
      at += count;
    }
  } finally {
    await image.close();
  }
}

/** What `task` finds that cannot be read; errors of the host itself are thrown. */
async function findUnreadable(task: () => Promise<void>): Promise<Finding[]> {
  try {
    await task();
    return [];
  } catch (error) {
    const isFinding =
      error instanceof StorageError &&
      !['CANCELLED', 'LOCKED', 'FILE_ACCESS', 'FILE_NOT_FOUND', 'FILE_IO'].includes(error.code);
    if (!isFinding) throw error;
    return [{ code: 'UNREADABLE', severity: 'error', message: error.message, isRepaired: false }];
  }
}
