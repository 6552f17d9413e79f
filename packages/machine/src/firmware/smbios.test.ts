import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '@umbra/base';
import { buildSmbios, placeSmbios } from './smbios.ts';

const smbios = buildSmbios({
  ramBytes: 512 * MiB,
  uuid: Uint8Array.from({ length: 16 }, (_, index) => index),
  processorName: 'Umbra Virtual CPU',
});

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
}

test('the entry point names the tables, and both its checksums hold', () => {
  const anchor = placeSmbios(smbios, 0xf_0100);
  const view = new DataView(anchor.buffer);
  assert.equal(anchor.length, 31);
  assert.equal(sum(anchor), 0);
  assert.equal(sum(anchor.subarray(16)), 0);
  assert.equal(view.getUint32(24, true), 0xf_0100);
  assert.equal(view.getUint16(22, true), smbios.tables.length);
});

test('the structures have the lengths of version 2.8 and end with type 127', () => {
  const expected = new Map([
    [0, 24],
    [1, 27],
    [3, 22],
    [4, 42],
    [16, 23],
    [17, 40],
    [19, 31],
    [32, 11],
    [127, 4],
  ]);
  const { tables } = smbios;
  const types: number[] = [];
  let largest = 0;
  for (let at = 0; at < tables.length; ) {
    const start = at;
    const type = tables[at] as number;
    types.push(type);
    assert.equal(tables[at + 1], expected.get(type), `length of type ${type}`);
    at += tables[at + 1] as number;
    while (tables[at] !== 0 || tables[at + 1] !== 0) at += 1;
    at += 2;
    largest = Math.max(largest, at - start);
  }
  assert.deepEqual(types, [...expected.keys()]);
  const view = new DataView(smbios.anchor.buffer);
  assert.equal(view.getUint16(8, true), largest);
  assert.equal(view.getUint16(28, true), types.length);
});
