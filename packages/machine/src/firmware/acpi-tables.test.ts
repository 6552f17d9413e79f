import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildAcpiTables, placeAcpiTables } from './acpi-tables.ts';
import { tableLoaderScript } from './table-loader.ts';

const ADDRESS = 0x3ff_0000;

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
}

/** Follows the pointers as an operating system does; the tables by signature. */
function walk(tables: Uint8Array, rsdp: Uint8Array, address: number): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  const at = (pointer: number): Uint8Array => {
    const offset = pointer - address;
    const length = new DataView(tables.buffer, tables.byteOffset).getUint32(offset + 4, true);
    const bytes = tables.slice(offset, offset + length);
    found.set(Buffer.from(bytes.subarray(0, 4)).toString(), bytes);
    return bytes;
  };
  const rsdpView = new DataView(rsdp.buffer, rsdp.byteOffset);
  const xsdt = at(Number(rsdpView.getBigUint64(24, true)));
  const rsdt = at(rsdpView.getUint32(16, true));
  const fromXsdt = [];
  for (let offset = 36; offset < xsdt.length; offset += 8) {
    fromXsdt.push(Number(new DataView(xsdt.buffer).getBigUint64(offset, true)));
  }
  const fromRsdt = [];
  for (let offset = 36; offset < rsdt.length; offset += 4) {
    fromRsdt.push(new DataView(rsdt.buffer).getUint32(offset, true));
  }
  assert.deepEqual(fromXsdt, fromRsdt);
  for (const pointer of fromXsdt) at(pointer);
  const fadt = new DataView((found.get('FACP') as Uint8Array).buffer);
  assert.equal(BigInt(fadt.getUint32(40, true)), fadt.getBigUint64(140, true));
  at(fadt.getUint32(40, true));
  assert.equal(fadt.getUint32(36, true) % 64, 0, 'the FACS is aligned to its size');
  at(fadt.getUint32(36, true));
  return found;
}

test('placed tables are found by following pointers, and their checksums hold', () => {
  const { tables, rsdp } = placeAcpiTables(buildAcpiTables({ hasFloppy: true }), ADDRESS);
  assert.equal(sum(rsdp.subarray(0, 20)), 0);
  assert.equal(sum(rsdp), 0);
  const found = walk(tables, rsdp, ADDRESS);
  assert.deepEqual([...found.keys()].sort(), [
    'APIC',
    'DSDT',
    'FACP',
    'FACS',
    'HPET',
    'RSDT',
    'XSDT',
  ]);
  for (const [signature, bytes] of found) {
    if (signature !== 'FACS') assert.equal(sum(bytes), 0, signature);
  }
  assert.equal(found.get('FACP')?.length, 244);
  assert.equal(found.get('HPET')?.length, 56);
});

test('the loader script leads to the same bytes as placing the tables directly', () => {
  const acpi = buildAcpiTables({ hasFloppy: true });
  const script = Buffer.from(tableLoaderScript(acpi));
  const files = new Map([
    ['etc/acpi/tables', { bytes: acpi.tables.slice(), address: ADDRESS }],
    ['etc/acpi/rsdp', { bytes: acpi.rsdp.slice(), address: 0xf_5000 }],
  ]);
  const fileAt = (offset: number) => {
    const name = script.toString('latin1', offset, offset + 56).replace(/\0.*$/s, '');
    const file = files.get(name);
    assert.ok(file, `unknown file ${name}`);
    return file;
  };
  assert.equal(script.length % 128, 0);
  for (let at = 0; at < script.length; at += 128) {
    const target = fileAt(at + 4);
    const view = new DataView(target.bytes.buffer);
    const code = script.readUInt32LE(at);
    if (code === 2) {
      const source = fileAt(at + 60);
      const offset = script.readUInt32LE(at + 116);
      const size = script.readUInt8(at + 120);
      assert.ok(size === 4 || size === 8);
      view.setUint32(offset, view.getUint32(offset, true) + source.address, true);
    } else if (code === 3) {
      const offset = script.readUInt32LE(at + 60);
      const start = script.readUInt32LE(at + 64);
      const length = script.readUInt32LE(at + 68);
      view.setUint8(
        offset,
        view.getUint8(offset) - sum(target.bytes.subarray(start, start + length)),
      );
    } else {
      assert.equal(code, 1);
      assert.ok([16, 64].includes(script.readUInt32LE(at + 60)));
    }
  }
  const direct = placeAcpiTables(acpi, ADDRESS);
  assert.deepEqual(files.get('etc/acpi/tables')?.bytes, direct.tables);
  assert.deepEqual(files.get('etc/acpi/rsdp')?.bytes, direct.rsdp);
});
