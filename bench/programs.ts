// The benchmark programs: each does a fixed amount of work between two readings of the guest's
// monotonic clock and prints `BENCH name checksum nanoseconds`, both in hexadecimal.

import {
  Assembler,
  type Bits,
  EAX,
  EBP,
  EBX,
  ECX,
  EDI,
  EDX,
  ESI,
  type Label,
} from './assembler.ts';
import { CODE_ADDRESS, MEMORY_ADDRESS, writeElf } from './elf.ts';

export const GROUPS = [
  'integer',
  'calls',
  'memory',
  'system',
  'applications',
  'boot',
  'idle',
] as const;
export type Group = (typeof GROUPS)[number];

/** What a program is made of; it may use all registers but the stack pointer. */
export interface Program {
  readonly name: string;
  readonly group: Group;
  /** Zeroed memory from BUFFER on. */
  readonly bufferBytes: number;
  /** Untimed preparation. */
  prepare?(code: Assembler): void;
  /** The timed work; leaves a checksum in EAX. */
  work(code: Assembler): void;
}

const STARTED = MEMORY_ADDRESS;
const ENDED = MEMORY_ADDRESS + 16;
/** Where a program's own memory begins. */
const BUFFER = MEMORY_ADDRESS + 0x1000;
const CLOCK_MONOTONIC = 1;
const NANOSECONDS = 1_000_000_000;
const MiB = 1 << 20;
const KNUTH = 0x9e37_79b1;

/** xorshift32 of Marsaglia; `spare` is overwritten. */
function xorshift(code: Assembler, register: number, spare: number, wide = false): void {
  for (const [direction, count] of [['shl', 13] as const, ['shr', 17], ['shl', 5]]) {
    code.move(spare, register, wide);
    code.shift(direction as 'shl' | 'shr', spare, count as number, wide);
    code.alu('xor', register, spare, wide);
  }
}

const INTEGER: readonly Program[] = [
  {
    name: 'xorshift',
    group: 'integer',
    bufferBytes: 0,
    work(code) {
      code.set(EBX, 0x2545_f491);
      code.set(EAX, 0);
      code.set(ECX, 60_000_000);
      const loop = code.here();
      xorshift(code, EBX, EDX, true);
      code.alu('add', EAX, EBX, true);
      code.shift('rol', EAX, 7, true);
      code.countDown(ECX, loop);
    },
  },
  {
    name: 'multiply-divide',
    group: 'integer',
    bufferBytes: 0,
    work(code) {
      code.set(EBX, 12_345);
      code.set(ESI, 0);
      code.set(EDI, 1_000_003);
      code.set(EBP, KNUTH);
      code.set(ECX, 40_000_000);
      const loop = code.here();
      code.multiply(EBX, EBP);
      code.aluConstant('add', EBX, 12_345);
      code.move(EAX, EBX);
      code.set(EDX, 0);
      code.divide(EDI);
      code.alu('add', ESI, EDX);
      code.alu('xor', ESI, EAX);
      code.countDown(ECX, loop);
      code.move(EAX, ESI);
    },
  },
  {
    name: 'sieve',
    group: 'integer',
    bufferBytes: 2 * MiB,
    work(code) {
      code.set(EBP, 5);
      code.set(EAX, 0);
      const round = code.here();
      sieveRound(code, BUFFER, 2 * MiB);
      code.countDown(EBP, round);
    },
  },
];

/** Counts primes below `size` into EAX, with a byte for each number at `base`. */
function sieveRound(code: Assembler, base: number, size: number): void {
  const [outer, next, inner, done] = [code.label(), code.label(), code.label(), code.label()];
  code.set(EDI, base);
  code.set(ECX, size / 4 - 1);
  code.set(EBX, 0);
  const clear = code.here();
  code.storeElement(EBX, EDI, ECX);
  code.countDown(ECX, clear);
  code.set(EBX, 1);
  code.set(ESI, 2);
  code.place(outer);
  code.loadByte(EDX, EDI, ESI);
  code.aluConstant('cmp', EDX, 0);
  code.jumpIf('notZero', next);
  code.aluConstant('add', EAX, 1);
  code.move(ECX, ESI);
  code.place(inner);
  code.alu('add', ECX, ESI);
  code.aluConstant('cmp', ECX, size);
  code.jumpIf('aboveOrEqual', next);
  code.storeByte(EBX, EDI, ECX);
  code.jump(inner);
  code.place(next);
  code.aluConstant('add', ESI, 1);
  code.aluConstant('cmp', ESI, size);
  code.jumpIf('aboveOrEqual', done);
  code.jump(outer);
  code.place(done);
}

