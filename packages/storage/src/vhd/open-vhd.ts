import { damaged } from '../errors.ts';
import type { HostFile } from '../file/host-file.ts';
import type { DiskImage } from '../image.ts';
import { RawImage } from '../raw/raw-image.ts';
import { checkEntries, type Region, readEntries } from './block-table.ts';
import { DISK_TYPE, encodeFooter, FOOTER, type VhdFooter } from './footer.ts';
import { type Footers, readFooters } from './footers.ts';
import { diskSizeOf } from './geometry.ts';
import { HEADER, readHeader, type SparseLayout, tableBytesOf, type VhdHeader } from './header.ts';
import { locatorRegions } from './locators.ts';
import { SparseBlocks } from './sparse-blocks.ts';
import { SparseVhd } from './sparse-image.ts';

/** How long a new block may stay out of the file's table when the guest never flushes. */
const SETTLE_AFTER_MS = 1000;

/** How a VHD is opened. */
export interface OpenVhdOptions {
  /** Opens what a differencing disk is based on, or throws. */
  readonly openParent: (footer: VhdFooter, header: VhdHeader) => Promise<DiskImage>;
  readonly settleAfterMs?: number;
}

/** An opened VHD, and what it says of itself. */
export interface OpenedVhd {
  readonly image: DiskImage;
  readonly footer: VhdFooter;
}

/**
 * Opens a VHD of any kind in an open file, which is closed with the image (or by the caller when
 * this throws). What a cut growth left behind the last block is tidied up if the file is writable.
 */
export async function openVhd(file: HostFile, options: OpenVhdOptions): Promise<OpenedVhd> {
  const footers = await readFooters(file);
  const { footer } = footers;
  if (footer.diskType === DISK_TYPE.FIXED) {
    const { offset } = footers.tail;
    if (offset < footer.currentSize) {
      throw damaged({
        path: file.path,
        offset,
        what: 'place of the footer',
        found: offset,
        expected: `at least ${footer.currentSize}, the size of the disk`,
      });
    }
    const sizeBytes = diskSizeOf(footer);
    return { image: new RawImage(file, sizeBytes, sizeBytes), footer };
  }
  const { header, layout } = await readHeader(file, footer, footers.fileBytes);
  const entries = await readEntries(file, layout);
  const parts = fixedParts(file.path, layout, header, footers.fileBytes);
  const tail = tailRegion(footers);
  const found = checkEntries(file.path, layout, entries, [...parts, ...tail], footers.fileBytes);
  const footerBytes = encodeFooter(footer);
  if (!file.isReadOnly) await mendTail(file, footers, tail.length > 0, found.end, footerBytes);
  const isDifferencing = footer.diskType === DISK_TYPE.DIFFERENCING;
  const parent = isDifferencing ? await options.openParent(footer, header) : undefined;
  // Whatever the child's maker says: what lies below is as long as its own maker says.
  const sizeBytes = parent?.sizeBytes ?? diskSizeOf(footer);
  if (sizeBytes > layout.blockCount * layout.blockBytes) {
    await parent?.close();
    throw damaged({
      path: file.path,
      offset: FOOTER.offsetOf('currentSize'),
      what: "footer's currentSize",
      found: footer.currentSize,
      expected: `${sizeBytes}, the size of the parent`,
    });
  }
  const { gaps, end } = found;
  const fixedEnd = Math.max(...parts.map((part) => part.end));
  const blocks = new SparseBlocks({
    file,
    layout,
    footerBytes,
    entries,
    gaps,
    fixedEnd,
    end,
    isDifferencing,
  });
  const image = new SparseVhd({
    blocks,
    sizeBytes,
    isReadOnly: file.isReadOnly,
    parent,
    settleAfterMs: options.settleAfterMs ?? SETTLE_AFTER_MS,
  });
  return { image, footer };
}

/** Makes the file end in the footer that is believed, where growth or a resize was cut. */
async function mendTail(
  file: HostFile,
  { tail }: Footers,
  isInPlace: boolean,
  end: number,
  footerBytes: Buffer,
): Promise<void> {
  if (isInPlace && tail.footer !== undefined && encodeFooter(tail.footer).equals(footerBytes)) {
    return;
  }
  if (!isInPlace) await file.truncate(end);
  await file.write(end, [footerBytes]);
}

/** What lies in the file beside the blocks and the last footer. */
export function fixedParts(
  path: string,
  layout: SparseLayout,
  header: VhdHeader,
  fileBytes: number,
): Region[] {
  const { headerOffset, tableOffset, blockCount } = layout;
  return [
    { start: 0, end: 512, what: 'first footer' },
    { start: headerOffset, end: headerOffset + HEADER.sizeBytes, what: 'header' },
    { start: tableOffset, end: tableOffset + tableBytesOf(blockCount), what: 'table' },
    ...locatorRegions(path, header, fileBytes),
  ];
}

/** The last footer's place, when it is where growth can go on from. */
export function tailRegion({ footer, tail }: Footers): Region[] {
  const isOurs = tail.footer?.uniqueId.equals(footer.uniqueId) === true;
  if (!isOurs || tail.offset % 512 !== 0) return [];
  return [{ start: tail.offset, end: tail.offset, what: 'last footer' }];
}
