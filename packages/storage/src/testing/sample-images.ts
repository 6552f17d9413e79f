import { deflateRawSync, deflateSync, zstdCompressSync } from 'node:zlib';
import { writeDifferencingVhd, writeDynamicVhd, writeFixedVhd } from '../vhd/create-vhd.ts';
import { locatorTexts } from '../vhd/locators.ts';
import { openVhd } from '../vhd/open-vhd.ts';
import { MemoryFile } from './memory-file.ts';

const KiB = 1024;
const DISK_BYTES = 64 * KiB;
const CLUSTER_BYTES = 4 * KiB;
/** What the samples' written parts are filled with. */
export const SAMPLE_FILL = 0x61;

/** A small image, and how it is opened. */
export interface SampleImage {
  readonly name: string;
  readonly format: 'vhd' | 'qcow2' | 'vmdk' | 'vdi' | 'iso';
  readonly bytes: Buffer;
  /** For VMDK: the file that a descriptor names. */
  readonly extent?: Buffer;
}

/** Small images of every kind with all their structures, made byte by byte. */
export async function sampleImages(): Promise<SampleImage[]> {
  return [
    { name: 'fixed', format: 'vhd', bytes: await vhd('fixed') },
    { name: 'dynamic', format: 'vhd', bytes: await vhd('dynamic') },
    { name: 'differencing', format: 'vhd', bytes: await vhd('differencing') },
    { name: 'qcow2-2', format: 'qcow2', bytes: qcow2(2, 'deflate') },
    { name: 'qcow2-3-zstd', format: 'qcow2', bytes: qcow2(3, 'zstd') },
    { name: 'vmdk-sparse', format: 'vmdk', bytes: vmdk(false) },
    { name: 'vmdk-stream', format: 'vmdk', bytes: vmdk(true) },
    {
      ...{ name: 'vmdk-flat', format: 'vmdk', bytes: vmdkDescriptor() },
      extent: Buffer.alloc(DISK_BYTES, SAMPLE_FILL),
    },
    { name: 'vdi', format: 'vdi', bytes: vdi() },
    { name: 'iso', format: 'iso', bytes: iso() },
  ];
}

async function vhd(kind: 'fixed' | 'dynamic' | 'differencing'): Promise<Buffer> {
  const file = new MemoryFile('sample.vhd', Buffer.alloc(0), false, 2 ** 20);
  const disk = {
    ...{ sizeBytes: DISK_BYTES, nowMs: 0, blockBytes: 16 * KiB },
    uniqueId: Buffer.alloc(16, 7),
  };
  if (kind === 'fixed') await writeFixedVhd(file, disk);
  else if (kind === 'dynamic') await writeDynamicVhd(file, disk);
  else {
    await writeDifferencingVhd(file, disk, {
      ...{ parentId: Buffer.alloc(16, 8), parentModifiedMs: 0, parentName: 'parent.vhd' },
      locators: locatorTexts('/disks/sample.vhd', '/disks/parent.vhd'),
    });
  }
  const { image } = await openVhd(file, { openParent: sampleParent, settleAfterMs: 0 });
  await image.write(20 * KiB, [Buffer.alloc(8 * KiB, SAMPLE_FILL)]);
  await image.write(60 * KiB, [Buffer.alloc(512, SAMPLE_FILL)]);
  await image.flush();
  return file.bytes;
}

/** What a differencing sample is based on: zeros. */
export async function sampleParent(): ReturnType<Parameters<typeof openVhd>[1]['openParent']> {
  const file = new MemoryFile('parent.vhd', Buffer.alloc(0), false, 2 ** 20);
  await writeFixedVhd(file, { sizeBytes: DISK_BYTES, nowMs: 0 });
  return (await openVhd(file, { openParent: () => Promise.reject(new Error('none')) })).image;
}

/** Header, a first-level table, a second-level one, a cluster stored and one packed. */
function qcow2(version: 2 | 3, packing: 'deflate' | 'zstd'): Buffer {
  const bytes = Buffer.alloc(6 * CLUSTER_BYTES);
  const entry = (at: number, value: bigint): void => void bytes.writeBigUInt64BE(value, at);
  bytes.write('QFI\xfb', 0, 'latin1');
  bytes.writeUInt32BE(version, 4);
  bytes.writeUInt32BE(12, 20);
  entry(24, BigInt(DISK_BYTES));
  bytes.writeUInt32BE(1, 36);
  entry(40, BigInt(CLUSTER_BYTES));
  if (version === 3) {
    entry(72, packing === 'zstd' ? 8n : 0n);
    bytes.writeUInt32BE(4, 96);
    bytes.writeUInt32BE(112, 100);
    bytes[104] = packing === 'zstd' ? 1 : 0;
  }
  entry(CLUSTER_BYTES, (1n << 63n) | BigInt(2 * CLUSTER_BYTES));
  const l2 = 2 * CLUSTER_BYTES;
  entry(l2 + 8 * 5, (1n << 63n) | BigInt(3 * CLUSTER_BYTES));
  bytes.fill(SAMPLE_FILL, 3 * CLUSTER_BYTES, 4 * CLUSTER_BYTES);
  const cluster = Buffer.alloc(CLUSTER_BYTES, SAMPLE_FILL);
  const packed = packing === 'zstd' ? zstdCompressSync(cluster) : deflateRawSync(cluster);
  packed.copy(bytes, 4 * CLUSTER_BYTES);
  entry(l2 + 8 * 6, (1n << 62n) | BigInt(4 * CLUSTER_BYTES));
  entry(l2 + 8 * 7, 1n);
  return bytes;
}

