import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeCpio } from './cpio.ts';

interface Parsed {
  readonly path: string;
  readonly mode: number;
  readonly inode: number;
  readonly device: readonly [number, number];
  readonly data: string;
}

/** Reads an archive back by the format's own rules, independent of the writer. */
function parse(archive: Uint8Array): Parsed[] {
  const bytes = Buffer.from(archive);
  const entries: Parsed[] = [];
  let at = 0;
  while (at < bytes.length) {
    assert.equal(bytes.toString('latin1', at, at + 6), '070701');
    const field = (index: number): number =>
      Number.parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameSize = field(11);
    const path = bytes.toString('utf8', at + 110, at + 110 + nameSize - 1);
    const dataAt = (at + 110 + nameSize + 3) & ~3;
    const data = bytes.toString('utf8', dataAt, dataAt + field(6));
    entries.push({ path, mode: field(1), inode: field(0), device: [field(9), field(10)], data });
    at = (dataAt + field(6) + 3) & ~3;
  }
  return entries;
}

test('every kind of entry is written with its type, device numbers and data', () => {
  const entries = parse(
    writeCpio([
      { kind: 'directory', path: 'dev' },
      { kind: 'character-device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
      { kind: 'file', path: 'etc/odd-length', mode: 0o644, data: Buffer.from('seven..') },
      { kind: 'link', path: 'init', target: 'sbin/init' },
    ]),
  );
  assert.deepEqual(
    entries.map(({ path, mode, device, data }) => ({ path, mode: mode.toString(8), device, data })),
    [
      { path: 'dev', mode: '40755', device: [0, 0], data: '' },
      { path: 'dev/console', mode: '20600', device: [5, 1], data: '' },
      { path: 'etc/odd-length', mode: '100644', device: [0, 0], data: 'seven..' },
      { path: 'init', mode: '120777', device: [0, 0], data: 'sbin/init' },
      { path: 'TRAILER!!!', mode: '0', device: [0, 0], data: '' },
    ],
  );
});

test('inodes are distinct, so that the kernel takes no two files for hard links', () => {
  const file = (path: string) => ({ kind: 'file', path, mode: 0o644, data: Buffer.of(1) }) as const;
  const inodes = parse(writeCpio([file('a'), file('b'), file('c')])).map(({ inode }) => inode);
  assert.equal(new Set(inodes).size, inodes.length);
});

test('an archive is a multiple of four bytes, as the kernel expects of joined archives', () => {
  assert.equal(writeCpio([{ kind: 'directory', path: 'abc' }]).length % 4, 0);
});