const CALLS: readonly Program[] = [
  {
    name: 'fibonacci',
    group: 'calls',
    bufferBytes: 0,
    work(code) {
      const [start, recursive] = [code.label(), code.label()];
      code.jump(start);
      const fibonacci = code.here(); // ECX is the argument, EAX the sum of all leaves so far.
      code.aluConstant('cmp', ECX, 2);
      code.jumpIf('aboveOrEqual', recursive);
      code.alu('add', EAX, ECX);
      code.return();
      code.place(recursive);
      code.push({ register: ECX });
      code.aluConstant('sub', ECX, 1);
      code.call(fibonacci);
      code.pop(ECX);
      code.aluConstant('sub', ECX, 2);
      code.call(fibonacci);
      code.return();
      code.place(start);
      code.set(EAX, 0);
      code.set(ECX, 34);
      code.call(fibonacci);
    },
  },
  {
    name: 'indirect-calls',
    group: 'calls',
    bufferBytes: 0,
    work(code) {
      const [start, table] = [code.label(), code.label()];
      code.jump(start);
      const targets: Label[] = [];
      for (let index = 0; index < 8; index += 1) {
        targets.push(code.here());
        code.shift('rol', EAX, index + 1);
        code.aluConstant('xor', EAX, Math.imul(KNUTH, index + 1));
        code.return();
      }
      code.place(table);
      for (const target of targets) code.addressOf(target);
      code.place(start);
      code.set(EAX, 1);
      code.set(EBX, 88_172_645);
      code.set(ESI, table);
      code.set(ECX, 20_000_000);
      const loop = code.here();
      xorshift(code, EBX, EDX);
      code.move(EDI, EBX);
      code.aluConstant('and', EDI, 7);
      code.loadElement(EDI, ESI, EDI);
      code.callRegister(EDI);
      code.countDown(ECX, loop);
    },
  },
];

/** Fills `words` words at `base` with a sequence; their order must survive every copy. */
function fill(code: Assembler, base: number, words: number): void {
  code.set(EDI, base);
  code.set(EAX, 1);
  code.set(ECX, words - 1);
  const loop = code.here();
  code.storeElement(EAX, EDI, ECX);
  code.aluConstant('add', EAX, KNUTH);
  code.countDown(ECX, loop);
}

/** Folds `words` words at `base` into EAX. */
function fold(code: Assembler, base: number, words: number): void {
  code.set(ESI, base);
  code.set(EAX, 0);
  code.set(ECX, words - 1);
  const loop = code.here();
  code.loadElement(EDX, ESI, ECX);
  code.alu('add', EAX, EDX);
  code.shift('rol', EAX, 3);
  code.countDown(ECX, loop);
}

const CHASE_NODES = 1 << 18;
const CHASE_NODE_BYTES = 64;

const MEMORY: readonly Program[] = [
  {
    name: 'string-copy',
    group: 'memory',
    bufferBytes: 2 * MiB,
    prepare: (code) => fill(code, BUFFER, MiB / 4),
    work(code) {
      code.set(EBX, 60);
      const loop = code.here();
      code.set(ESI, BUFFER);
      code.set(EDI, BUFFER + MiB);
      code.set(ECX, MiB / 4);
      code.repeatMove();
      code.countDown(EBX, loop);
      fold(code, BUFFER + MiB, MiB / 4);
    },
  },
  {
    name: 'loop-copy',
    group: 'memory',
    bufferBytes: 2 * MiB,
    prepare: (code) => fill(code, BUFFER, MiB / 4),
    work(code) {
      code.set(EBX, 100);
      const round = code.here();
      code.set(ESI, BUFFER);
      code.set(EDI, BUFFER + MiB);
      code.set(ECX, MiB / 16);
      const loop = code.here();
      for (let offset = 0; offset < 16; offset += 4) {
        code.load(EAX, ESI, offset);
        code.store(EAX, EDI, offset);
      }
      code.aluConstant('add', ESI, 16);
      code.aluConstant('add', EDI, 16);
      code.countDown(ECX, loop);
      code.countDown(EBX, round);
      fold(code, BUFFER + MiB, MiB / 4);
    },
  },
  {
    name: 'pointer-chase',
    group: 'memory',
    bufferBytes: CHASE_NODES * CHASE_NODE_BYTES,
    // Node i leads to node a * i + c, where a mod 4 is 1 and c is odd: one cycle through all nodes
    // [TAOCP] vol. 2 §3.2.1.2.
    prepare(code) {
      code.set(ECX, 0);
      const loop = code.here();
      code.set(EAX, 0x0001_2345);
      code.multiply(EAX, ECX);
      code.aluConstant('add', EAX, 0x0000_7a35);
      code.aluConstant('and', EAX, CHASE_NODES - 1);
      code.shift('shl', EAX, 6);
      code.aluConstant('add', EAX, BUFFER);
      code.move(EDX, ECX);
      code.shift('shl', EDX, 6);
      code.store(EAX, EDX, BUFFER);
      code.aluConstant('add', ECX, 1);
      code.aluConstant('cmp', ECX, CHASE_NODES);
      code.jumpIf('below', loop);
    },
    work(code) {
      code.set(EAX, BUFFER);
      code.set(ECX, 5_000_000);
      const loop = code.here();
      code.load(EAX, EAX);
      code.countDown(ECX, loop);
    },
  },
  {
    name: 'random-stores',
    group: 'memory',
    bufferBytes: 16 * MiB,
    prepare: (code) => fill(code, BUFFER, 4 * MiB),
    work(code) {
      code.set(EBX, 88_172_645);
      code.set(ESI, BUFFER);
      code.set(EAX, 0);
      code.set(ECX, 4_000_000);
      const loop = code.here();
      xorshift(code, EBX, EDX);
      code.move(EDI, EBX);
      code.aluConstant('and', EDI, 4 * MiB - 1);
      code.loadElement(EDX, ESI, EDI);
      code.alu('add', EAX, EDX);
      code.storeElement(EAX, ESI, EDI);
      code.countDown(ECX, loop);
    },
  },
];

