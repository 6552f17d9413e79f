import { damaged, headerCheck, unsupported } from '../errors.ts';
import { type HostFile, readBytes } from '../file/host-file.ts';
import { struct, u32, u64 } from '../struct.ts';
import type { DiskMap, Placement } from './mapped-image.ts';

/** [VDI] VDIPREHEADER and VDIHEADER1. */
const HEADER = struct(400, 'little', {
  signature: u32(64),
  version: u32(68),
  type: u32(76),
  blocksOffset: u32(340),
  dataOffset: u32(344),
  sectorSize: u32(360),
  diskSize: u64(368),
  blockSize: u32(376),
  blockExtra: u32(380),
  blockCount: u32(384),
});

export const VDI_SIGNATURE = 0xbeda_107f;
/** Where the signature stands, for telling formats apart. */
export const VDI_SIGNATURE_OFFSET = 64;
const VERSION = 0x0001_0001;
const TYPE = { DYNAMIC: 1, FIXED: 2 } as const;
/** Blocks without data: never written, or written with zeros. */
const FIRST_EMPTY = 0xffff_fffe;
const BLOCKS_MAX = 16 * 2 ** 20;

/** Reads the table of a VirtualBox disk, fixed or dynamic. */
export async function mapVdi(file: HostFile): Promise<DiskMap> {
  const { path } = file;
  const { sizeBytes: fileBytes } = await file.facts();
  const bytes = Buffer.alloc(HEADER.sizeBytes);
  await file.read(0, [bytes.subarray(0, Math.min(fileBytes, HEADER.sizeBytes))]);
  const header = HEADER.read(bytes);
  const { blockSize, blockExtra, blockCount, blocksOffset, dataOffset, diskSize } = header;
  const check = headerCheck(path, HEADER.offsetOf, header);
  check('signature', header.signature === VDI_SIGNATURE, `${VDI_SIGNATURE}`);
  check('version', header.version === VERSION, `${VERSION} (1.1)`);
  if (header.type !== TYPE.DYNAMIC && header.type !== TYPE.FIXED) {
    const advice = 'make it one disk with VBoxManage clonemedium first';
    throw unsupported(path, `is a VDI of type ${header.type}, based on another`, advice);
  }
  check('sectorSize', header.sectorSize === 512, '512');
  check('blockSize', blockSize >= 512 && (blockSize & (blockSize - 1)) === 0, 'a power of two');
  check('blockExtra', blockExtra % 512 === 0 && blockExtra < blockSize, 'whole sectors');
  const needed = Math.ceil(diskSize / blockSize);
  check('diskSize', diskSize > 0 && needed <= BLOCKS_MAX, `1 to ${BLOCKS_MAX} blocks`);
  check('blockCount', blockCount >= needed, `at least ${needed}`);
  check('blocksOffset', blocksOffset + needed * 4 <= fileBytes, `room for ${needed} entries`);
  check('dataOffset', dataOffset >= blocksOffset + needed * 4, 'behind the table');
  const table = await readBytes(file, blocksOffset, needed * 4);
  const locate = async (offset: number): Promise<Placement> => {
    const block = Math.floor(offset / blockSize);
    const inside = offset - block * blockSize;
    const lengthBytes = blockSize - inside;
    const entry = table.readUInt32LE(block * 4);
    if (entry >= FIRST_EMPTY) return { kind: 'zero', lengthBytes };
    const place = dataOffset + entry * (blockSize + blockExtra) + blockExtra;
    if (place >= fileBytes) {
      throw damaged({
        path,
        offset: blocksOffset + block * 4,
        what: `entry of block ${block}`,
        found: entry,
        expected: `a block in the file of ${fileBytes} bytes`,
      });
    }
    return { kind: 'stored', lengthBytes, file, offset: place + inside, fileBytes };
  };
  return { sizeBytes: Math.ceil(diskSize / 512) * 512, files: [file], locate };
}
