import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runtimeBytes } from '../tools/build-runtime.ts';
import { createMemory, type Engine, Processor } from './index.ts';

const CACHE = new URL('../../../.cache', import.meta.url).pathname;
const RAM_BYTES = 1 << 20;
const CODE = 0x1_0000;
const HANDLER = 0x800;
const INT3_HANDLER = 0x900;
const STACK = 0x7000;
const DATA = 0x2_0000;
const TRACE_PORT = 0x80;
const EXIT_PORT = 0xf4;
const DR6_BS = 0x4000;
/** More than any case makes: one that traps for ever ends here. */
const TRAPS_MAX = 12;

const runtime = runtimeBytes(CACHE);

/** What a #DB handler saw: the offset it returns to, and DR6 without its fixed bits. */
type Trap = readonly [ip: number, dr6: number];

/** Runs 16-bit code in real-address mode; the traps that it met, in their order. */
function trapsOf(engine: Engine, code: readonly number[]): Trap[] {
  const traps: Trap[] = [];
  const processor = Processor.create({
    ramBytes: RAM_BYTES,
    engine,
    mmu: 'shadow',
    memory: createMemory(RAM_BYTES, 0),
    runtime,
    host: {
      ioRead: () => 0,
      ioWrite: (port) => {
        if (port === EXIT_PORT || traps.length === TRAPS_MAX) processor.requestStop();
        if (port !== TRACE_PORT) return;
        const frame = processor.state.get('gpr', 4) & 0xffff;
        traps.push([
          processor.guestMemory.read32(frame) & 0xffff,
          processor.state.get('dr', 6) & 0xe00f,
        ]);
        processor.state.set('dr', 0xffff_0ff0, 6);
        // A 16-bit IRET cannot set RF: what the instruction breakpoint was for is over.
        if (processor.state.get('dr', 3) !== 0) processor.state.set('dr', 0x400, 7);
      },
      mmioRead: () => 0,
      mmioWrite: () => undefined,
      acknowledgeInterrupt: () => -1,
      service: () => undefined,
      now: () => 0,
      readMsr: () => ({ lo: 0, hi: 0 }),
      writeMsr: () => true,
      readCr8: () => 0,
      writeCr8: () => undefined,
      random: () => 0,
    },
  });
  const { guestMemory, state } = processor;
  guestMemory.write32(1 * 4, HANDLER);
  guestMemory.write32(3 * 4, INT3_HANDLER);
  guestMemory.writeFrom(HANDLER, new Uint8Array([0xe6, TRACE_PORT, 0xcf]));
  guestMemory.writeFrom(INT3_HANDLER, new Uint8Array([0x90, 0xcf]));
  guestMemory.writeFrom(CODE, new Uint8Array([...code, 0xe6, EXIT_PORT, 0xf4]));
  for (const [index, base] of [
    [0, DATA],
    [1, CODE],
    [2, 0],
    [3, DATA],
  ] as const) {
    state.set('segBase', base, index);
    state.set('segSelector', base >> 4, index);
  }
  state.set('rip', 0);
  state.set('gpr', STACK, 4);
  processor.stateChanged();
  assert.equal(processor.run().kind, 'stopped');
  return traps;
}

const low = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff];
const words = (value: number): number[] => [...low(value), ...low(value >>> 16)];
/** MOV EAX, imm32; MOV DRn, EAX. */
const movDr = (index: number, value: number): number[] => [
  ...[0x66, 0xb8, ...words(value)],
  ...[0x0f, 0x23, 0xc0 | (index << 3)],
];
/** PUSHF; OR or AND word [SP], with BP as its pointer; POPF. */
const setTf = [0x9c, 0x89, 0xe5, 0x81, 0x4e, 0, ...low(0x100), 0x9d];
const clearTf = [0x9c, 0x89, 0xe5, 0x81, 0x66, 0, ...low(0xfeff), 0x9d];
/** Traps of clearTf: POPF, the last of its four instructions, begins with TF set, too. */
const afterClear = (at: number): Trap[] => [1, 3, 8, 9].map((by) => [at + by, DR6_BS]);

const CASES: readonly [name: string, code: readonly number[], traps: readonly Trap[]][] = [
  [
    'single steps come after each instruction, STI too',
    [...setTf, 0xfb, 0x90, 0xfa, ...clearTf],
    [[10, DR6_BS], [11, DR6_BS], [12, DR6_BS], ...afterClear(12)],
  ],
  [
    'MOV SS holds its own step back',
    [0x8c, 0xd0, ...setTf, 0x8e, 0xd0, 0x90, ...clearTf],
    [[14, DR6_BS], ...afterClear(14)],
  ],
  [
    'a repeated string instruction traps after each iteration',
    [0xb9, 3, 0, ...setTf, 0xf3, 0xaa, ...clearTf],
    [[12, DR6_BS], [12, DR6_BS], [14, DR6_BS], ...afterClear(14)],
  ],
  ['HLT ends by its own step', [...setTf, 0xf4, ...clearTf], [[10, DR6_BS], ...afterClear(10)]],
  [
    'a watched doubleword traps after the write, at any of its bytes, and not when it is read',
    [
      ...[0xa2, ...low(0x101)], // While the page is still in the shadow table.
      ...movDr(0, DATA + 0x100),
      ...movDr(7, 0x000d_0001),
      ...[0xa2, ...low(0x103)],
      ...[0xa1, ...low(0x100)],
      ...[0xa3, ...low(0x104)],
      ...[0xa3, ...low(0xff)],
    ],
    [
      [24, 1],
      [33, 1],
    ],
  ],
  [
    'a watch for reads and writes meets the second element of a string',
    [...movDr(1, DATA + 2), ...movDr(7, 0x0070_0004), 0x31, 0xf6, 0xb9, 3, 0, 0xf3, 0xad],
    [[23, 2]],
  ],
  [
    'an instruction breakpoint comes first, though an IRET with RF ran before it was set',
    [
      ...[0x66, 0x68, ...words(0x1_0002), 0x66, 0x0e, 0x66, 0x68, ...words(16), 0x66, 0xcf],
      ...movDr(3, CODE + 34),
      ...movDr(7, 0x0000_0040),
      0x90,
    ],
    [[34, 8]],
  ],
  [
    'ICEBP takes what MOV SS held back, and INT3 lets it wait for the handler',
    [
      ...[0xb8, 0, 0, 0xa3, ...low(0x40)],
      ...movDr(0, DATA + 0x40),
      ...movDr(7, 0x000f_0001),
      ...[0x8e, 0x16, ...low(0x40), 0xf1],
      ...[0x8e, 0x16, ...low(0x40), 0xcc],
    ],
    [
      [29, 1],
      [INT3_HANDLER, 1],
    ],
  ],
];

describe('debug exceptions in real-address mode', () => {
  for (const [name, code, expected] of CASES) {
    for (const engine of ['interpreter', 'forced'] as const) {
      test(`${name} (${engine})`, () => {
        assert.deepEqual(trapsOf(engine, code), expected);
      });
    }
  }
});