const PIPES = BUFFER;
const WORD = BUFFER + 64;
const PAGES_BYTES = 4 * MiB;

const SYSTEM: readonly Program[] = [
  {
    name: 'getpid',
    group: 'system',
    bufferBytes: 0,
    work(code) {
      code.set(EBP, 500_000);
      const loop = code.here();
      code.systemCall('getpid');
      code.countDown(EBP, loop);
      code.set(EAX, 1);
    },
  },
  {
    name: 'pipe-ping-pong',
    group: 'system',
    bufferBytes: 4096,
    prepare(code) {
      code.systemCall('pipe', PIPES);
      code.systemCall('pipe', PIPES + 8);
    },
    work: pingPong,
  },
  {
    name: 'fork-wait',
    group: 'system',
    bufferBytes: 0,
    work(code) {
      const parent = code.label();
      code.set(EBP, 400);
      const loop = code.here();
      code.systemCall('fork');
      code.aluConstant('cmp', EAX, 0);
      code.jumpIf('notZero', parent);
      code.systemCall('exit', 0);
      code.place(parent);
      code.systemCall('wait4', -1, 0, 0, 0);
      code.countDown(EBP, loop);
      code.set(EAX, 1);
    },
  },
  {
    name: 'page-faults',
    group: 'system',
    bufferBytes: 0,
    work(code) {
      const READ_WRITE = 3;
      const PRIVATE_ANONYMOUS_32BIT = 0x62;
      code.set(EBP, 40);
      code.push(0);
      const round = code.here();
      code.systemCall('mmap', 0, PAGES_BYTES, READ_WRITE, PRIVATE_ANONYMOUS_32BIT, -1, 0);
      code.pop(EDX);
      code.move(ESI, EAX);
      code.set(ECX, PAGES_BYTES / 4096);
      const touch = code.here();
      code.load(EBX, ESI);
      code.alu('add', EBX, ECX);
      code.store(EBX, ESI);
      code.alu('add', EDX, EBX);
      code.aluConstant('add', ESI, 4096);
      code.countDown(ECX, touch);
      code.push({ register: EDX });
      code.systemCall('munmap', { register: EAX }, PAGES_BYTES);
      code.countDown(EBP, round);
      code.pop(EAX);
    },
  },
];

/** A word goes to a child process and back, which adds 3 to it, 10,000 times. */
function pingPong(code: Assembler): void {
  const parent = code.label();
  const transfer = (name: 'read' | 'write', descriptor: number): void => {
    code.set(EBX, descriptor);
    code.load(EBX, EBX);
    code.systemCall(name, { register: EBX }, WORD, 4);
  };
  code.systemCall('fork');
  code.set(EBP, 10_000);
  code.aluConstant('cmp', EAX, 0);
  code.jumpIf('notZero', parent);
  const childLoop = code.here();
  transfer('read', PIPES);
  code.set(ESI, WORD);
  code.load(EAX, ESI);
  code.aluConstant('add', EAX, 3);
  code.store(EAX, ESI);
  transfer('write', PIPES + 12);
  code.countDown(EBP, childLoop);
  code.systemCall('exit', 0);
  code.place(parent);
  transfer('write', PIPES + 4);
  transfer('read', PIPES + 8);
  code.countDown(EBP, parent);
  code.systemCall('wait4', -1, 0, 0, 0);
  code.set(ESI, WORD);
  code.load(EAX, ESI);
}

