import {
  checkImage,
  compactImage,
  compareImages,
  convertImage,
  createChild,
  createImage,
  DISK_FORMATS,
  type DiskImage,
  describeImage,
  type Finding,
  IMAGE_TYPES,
  IMPORT_FORMATS,
  type ImportFormat,
  mergeImage,
  openForImport,
  openImage,
  resizeImage,
  type Work,
} from '@umbra/storage';
import { type OptionRow, parseChoice, usage } from '../option-table.ts';
import { parseDiskSize, sizeText } from './disk-size.ts';
import { factsText } from './facts-text.ts';

/** What a command came to: for people, for programs, and the exit status. */
export interface Outcome {
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly status: number;
}

/** One of the commands of `umbra disk`. */
export interface DiskCommand {
  readonly operands: readonly string[];
  readonly help: string;
  readonly options: Readonly<Record<string, OptionRow>>;
  run(call: DiskCall): Promise<Outcome>;
}

/** A call of a command. */
interface DiskCall {
  readonly operands: readonly string[];
  readonly options: DiskOptions;
  readonly work: Work;
}

const STATUS = { OK: 0, FOUND: 1 } as const;

const type = { value: 'TYPE', help: 'dynamic (default), fixed or raw' };
const sparse = { help: 'give a fixed or raw disk its room as it is written to, not at once' };
const blockSize = { value: 'SIZE', help: 'size of the blocks of a dynamic disk (default 2M)' };
const force = { help: 'replace the file if there is one' };
const parentTime = { help: 'take a parent that was changed after its child was made' };
const diskFormat = { value: 'NAME', help: 'vhd or raw, where the name does not say it' };
const anyFormat = { value: 'NAME', help: 'vhd, raw, qcow2, vmdk or vdi (default: as it looks)' };

/** The values of all options that some command has. */
export interface DiskOptions {
  readonly size?: string;
  readonly type?: string;
  readonly sparse?: boolean;
  readonly parent?: string;
  readonly 'block-size'?: string;
  readonly force?: boolean;
  readonly format?: string;
  readonly repair?: boolean;
  readonly to?: string;
  readonly 'ignore-parent-time'?: boolean;
}

/** The commands of `umbra disk` by name. */
export const DISK_COMMANDS: Readonly<Record<string, DiskCommand>> = {
  create: {
    operands: ['FILE'],
    help: 'makes an empty disk',
    options: {
      size: { value: 'SIZE', help: 'size of the disk with K, M, G or T' },
      type,
      sparse,
      'block-size': blockSize,
      parent: { value: 'FILE', help: 'make a differencing disk over this one' },
      force,
    },
    run: create,
  },
  info: {
    operands: ['FILE'],
    help: 'says what an image is, also while it is in use',
    options: { format: anyFormat },
    run: info,
  },
  check: {
    operands: ['FILE'],
    help: 'finds what is wrong with an image',
    options: { format: anyFormat, repair: { help: 'mend it, if it is a VHD' } },
    run: check,
  },
  compact: {
    operands: ['FILE'],
    help: 'gives the room of zeros and of discarded blocks back',
    options: { 'ignore-parent-time': parentTime },
    run: compact,
  },
  convert: {
    operands: ['SOURCE', 'TARGET'],
    help: 'copies a disk to one of another type',
    options: {
      ...{ format: diskFormat, type, sparse, 'block-size': blockSize, force },
      'ignore-parent-time': parentTime,
    },
    run: convert,
  },
  import: {
    operands: ['SOURCE', 'TARGET'],
    help: "copies another program's disk: qcow2, VMDK, VDI, or any of ours",
    options: { format: anyFormat, type, sparse, 'block-size': blockSize, force },
    run: importDisk,
  },
  merge: {
    operands: ['FILE'],
    help: 'writes a differencing disk into its parent, and removes it',
    options: {
      to: { value: 'FILE', help: 'leave both, and make a new disk of them' },
      ...{ type, sparse, 'block-size': blockSize, force, 'ignore-parent-time': parentTime },
    },
    run: merge,
  },
  resize: {
    operands: ['FILE', 'SIZE'],
    help: 'makes a disk larger; or smaller, if only zeros are cut off',
    options: { format: diskFormat },
    run: resize,
  },
  compare: {
    operands: ['FIRST', 'SECOND'],
    help: 'tells whether two disks hold the same; status 1 if not',
    options: { format: { ...anyFormat, help: `of both: ${anyFormat.help}` } },
    run: compare,
  },
};

async function create({ operands, options, work }: DiskCall): Promise<Outcome> {
  const [path = ''] = operands;
  const { parent, size, force: mayReplace = false } = options;
  if (parent !== undefined) {
    if (size !== undefined || options.type !== undefined) {
      throw usage('Option --parent goes without --size and --type: they are those of the parent');
    }
    return made(path, 'differencing', await createChild(path, parent, mayReplace));
  }
  if (size === undefined) throw usage('Expected --size or --parent');
  const image = { ...targetOf(path, options), sizeBytes: parseDiskSize('Option --size', size) };
  return made(path, image.type, await createImage(image, work));
}

async function info({ operands, options }: DiskCall): Promise<Outcome> {
  const facts = await describeImage(operands[0] ?? '', importFormat(options.format));
  return { text: factsText(facts), json: { ...facts }, status: STATUS.OK };
}