/** Header, descriptor, directory, table and two grains; or the same with packed grains. */
function vmdk(isStream: boolean): Buffer {
  const bytes = Buffer.alloc(64 * 512 + (isStream ? 1536 : 0));
  const header = (at: number, directorySector: bigint): void => {
    bytes.write('KDMV', at, 'latin1');
    bytes.writeUInt32LE(isStream ? 3 : 1, at + 4);
    bytes.writeUInt32LE(isStream ? 0x3_0001 : 3, at + 8);
    bytes.writeBigUInt64LE(BigInt(DISK_BYTES / 512), at + 12);
    bytes.writeBigUInt64LE(8n, at + 20);
    bytes.writeBigUInt64LE(1n, at + 28);
    bytes.writeBigUInt64LE(2n, at + 36);
    bytes.writeUInt32LE(512, at + 44);
    bytes.writeBigUInt64LE(directorySector, at + 56);
    bytes.writeUInt16LE(isStream ? 1 : 0, at + 77);
  };
  header(0, isStream ? 0xffff_ffff_ffff_ffffn : 4n);
  if (isStream) header(bytes.length - 1024, 4n);
  bytes.write('# Disk DescriptorFile\nparentCID=ffffffff\n', 512, 'latin1');
  bytes.writeUInt32LE(5, 4 * 512);
  const grain = Buffer.alloc(4096, SAMPLE_FILL);
  for (const [index, sector] of [
    [1, 16],
    [15, 32],
  ] as const) {
    bytes.writeUInt32LE(sector, 5 * 512 + index * 4);
    if (!isStream) {
      grain.copy(bytes, sector * 512);
      continue;
    }
    const packed = deflateSync(grain);
    bytes.writeBigUInt64LE(BigInt(index * 8), sector * 512);
    bytes.writeUInt32LE(packed.length, sector * 512 + 8);
    packed.copy(bytes, sector * 512 + 12);
  }
  return bytes;
}

function vmdkDescriptor(): Buffer {
  const sectors = DISK_BYTES / 512;
  return Buffer.from(
    [
      '# Disk DescriptorFile',
      'version=1',
      'CID=12345678',
      'parentCID=ffffffff',
      'createType="monolithicFlat"',
      '# Extent description',
      `RW ${sectors / 2} FLAT "extent-flat.vmdk" 0`,
      `RW ${sectors / 4} ZERO`,
      `RW ${sectors / 4} FLAT "extent-flat.vmdk" ${sectors / 2}`,
      '',
    ].join('\n'),
  );
}

function vdi(): Buffer {
  const bytes = Buffer.alloc(1024 + 2 * 16 * KiB);
  bytes.write('<<< a disk >>>\n', 0, 'latin1');
  bytes.writeUInt32LE(0xbeda_107f, 64);
  bytes.writeUInt32LE(0x1_0001, 68);
  bytes.writeUInt32LE(1, 76);
  bytes.writeUInt32LE(512, 340);
  bytes.writeUInt32LE(1024, 344);
  bytes.writeUInt32LE(512, 360);
  bytes.writeBigUInt64LE(BigInt(DISK_BYTES), 368);
  bytes.writeUInt32LE(16 * KiB, 376);
  bytes.writeUInt32LE(4, 384);
  [0xffff_ffff, 1, 0xffff_fffe, 0].forEach((entry, index) => {
    bytes.writeUInt32LE(entry, 512 + index * 4);
  });
  bytes.fill(SAMPLE_FILL, 1024);
  return bytes;
}

function iso(): Buffer {
  const bytes = Buffer.alloc(20 * 2048);
  [0, 1, 255].forEach((type, index) => {
    const at = (16 + index) * 2048;
    bytes[at] = type;
    bytes.write('CD001\x01', at + 1, 'latin1');
  });
  bytes.write('EL TORITO SPECIFICATION', 16 * 2048 + 7, 'latin1');
  bytes.write('A LABEL'.padEnd(32), 17 * 2048 + 40, 'latin1');
  bytes.writeUInt32LE(20, 17 * 2048 + 80);
  bytes.writeUInt16LE(2048, 17 * 2048 + 128);
  return bytes;
}
