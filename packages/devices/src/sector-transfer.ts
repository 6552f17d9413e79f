import type { BlockBackend, BlockStatus, GuestMemory } from '@umbra/core';

/** A piece of guest memory that a controller was told to use. */
export interface MemoryRange {
  readonly address: number;
  readonly length: number;
}

/** Data of a disk to or from guest memory, without a copy between. */
interface SectorTransfer {
  readonly backend: BlockBackend;
  readonly memory: GuestMemory;
  /** As the disk sees it: `read` writes to guest memory. */
  readonly kind: 'read' | 'write';
  readonly offsetBytes: number;
  /** Together a multiple of the sector size; at most BLOCK_SEGMENTS_MAX. */
  readonly ranges: readonly MemoryRange[];
  readonly onDone: (status: BlockStatus) => void;
}

/** Starts a transfer; false, and nothing is started, when a range is not memory. */
export function transferSectors(transfer: SectorTransfer): boolean {
  const { backend, memory, kind, offsetBytes, ranges, onDone } = transfer;
  const access = kind === 'read' ? 'write' : 'read';
  const segments: Uint8Array[] = [];
  for (const { address, length } of ranges) {
    const view = memory.transferView(address, length, access);
    if (view === undefined) return false;
    segments.push(view);
  }
  backend.submit({ kind, offsetBytes, segments }, (status) => {
    // Also when the controller has lost interest: the memory has changed all the same.
    if (kind === 'read') {
      for (const { address, length } of ranges) memory.transferred(address, length);
    }
    onDone(status);
  });
  return true;
}
