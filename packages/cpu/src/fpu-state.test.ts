import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Extended, IMAGE, loaded, OPERAND, X87Harness } from '../tools/x87-harness.ts';

const INTEGER_BIT = 1n << 63n;
const ONE: Extended = [INTEGER_BIT, 0x3fff];
const NAN: Extended = [0xc000_0000_0000_0000n, 0x7fff];
const ZERO: Extended = [0n, 0];
const AREA = 0x9000;
const GP = 13;
const UD = 6;
const NM = 7;
/** mov edi, AREA */
const POINT = [0xbf, AREA & 0xff, AREA >> 8, 0, 0];

const harness = new X87Harness('interpreter');
const long = new X87Harness('forced', 64);

/** Bytes of guest memory as hexadecimal digits. */
function bytes(machine: X87Harness, at: number, count: number): string {
  const view = new Uint8Array(machine.ram.buffer, machine.ram.byteOffset + at, count);
  return Buffer.from(view).toString('hex');
}

function fill(machine: X87Harness, at: number, count: number, value: number): void {
  for (let index = 0; index < count; index++) machine.ram.setUint8(at + index, value);
}

suite('x87 environment', () => {
  test('FNSTENV in 32 and 16 bits: tags, last instruction and operand', () => {
    const { ram } = harness;
    // fld dword [esi]; fnstenv [esi+16]; o16 fnstenv [esi+48]; the exceptions are masked then.
    const code = [0xd9, 0x06, 0xd9, 0x76, 0x10, 0x66, 0xd9, 0x76, 0x30];
    const input = { ...loaded([NAN, ZERO, ONE], 0x35b), status: 0x2800 };
    const result = harness.run(code, input);
    assert.equal(result.control, 0x37f);
    const start = ram.getUint32(OPERAND + 16 + 12, true);
    assert.equal(ram.getUint32(OPERAND + 16, true), 0xffff_035b);
    assert.equal(ram.getUint32(OPERAND + 16 + 4, true), 0xffff_2000);
    // R4 = +0 just loaded, R5 a NaN, R6 zero, R7 one; R0 to R3 empty.
    assert.equal(ram.getUint32(OPERAND + 16 + 8, true), 0xffff_19ff);
    assert.equal(ram.getUint32(OPERAND + 16 + 16, true), 0x0106_0008);
    assert.equal(ram.getUint32(OPERAND + 16 + 20, true), OPERAND);
    assert.equal(ram.getUint32(OPERAND + 16 + 24, true), 0xffff_0010);
    assert.equal(harness.ram.getUint16(start, true), 0x06d9);
    const short = bytes(harness, OPERAND + 48, 14);
    const low = (start & 0xffff).toString(16).padStart(4, '0');
    const wanted = `7f030020ff19${low.slice(2)}${low.slice(0, 2)}080000811000`;
    assert.equal(short, wanted);
  });

  test('FNSTENV in real-address mode keeps linear addresses', () => {
    const { ram } = harness;
    const cr0 = harness.processor.state.get('cr0');
    harness.control('cr0', cr0 & ~1);
    // fninit; fld dword [esi]; fnstenv [esi+16]; o16 fnstenv [esi+48]
    const code = [0xdb, 0xe3, 0xd9, 0x06, 0xd9, 0x76, 0x10, 0x66, 0xd9, 0x76, 0x30];
    assert.equal(harness.execute(code), -1);
    harness.control('cr0', cr0);
    const low = ram.getUint32(OPERAND + 28, true);
    const high = ram.getUint32(OPERAND + 32, true);
    assert.equal(low >>> 16, 0xffff);
    assert.equal(high & 0x7ff, 0x106);
    // The selector, 8, counts as a paragraph.
    const start = (low & 0xffff) + ((high & 0x0fff_f000) << 4) - 0x80;
    assert.equal(ram.getUint16(start, true), 0x06d9);
    assert.equal(ram.getUint32(OPERAND + 36, true), 0xffff_0000 + OPERAND + 0x100);
    assert.equal(ram.getUint16(OPERAND + 56, true) & 0xf7ff, (high & 0xf000) | 0x106);
    assert.equal(ram.getUint16(OPERAND + 58, true), OPERAND + 0x100);
  });

  test('FLDENV and FRSTOR take everything back, FNSAVE initializes', () => {
    const input = { ...loaded([ONE, NAN], 0x27f), status: 0x3241 };
    const result = harness.run([], input);
    assert.deepEqual(result.registers.slice(0, 2), [ONE, NAN]);
    assert.deepEqual([result.control, result.status], [0x27f, 0x3241]);
    assert.equal(result.tags, 0x8fff & ~0x3000);
    const { state } = harness.processor;
    assert.equal(state.get('fpuControl'), 0x37f);
    assert.equal(state.get('fpuStatus'), 0);
    assert.equal(state.get('fpuTag'), 0);
    // The image as saved, loaded as an environment: fldenv [edi]
    assert.equal(harness.execute([0xd9, 0x27]), -1);
    assert.deepEqual([state.get('fpuStatus'), state.get('fpuTag')], [0x3241, 0xc0]);
  });

  test('unmasking a pending exception makes it due', () => {
    const input = { ...loaded([ONE]), status: 0x3804 };
    harness.ram.setUint16(OPERAND, 0x37b, true);
    const operand = new Uint8Array([0x7b, 3]);
    // fldcw [esi]; fnop
    assert.equal(harness.run([0xd9, 0x2e, 0xd9, 0xd0], { ...input, operand }).fault, 16);
    assert.equal(harness.run([0xd9, 0x2e], { ...input, operand }).status, 0xb884);
  });

  test('EMMS empties all registers', () => {
    const result = harness.run([0x0f, 0x77], loaded([ONE, ONE]));
    assert.deepEqual([result.tags, result.status], [0xffff, 0]);
  });
});

