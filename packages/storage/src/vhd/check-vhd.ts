import { StorageError } from '../errors.ts';
import { type HostFile, readBytes } from '../file/host-file.ts';
import { advance, type Work } from '../work.ts';
import {
  type EntryProblem,
  encodeEntries,
  entryDamage,
  readEntries,
  type Survey,
  surveyEntries,
  UNALLOCATED,
} from './block-table.ts';
import { DISK_TYPE, encodeFooter, vhdChecksum } from './footer.ts';
import { type Footers, readFooters } from './footers.ts';
import { HEADER, headerProblem, readHeader, type SparseLayout, type VhdHeader } from './header.ts';
import { fixedParts, tailRegion } from './open-vhd.ts';

/** Something wrong with an image, or worth knowing. */
export interface Finding {
  readonly code:
    | 'FIRST_FOOTER'
    | 'LAST_FOOTER'
    | 'HEADER_CHECKSUM'
    | 'BLOCK_OUTSIDE'
    | 'BLOCK_METADATA'
    | 'BLOCK_OVERLAP'
    | 'LOST_SPACE'
    | 'UNREADABLE';
  /** A note does no harm: what an image may well have. */
  readonly severity: 'error' | 'note';
  /** One sentence, with the file, the offset, what was found and what was expected. */
  readonly message: string;
  readonly isRepaired: boolean;
}

/** What a check gathers, and whether it mends what it finds. */
class Findings {
  readonly list: Finding[] = [];
  readonly isRepairing: boolean;

  constructor(isRepairing: boolean) {
    this.isRepairing = isRepairing;
  }

  /** Adds an error; runs `repair` if there is one and that is wanted. */
  async add(
    code: Finding['code'],
    message: string,
    repair: (() => Promise<void>) | undefined,
  ): Promise<void> {
    const isRepaired = this.isRepairing && repair !== undefined;
    if (isRepaired) await repair();
    this.list.push({ code, severity: 'error', message, isRepaired });
  }

  note(code: Finding['code'], message: string): void {
    this.list.push({ code, severity: 'note', message, isRepaired: false });
  }
}

/**
 * Looks for all that is wrong with a VHD by itself, without its parents, and mends what can be
 * mended if the file is writable: a footer from the other one, a checksum of a header that is right
 * otherwise, and entries of the table. Blocks that lie upon others get copies of their own; entries
 * that lead outside the file, or to its metadata, are given up with what they held.
 */
export async function checkVhd(file: HostFile, work: Work = {}): Promise<Finding[]> {
  const findings = new Findings(!file.isReadOnly);
  try {
    const footers = await readFooters(file);
    if (footers.footer.diskType !== DISK_TYPE.FIXED) {
      await checkHeader(file, footers, findings);
      const { header, layout } = await readHeader(file, footers.footer, footers.fileBytes);
      await checkTable({ file, footers, header, layout, findings, work });
    } else if (footers.tail.offset !== footers.footer.currentSize) {
      const { offset } = footers.tail;
      const expected = footers.footer.currentSize;
      const message = `The last footer of ${file.path} is at ${offset}, expected ${expected}`;
      if (offset > expected) findings.note('LOST_SPACE', message);
      else await findings.add('LAST_FOOTER', message, undefined);
    }
    if (findings.isRepairing) await file.sync();
  } catch (error) {
    if (!(error instanceof StorageError) || error.code === 'CANCELLED') throw error;
    await findings.add('UNREADABLE', error.message, undefined);
  }
  return findings.list;
}

/** A header that only its checksum condemns is mended. */
async function checkHeader(file: HostFile, footers: Footers, findings: Findings): Promise<void> {
  const { dataOffset, currentSize } = footers.footer;
  if (dataOffset + HEADER.sizeBytes > footers.fileBytes) return;
  const bytes = await readBytes(file, dataOffset, HEADER.sizeBytes);
  const problem = headerProblem(bytes, currentSize, footers.fileBytes);
  if (problem?.field !== 'checksum') return;
  const at = HEADER.offsetOf('checksum');
  bytes.writeUInt32BE(vhdChecksum(bytes, at), at);
  if (headerProblem(bytes, currentSize, footers.fileBytes) !== undefined) return;
  await findings.add(
    'HEADER_CHECKSUM',
    `The header's checksum of ${file.path} at ${dataOffset + at} is ${problem.found}, expected ${problem.expected}`,
    () => file.write(dataOffset, [bytes]),
  );
}

