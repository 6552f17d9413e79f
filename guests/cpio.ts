// The "newc" archive that Linux unpacks as its first root file system. [INITRAMFS]

/** File type bits of a mode. */
const TYPE = {
  CHARACTER: 0o020000,
  DIRECTORY: 0o040000,
  FILE: 0o100000,
  LINK: 0o120000,
} as const;

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';

/** One entry of an archive; `path` is relative to the root, without a leading slash. */
export type CpioEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode?: number }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly mode: number;
      readonly data: Uint8Array;
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'character-device';
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

interface Header {
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
  readonly major: number;
  readonly minor: number;
}

/** The archive of `entries`, owned by root, all dated 1970: equal entries give equal bytes. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const headers = entries.map(headerOf);
  headers.push({ path: TRAILER, mode: 0, data: new Uint8Array(0), major: 0, minor: 0 });
  return Buffer.concat(headers.flatMap((header, index) => encode(header, index + 1)));
}

function headerOf(entry: CpioEntry): Header {
  const plain = { path: entry.path, data: new Uint8Array(0), major: 0, minor: 0 };
  switch (entry.kind) {
    case 'directory':
      return { ...plain, mode: TYPE.DIRECTORY | (entry.mode ?? 0o755) };
    case 'file':
      return { ...plain, mode: TYPE.FILE | entry.mode, data: entry.data };
    case 'link':
      return { ...plain, mode: TYPE.LINK | 0o777, data: Buffer.from(entry.target) };
    case 'character-device':
      return {
        ...plain,
        mode: TYPE.CHARACTER | entry.mode,
        major: entry.major,
        minor: entry.minor,
      };
  }
}

function encode(header: Header, inode: number): Uint8Array[] {
  const name = Buffer.from(`${header.path}\0`);
  const links = 1;
  const fields = [
    header.path === TRAILER ? 0 : inode,
    header.mode,
    0, // Owner.
    0, // Group.
    links,
    0, // Modification time.
    header.data.length,
    0, // Device that holds the file, major and minor.
    0,
    header.major,
    header.minor,
    name.length,
    0, // Checksum, unused in this variant.
  ];
  const text = MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  const head = Buffer.concat([Buffer.from(text, 'latin1'), name]);
  return [head, padding(head.length), header.data, padding(header.data.length)];
}

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}