suite('FXSAVE', () => {
  test('32-bit and 64-bit layouts', () => {
    fill(harness, AREA, 512, 0xcc);
    // fninit; fld1; fld dword [esi]
    const load = [0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0x06];
    assert.equal(harness.execute([...load, ...POINT, 0x0f, 0xae, 0x07]), -1);
    const head = bytes(harness, AREA, 8);
    assert.equal(head, '7f030030c0000601');
    assert.equal(harness.ram.getUint32(AREA + 12, true), 8);
    assert.equal(harness.ram.getUint32(AREA + 16, true), OPERAND);
    assert.equal(harness.ram.getUint32(AREA + 20, true), 16);
    assert.equal(bytes(harness, AREA + 24, 8), '801f0000ffff0000');
    assert.equal(bytes(harness, AREA + 48, 16), '0000000000000080ff3f000000000000');
    // Eight XMM registers outside of 64-bit mode; the last 48 bytes are the program's.
    assert.equal(bytes(harness, AREA + 288, 8), 'cccccccccccccccc');
    fill(long, AREA, 512, 0xcc);
    long.processor.state.set64('xmm', 0x1122_3344_5566_7788n, 15);
    assert.equal(long.execute([...load, ...POINT, 0x48, 0x0f, 0xae, 0x07]), -1);
    assert.equal(long.ram.getBigUint64(AREA + 16, true), BigInt(OPERAND));
    assert.equal(bytes(long, AREA + 400, 8), '8877665544332211');
    assert.equal(bytes(long, AREA + 464, 8), 'cccccccccccccccc');
    long.processor.state.set64('xmm', 0n, 15);
    // fninit; fxrstor64 [rdi]
    assert.equal(long.execute([...POINT, 0xdb, 0xe3, 0x48, 0x0f, 0xae, 0x0f]), -1);
    assert.equal(long.processor.state.get64('xmm', 15), 0x1122_3344_5566_7788n);
    assert.equal(long.processor.state.get('fpuTag'), 0xc0);
    assert.equal(long.processor.state.get('fpuStatus'), 0x3000);
  });

  test('faults: misaligned, reserved bits of MXCSR, CR0.TS', () => {
    assert.equal(harness.execute([0x0f, 0xae, 0x47, 0x08]), GP);
    fill(harness, IMAGE, 512, 0);
    harness.ram.setUint32(IMAGE + 24, 0x1_0000, true);
    assert.equal(harness.execute([0x0f, 0xae, 0x0f]), GP);
    assert.equal(harness.execute([0x0f, 0xae, 0x57, 24]), GP); // ldmxcsr
    const cr0 = harness.processor.state.get('cr0');
    harness.control('cr0', cr0 | 8);
    assert.equal(harness.execute([0x0f, 0xae, 0x07]), NM);
    harness.control('cr0', cr0);
  });
});

suite('XSAVE', () => {
  const XSAVE = [0x0f, 0xae, 0x27];
  const XRSTOR = [0x0f, 0xae, 0x2f];
  const X87_AND_SSE = 3;
  const { ram } = long;
  const { state } = long.processor;
  /** mov eax, components; xor edx, edx */
  const run = (components: number, code: readonly number[], at = AREA) => {
    const point = [0xbf, at & 0xff, at >> 8, 0, 0];
    return long.execute([...point, 0xb8, components, 0, 0, 0, 0x31, 0xd2, ...code]);
  };

  test('writes the components asked for and marks them', () => {
    fill(long, AREA, 576, 0);
    state.set64('xmm', 77n, 3);
    state.set('mxcsr', 0x1f81);
    assert.equal(run(2, XSAVE), -1);
    assert.equal(ram.getBigUint64(AREA + 512, true), 2n);
    assert.equal(ram.getUint16(AREA, true), 0);
    assert.equal(ram.getUint32(AREA + 24, true), 0x1f81);
    assert.equal(run(X87_AND_SSE, XSAVE), -1);
    assert.equal(ram.getBigUint64(AREA + 512, true), 3n);
    assert.notEqual(ram.getUint16(AREA, true), 0);
    assert.equal(ram.getBigUint64(AREA + 160 + 48, true), 77n);
  });

  test('XRSTOR initializes what the header leaves out', () => {
    ram.setBigUint64(AREA + 512, 0n, true);
    state.set('mxcsr', 0x1f80);
    state.set('fpuControl', 0x7f);
    assert.equal(run(X87_AND_SSE, XRSTOR), -1);
    assert.equal(state.get64('xmm', 3), 0n);
    assert.equal(state.get('fpuControl'), 0x37f);
    // MXCSR comes from memory whenever SSE is asked for.
    assert.equal(state.get('mxcsr'), 0x1f81);
  });

  test('faults: alignment, header, CR4.OSXSAVE', () => {
    assert.equal(run(X87_AND_SSE, XSAVE, AREA + 16), GP);
    ram.setBigUint64(AREA + 512, 4n, true);
    assert.equal(run(X87_AND_SSE, XRSTOR), GP);
    ram.setBigUint64(AREA + 512, 0n, true);
    ram.setBigUint64(AREA + 520, 1n << 63n, true);
    assert.equal(run(X87_AND_SSE, XRSTOR), GP);
    ram.setBigUint64(AREA + 520, 0n, true);
    const cr4 = state.get('cr4');
    long.control('cr4', cr4 & ~0x4_0000);
    assert.equal(run(X87_AND_SSE, XSAVE), UD);
    long.control('cr4', cr4);
    assert.equal(run(X87_AND_SSE, XSAVE), -1);
  });
});