async function check({ operands, options, work }: DiskCall): Promise<Outcome> {
  const format = importFormat(options.format);
  const findings = await checkImage(
    operands[0] ?? '',
    { ...(format && { format }), isRepairing: options.repair ?? false },
    work,
  );
  const isLeft = ({ severity, isRepaired }: Finding): boolean =>
    severity === 'error' && !isRepaired;
  const lines = findings.map(({ severity, code, message, isRepaired }) => {
    const state = severity === 'note' ? 'note' : isRepaired ? 'repaired' : 'error';
    return `${state}: ${message} [${code}]\n`;
  });
  const isClean = !findings.some(isLeft);
  const text = `${lines.join('')}${isClean ? 'The image is clean\n' : 'The image is damaged\n'}`;
  return { text, json: { isClean, findings }, status: isClean ? STATUS.OK : STATUS.FOUND };
}

async function compact({ operands, options, work }: DiskCall): Promise<Outcome> {
  const path = operands[0] ?? '';
  const before = await describeImage(path, 'vhd');
  const image = await openImage(path, {
    ...{ format: 'vhd', isReadOnly: false },
    ignoreParentTime: options['ignore-parent-time'] ?? false,
  });
  const done = await closing(image, () => compactImage(image, work));
  const { fileBytes } = await describeImage(path, 'vhd');
  const text = `${path} has ${sizeText(fileBytes)}, before ${sizeText(before.fileBytes)}\n`;
  const json = { path, fileBytes, fileBytesBefore: before.fileBytes, ...done };
  return { text, json, status: STATUS.OK };
}

async function convert({ operands, options, work }: DiskCall): Promise<Outcome> {
  const [source = '', target = ''] = operands;
  const image = targetOf(target, options);
  const opened = await openImage(source, {
    isReadOnly: true,
    ignoreParentTime: options['ignore-parent-time'] ?? false,
    ...(options.format && { format: parseChoice('format', options.format, DISK_FORMATS, 'vhd') }),
  });
  return made(target, image.type, await closing(opened, () => convertImage(opened, image, work)));
}

async function importDisk({ operands, options, work }: DiskCall): Promise<Outcome> {
  const [source = '', target = ''] = operands;
  const image = targetOf(target, options);
  const opened = await openForImport(source, importFormat(options.format));
  return made(target, image.type, await closing(opened, () => convertImage(opened, image, work)));
}

async function merge({ operands, options, work }: DiskCall): Promise<Outcome> {
  const [path = ''] = operands;
  const { to } = options;
  if (to !== undefined) {
    return await convert({ operands: [path, to], options: { ...options, format: 'vhd' }, work });
  }
  if (options.type !== undefined) throw usage('Option --type goes with --to only');
  const parent = await mergeImage(path, options['ignore-parent-time'] ?? false, work);
  const text = `${path} is merged into ${parent} and removed\n`;
  return { text, json: { path, parent }, status: STATUS.OK };
}

async function resize({ operands, options, work }: DiskCall): Promise<Outcome> {
  const [path = '', size = ''] = operands;
  const format =
    options.format === undefined
      ? undefined
      : parseChoice('format', options.format, DISK_FORMATS, 'vhd');
  const sizeBytes = await resizeImage(path, parseDiskSize('SIZE', size), format, work);
  const text = `${path} has ${sizeText(sizeBytes)}\n`;
  return { text, json: { path, sizeBytes }, status: STATUS.OK };
}

async function compare({ operands, options, work }: DiskCall): Promise<Outcome> {
  const [firstPath = '', secondPath = ''] = operands;
  const format = importFormat(options.format);
  const first = await openForImport(firstPath, format);
  const result = await closing(first, async () => {
    const second = await openForImport(secondPath, format);
    return await closing(second, () => compareImages(first, second, work));
  });
  const { isIdentical, differsAt, sizesBytes } = result;
  const [one, other] = sizesBytes.map(sizeText);
  const sizes =
    sizesBytes[0] === sizesBytes[1] ? '' : `; the sizes are ${one} and ${other}, the rest is zeros`;
  const text = isIdentical
    ? `The disks are identical${sizes}\n`
    : `The disks differ at offset ${differsAt}\n`;
  return { text, json: { ...result }, status: isIdentical ? STATUS.OK : STATUS.FOUND };
}

function targetOf(path: string, options: DiskCall['options']): Omit<NewDisk, 'sizeBytes'> {
  const fallback = /\.vhd$/i.test(path) ? 'dynamic' : 'raw';
  const imageType = parseChoice('type', options.type, IMAGE_TYPES, fallback);
  const blockText = options['block-size'];
  const blockBytes =
    blockText === undefined ? undefined : parseDiskSize('Option --block-size', blockText);
  if (blockBytes !== undefined) {
    if (imageType !== 'dynamic') throw usage('Option --block-size goes with dynamic disks only');
    if (!BLOCK_SIZES.includes(blockBytes)) {
      throw usage(`Option --block-size is "${blockText}", expected 512K, 1M, 2M or 4M`);
    }
  }
  return {
    path,
    type: imageType,
    isSparse: options.sparse ?? false,
    mayReplace: options.force ?? false,
    ...(blockBytes !== undefined && { blockBytes }),
  };
}

type NewDisk = Parameters<typeof createImage>[0];

const BLOCK_SIZES: readonly number[] = [512, 1024, 2048, 4096].map((kib) => kib * 1024);

function importFormat(text: string | undefined): ImportFormat | undefined {
  return text === undefined ? undefined : parseChoice('format', text, IMPORT_FORMATS, 'vhd');
}

function made(path: string, typeName: string, sizeBytes: number): Outcome {
  const text = `${path} is made: ${typeName}, ${sizeText(sizeBytes)}\n`;
  return { text, json: { path, type: typeName, sizeBytes }, status: STATUS.OK };
}

async function closing<T>(image: DiskImage, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } finally {
    await image.close();
  }
}
