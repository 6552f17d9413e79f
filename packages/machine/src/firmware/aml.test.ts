import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as aml from './aml.ts';

const hex = (bytes: aml.Aml): string => Buffer.from(bytes).toString('hex');

test('integers take their shortest form', () => {
  assert.equal(hex(aml.integer(0)), '00');
  assert.equal(hex(aml.integer(1)), '01');
  assert.equal(hex(aml.integer(0x40)), '0a40');
  assert.equal(hex(aml.integer(0x1234)), '0b3412');
  assert.equal(hex(aml.integer(0xfec0_0000)), '0c0000c0fe');
  assert.throws(() => aml.integer(-1));
});

test('names are padded, and paths carry their prefixes', () => {
  assert.equal(hex(aml.name('_S5')), Buffer.from('_S5_').toString('hex'));
  assert.equal(hex(aml.name('\\')), '5c00');
  assert.equal(hex(aml.name('^^A')), `5e5e${Buffer.from('A___').toString('hex')}`);
  assert.equal(hex(aml.name('\\_SB.PCI0')), `5c2e${Buffer.from('_SB_PCI0').toString('hex')}`);
  assert.equal(hex(aml.name('A.B.C')), `2f03${Buffer.from('A___B___C___').toString('hex')}`);
  assert.throws(() => aml.name('lower'));
});

test('the compressed identifier of the PCI root is the one that everybody knows', () => {
  assert.equal(hex(aml.eisaId('PNP0A03')), '0c41d00a03');
});

test('package lengths count themselves in one to four bytes', () => {
  assert.equal(hex(aml.scope('A', [])), '1005415f5f5f');
  const body = (length: number): aml.Aml => new Array<number>(length).fill(0xa3);
  assert.deepEqual(aml.scope('A', [body(58)]).slice(0, 2), [0x10, 0x3f]);
  assert.deepEqual(aml.scope('A', [body(59)]).slice(0, 3), [0x10, 0x41, 0x04]);
  assert.deepEqual(aml.scope('A', [body(5000)]).slice(0, 4), [0x10, 0x8f, 0x38, 0x01]);
});
