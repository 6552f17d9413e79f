import { damaged } from '../errors.ts';
import type { HostFile } from '../file/host-file.ts';
import {
  DISK_TYPE,
  FOOTER,
  FOOTER_COOKIE,
  type FooterProblem,
  footerProblem,
  SHORT_FOOTER_BYTES,
  type VhdFooter,
} from './footer.ts';

/** A footer as found in a file: what it says, or what is wrong with it. */
export interface FoundFooter {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly footer: VhdFooter | undefined;
  readonly problem: FooterProblem | undefined;
}

/** Both footers of a file; a fixed disk has none at its head. */
export interface Footers {
  /** The one to believe. */
  readonly footer: VhdFooter;
  readonly head: FoundFooter | undefined;
  readonly tail: FoundFooter;
  readonly fileBytes: number;
}

/**
 * Reads the footer at the end and its copy at the start, and decides which to believe. A fixed disk
 * is told by its last footer alone, since its guest writes the file's start; for the others the
 * copy at the start comes first, since a cut growth may leave a guest's bytes at the end.
 */
export async function readFooters(file: HostFile): Promise<Footers> {
  const { sizeBytes: fileBytes } = await file.facts();
  if (fileBytes < SHORT_FOOTER_BYTES) {
    throw damaged({
      path: file.path,
      offset: 0,
      what: 'length of the file',
      found: fileBytes,
      expected: 'at least 512 bytes, for a footer',
    });
  }
  const tail = await readTail(file, fileBytes);
  if (tail.footer?.diskType === DISK_TYPE.FIXED) {
    return { footer: tail.footer, head: undefined, tail, fileBytes };
  }
  const head = await readFooterAt(file, 0, Math.min(512, fileBytes));
  const isSparse = head.footer !== undefined && head.footer.diskType !== DISK_TYPE.FIXED;
  const footer = isSparse ? head.footer : tail.footer;
  if (footer !== undefined) return { footer, head, tail, fileBytes };
  const { what, offset, found, expected } = tail.problem ?? missingFooter;
  throw damaged({ path: file.path, offset: tail.offset + offset, what, found, expected });
}

const missingFooter: FooterProblem = {
  what: 'footer',
  offset: 0,
  found: 'missing',
  expected: FOOTER_COOKIE,
};

async function readTail(file: HostFile, fileBytes: number): Promise<FoundFooter> {
  const short = await readFooterAt(file, fileBytes - SHORT_FOOTER_BYTES, SHORT_FOOTER_BYTES);
  if (fileBytes < 512) return short;
  const full = await readFooterAt(file, fileBytes - 512, 512);
  return full.footer === undefined && short.footer !== undefined ? short : full;
}

async function readFooterAt(
  file: HostFile,
  offset: number,
  lengthBytes: number,
): Promise<FoundFooter> {
  const bytes = Buffer.alloc(512);
  await file.read(offset, [bytes.subarray(0, lengthBytes)]);
  const problem = footerProblem(bytes);
  const footer = problem === undefined ? FOOTER.read(bytes) : undefined;
  return { offset, lengthBytes, footer, problem };
}
