import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Assembler, EAX, ECX, EDI, ESI } from './assembler.ts';
import { CODE_ADDRESS, MEMORY_ADDRESS } from './elf.ts';
import { buildClock, buildProgram, PROGRAMS } from './programs.ts';

test('instructions are encoded as the manual says', () => {
  const code = new Assembler(64, CODE_ADDRESS);
  const loop = code.here();
  code.move(EAX, ECX, true);
  code.storeElement(EAX, EDI, ECX);
  code.loadByte(ECX, ESI, EAX);
  code.countDown(ECX, loop);
  const expected = '4889c8 89448f00 0fb64c0600 81e901000000 0f85e8ffffff';
  assert.equal(Buffer.from(code.finish()).toString('hex'), expected.replaceAll(' ', ''));
});

test('every program is an ELF file for its processor whose code ends before its memory', () => {
  for (const bits of [32, 64] as const) {
    const files = PROGRAMS.map((program) => buildProgram(program, bits));
    for (const file of [...files, buildClock(bits)]) {
      const view = new DataView(file.buffer);
      assert.equal(view.getUint32(0), 0x7f454c46);
      assert.equal(view.getUint16(18, true), bits === 32 ? 3 : 62);
      assert.equal(view.getUint32(24, true), CODE_ADDRESS);
      assert.ok(CODE_ADDRESS + file.length < MEMORY_ADDRESS);
    }
  }
});