interface TableCheck {
  readonly file: HostFile;
  readonly footers: Footers;
  readonly header: VhdHeader;
  readonly layout: SparseLayout;
  readonly findings: Findings;
  readonly work: Work;
}

async function checkTable(check: TableCheck): Promise<void> {
  const { file, footers, header, layout, findings } = check;
  const { path } = file;
  const entries = await readEntries(file, layout);
  const tail = tailRegion(footers);
  const parts = [...fixedParts(path, layout, header, footers.fileBytes), ...tail];
  const survey = surveyEntries(layout, entries, parts, footers.fileBytes);
  const footerBytes = encodeFooter(footers.footer);
  if (footers.head?.footer === undefined) {
    const found = footers.head?.problem?.what ?? 'missing';
    const message = `The first footer of ${path} at 0 is wrong in its ${found}, expected a copy of the last`;
    await findings.add('FIRST_FOOTER', message, () => file.write(0, [footerBytes]));
  }
  const mender = new TableMender(check, entries, survey);
  for (const [index, problem] of survey.problems.entries()) {
    advance(check.work, index, survey.problems.length);
    const code = (
      { outside: 'BLOCK_OUTSIDE', metadata: 'BLOCK_METADATA', overlap: 'BLOCK_OVERLAP' } as const
    )[problem.kind];
    const { message } = entryDamage(path, layout, problem);
    const mend = mender.canMend(problem) ? () => mender.mend(problem) : undefined;
    await findings.add(code, message, mend);
  }
  const isTailRight =
    footers.tail.footer !== undefined && encodeFooter(footers.tail.footer).equals(footerBytes);
  if (tail.length === 0 || !isTailRight || mender.end > survey.end) {
    const { offset, problem } = footers.tail;
    const found = problem?.what ?? 'contents';
    const message = `The last footer of ${path} at ${offset} is wrong in its ${found}, expected a copy of the first`;
    const repair = async (): Promise<void> => {
      await file.truncate(mender.end);
      await file.write(mender.end, [footerBytes]);
    };
    if (tail.length === 0 || !isTailRight) await findings.add('LAST_FOOTER', message, repair);
    else await repair();
  }
  if (survey.gaps.length > 0) {
    const count = survey.gaps.length;
    const message = `The file ${path} has room for ${count} blocks that holds none; it is used when the disk grows, and compacting frees it`;
    findings.note('LOST_SPACE', message);
  }
}

/** More blocks upon each other are no accident, and no repair may fill the host. */
const COPIES_MAX = 256;

/** Mends entries of a table, each durably before the next. */
class TableMender {
  readonly #check: TableCheck;
  readonly #entries: Uint32Array;
  #copyCount = 0;
  /** Where the file's parts end, with the copies made. */
  end: number;

  constructor(check: TableCheck, entries: Uint32Array, survey: Survey) {
    this.#check = check;
    this.#entries = entries;
    this.end = survey.end;
  }

  canMend({ kind }: EntryProblem): boolean {
    return kind !== 'overlap' || this.#copyCount < COPIES_MAX;
  }

  async mend({ block, sector, kind }: EntryProblem): Promise<void> {
    const { file, layout, footers } = this.#check;
    if (kind === 'overlap') {
      this.#copyCount += 1;
      const strideBytes = layout.bitmapBytes + layout.blockBytes;
      const bytes = await readBytes(file, sector * 512, strideBytes);
      await file.write(this.end, [bytes, encodeFooter(footers.footer)]);
      await file.sync();
      this.#entries[block] = this.end / 512;
      this.end += strideBytes;
    } else {
      this.#entries[block] = UNALLOCATED;
    }
    const first = block - (block % 128);
    const bytes = encodeEntries(this.#entries, first, 128);
    await file.write(layout.tableOffset + first * 4, [bytes]);
    await file.sync();
  }
}