export const PROGRAMS: readonly Program[] = [...INTEGER, ...CALLS, ...MEMORY, ...SYSTEM];

/** The static program for 32-bit or 64-bit Linux. */
export function buildProgram(program: Program, bits: Bits): Uint8Array {
  return build(bits, program.bufferBytes, (code) => {
    program.prepare?.(code);
    readClock(code, STARTED);
    program.work(code);
    code.push({ register: EAX });
    readClock(code, ENDED);
    const text = `BENCH ${program.name} ........ ................\n`;
    const label = putText(code, text);
    const field = `BENCH ${program.name} `.length;
    code.pop(EAX);
    writeHex(code, label, field + 8);
    elapsed(code);
    code.push({ register: EDX });
    writeHex(code, label, field + 9 + 16);
    code.pop(EAX);
    writeHex(code, label, field + 9 + 8);
    print(code, label, text.length);
  });
}

/** A program that prints the monotonic clock in nanoseconds, for scripts. */
export function buildClock(bits: Bits): Uint8Array {
  return build(bits, 0, (code) => {
    readClock(code, ENDED); // The other reading stays 0.
    const text = '................\n';
    const label = putText(code, text);
    elapsed(code);
    code.push({ register: EDX });
    writeHex(code, label, 16);
    code.pop(EAX);
    writeHex(code, label, 8);
    print(code, label, text.length);
  });
}

function build(bits: Bits, bufferBytes: number, body: (code: Assembler) => void): Uint8Array {
  const code = new Assembler(bits, CODE_ADDRESS);
  body(code);
  code.systemCall('exit', 0);
  return writeElf(bits, code.finish(), BUFFER - MEMORY_ADDRESS + bufferBytes);
}

function readClock(code: Assembler, to: number): void {
  code.systemCall('clockGettime', CLOCK_MONOTONIC, to);
}

/** EDX:EAX := nanoseconds from STARTED to ENDED. */
function elapsed(code: Assembler): void {
  // A timespec is two words of the system's width; the upper halves of 64-bit ones are 0.
  const wordBytes = code.bits / 8;
  code.set(ESI, BUFFER); // The readings lie before it.
  code.load(EAX, ESI, ENDED - BUFFER);
  code.load(EBX, ESI, STARTED - BUFFER);
  code.alu('sub', EAX, EBX);
  code.set(EBX, NANOSECONDS);
  code.multiplyLong(EBX);
  code.set(EBX, 0);
  code.load(ECX, ESI, ENDED + wordBytes - BUFFER);
  code.alu('add', EAX, ECX);
  code.addWithCarry(EDX, EBX);
  code.load(ECX, ESI, STARTED + wordBytes - BUFFER);
  code.alu('sub', EAX, ECX);
  code.subtractWithBorrow(EDX, EBX);
}

function putText(code: Assembler, text: string): Label {
  const behind = code.label();
  code.jump(behind);
  const label = code.here();
  code.text(text);
  code.place(behind);
  return label;
}

/** Writes EAX as 8 hexadecimal digits that end before offset `end` of `text`; keeps EDX. */
function writeHex(code: Assembler, text: Label, end: number): void {
  const [loop, decimal] = [code.label(), code.label()];
  code.set(EDI, text);
  code.aluConstant('add', EDI, end - 1);
  code.set(ESI, 0);
  code.set(ECX, 8);
  code.place(loop);
  code.move(EBX, EAX);
  code.aluConstant('and', EBX, 15);
  code.aluConstant('add', EBX, 0x30);
  code.aluConstant('cmp', EBX, 0x3a);
  code.jumpIf('below', decimal);
  code.aluConstant('add', EBX, 0x27);
  code.place(decimal);
  code.storeByte(EBX, EDI, ESI);
  code.aluConstant('sub', EDI, 1);
  code.shift('shr', EAX, 4);
  code.countDown(ECX, loop);
}

function print(code: Assembler, text: Label, length: number): void {
  code.set(EAX, text);
  code.systemCall('write', 1, { register: EAX }, length);
}
