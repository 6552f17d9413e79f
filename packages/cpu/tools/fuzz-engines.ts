import { Worker } from 'node:worker_threads';
import { type OpcodeRow, ROWS } from '@umbra/isa';
import { createMemory, type Engine, PENDING, Processor } from '../src/index.ts';
import { STATE } from '../src/state-layout.ts';

/**
 * Differential fuzzing of the engines: random instruction streams in a loop, from a random state,
 * run by the interpreter and by the translator with everything translated at first sight.
 * Registers, flags, faults and memory must come out the same.
 */

const RAM_BYTES = 8 << 20;
const CODE = 0x10_0000;
const DATA = 0x20_0000;
const DATA_BYTES = 0x1_0000;
const STACK = 0x30_0000;
const COUNTER = 0x40_0000;
/** The counter's offset in the data segment of 16-bit streams. */
const COUNTER16 = 0xff00;
const TABLES = 0x1000;
const EMPTY = new Uint8Array(RAM_BYTES);
const STREAM_LENGTH_MAX = 14;
const LOOPS = 40;
const EXIT_PORT = 0xf4;
/** Stops from outside after which a stream is taken for endless. */
const STOPS_MAX = 3;
const WATCH_PERIOD_MS = 50;

/** What differs by nature, stops the machine, or leaves the small world of a stream. */
const EXCLUDED = new Set([
  'hlt',
  'mwait',
  'monitor',
  'rdtsc',
  'rdtscp',
  'rdpmc',
  'rdrand',
  'rdseed',
  'in',
  'out',
  'ins',
  'outs',
  'wrmsr',
  'rdmsr',
  'cpuid',
  'lgdt',
  'lidt',
  'lldt',
  'ltr',
  'lmsw',
  'invd',
  'wbinvd',
  'xsetbv',
  'swapgs',
  'sysenter',
  'sysexit',
  'syscall',
  'sysret',
  'ljmp',
  'lcall',
  'lret',
  'iret',
  'popf',
  'invlpg',
  'invpcid',
  'clts',
  'wrfsbase',
  'wrgsbase',
  'sti',
  'xrstor',
  'fxrstor',
  'frstor',
  'fldenv',
  'xsave',
  'xsaveopt',
  'fxsave',
  'xsavec',
]);
/** State that says how an engine works rather than what the guest sees. */
const PRIVATE_STATE =
  /^(stat|scratch|blockRip|blockPointer|generation|jumpKey|readTable|writeTable|fetchTable|space|engine|nextRip|flagA|flagB|flagOp|pending|exit|codeChanged|msrValue|faultIsTrap|xmmScratch|deliveryDepth|deliveryVector|mmu)/;

/** A small generator of random numbers with a seed (xorshift32). */
export class Chance {
  #state: number;
  constructor(seed: number) {
    this.#state = (seed * 0x9e37_79b9 + 0x7f4a_7c15) | 1;
    for (let i = 0; i < 8; i++) this.word();
  }
  /** 32 random bits, unsigned. */
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
  below(limit: number): number {
    return this.word() % limit;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

const USABLE: readonly OpcodeRow[] = ROWS.filter(
  (row) => !EXCLUDED.has(row.instruction.mnemonic) && !isControl(row),
);

function isControl(row: OpcodeRow): boolean {
  const special = row.operands.some((code) => code === 'Cd' || code === 'Dd' || code === 'Sw');
  const near = ['jmp', 'call', 'ret'].includes(row.instruction.mnemonic);
  return special || near;
}

/** Bytes of one random instruction. */
function randomInstruction(random: Chance, bits: 16 | 32 | 64): number[] {
  const row = USABLE[random.below(USABLE.length)] as OpcodeRow;
  const words = row.key.split(' ');
  const bytes: number[] = [];
  const mandatory =
    words.length > 1 &&
    /^(NP|66|F3|F2|66F2)$/.test(words[0] as string) &&
    !/^[/=mr]/.test(words[1] as string)
      ? words.shift()
      : undefined;
  if (random.chance(5)) bytes.push(random.chance(50) ? 0x64 : 0x65);
  if (mandatory === '66' || mandatory === '66F2') bytes.push(0x66);
  else if (mandatory === undefined && random.chance(20)) bytes.push(0x66);
  if (mandatory === 'F3') bytes.push(0xf3);
  if (mandatory === 'F2' || mandatory === '66F2') bytes.push(0xf2);
  if (row.attributes.has('rep') && random.chance(40)) bytes.push(random.chance(50) ? 0xf3 : 0xf2);
  if (row.attributes.has('lock') && random.chance(10)) bytes.push(0xf0);
  if (bits === 64 && random.chance(50)) bytes.push(0x40 | random.below(16));
  const map =
    words.length > 1 &&
    /^0F(38|3A)?$/.test(words[0] as string) &&
    !/^[/=mr]/.test(words[1] as string)
      ? (words.shift() as string)
      : '';
  if (map !== '') bytes.push(0x0f);
  if (map === '0F38') bytes.push(0x38);
  if (map === '0F3A') bytes.push(0x3a);
  const opcode = words.shift() as string;
  bytes.push(Number.parseInt(opcode, 16) + (opcode.endsWith('+') ? random.below(8) : 0));
  pushModrm(bytes, words[0] ?? '', random, bits);
  if (row.operands[0]?.charAt(0) === 'J') {
    // Only a little forward: a stream comes to its end.
    bytes.push(random.below(12));
    if (row.operands[0] === 'Jz')
      bytes.push(0, ...(bits === 16 || bytes.includes(0x66) ? [] : [0, 0]));
    return bytes;
  }
  // Enough for any immediate; what is too much becomes other instructions.
  const tail = row.operands.filter((code) => /^[IJO]/.test(code)).length;
  for (let i = 0; i < tail * 4; i++)
    bytes.push(random.chance(40) ? random.below(8) : random.below(256));
  return bytes;
}

function pushModrm(bytes: number[], extension: string, random: Chance, bits: 16 | 32 | 64): void {
  if (extension.startsWith('=')) {
    bytes.push(Number.parseInt(extension.slice(1), 16));
    return;
  }
  const digit = extension.startsWith('/') ? Number(extension[1]) : random.below(8);
  const form = /[mr]$/.exec(extension)?.[0];
  const isRegister = form === 'r' || (form !== 'm' && random.chance(50));
  if (isRegister) {
    bytes.push(0xc0 | (digit << 3) | random.below(8));
    return;
  }
  // Mostly base registers that point into the data area, with a small displacement.
  const base = [3, 6, 7][random.below(3)] as number;
  const mod = random.chance(70) ? 1 : random.below(3);
  bytes.push(
    (mod << 6) | (digit << 3) | (bits === 16 ? ([4, 5, 7][random.below(3)] as number) : base),
  );
  if (mod === 1) bytes.push(random.below(256));
  if (mod === 2)
    for (let i = 0; i < (bits === 16 ? 2 : 4); i++) bytes.push(i < 2 ? random.below(256) : 0);
}

/** A stream: instructions, then a counted loop back, then the way out. */
export function randomStream(random: Chance, bits: 16 | 32 | 64): Uint8Array {
  const body: number[] = [];
  const length = 1 + random.below(STREAM_LENGTH_MAX);
  for (let i = 0; i < length; i++) body.push(...randomInstruction(random, bits));
  // dec dword [COUNTER]; jnz start; out EXIT_PORT, al
  const address = [COUNTER & 0xff, (COUNTER >> 8) & 0xff, (COUNTER >> 16) & 0xff, COUNTER >>> 24];
  if (bits === 64) body.push(0xff, 0x0c, 0x25, ...address);
  else if (bits === 32) body.push(0xff, 0x0d, ...address);
  else body.push(0x66, 0xff, 0x0e, COUNTER16 & 0xff, COUNTER16 >> 8);
  const back = -(body.length + (bits === 16 ? 4 : 6));
  body.push(0x0f, 0x85, back & 0xff, (back >> 8) & 0xff);
  if (bits !== 16) body.push((back >> 16) & 0xff, (back >> 24) & 0xff);
  body.push(0xe6, EXIT_PORT, 0xf4);
  return new Uint8Array(body);
}

/** One engine with its own memory. */
export class FuzzMachine {
  readonly processor: Processor;
  #stopped = false;

  constructor(engine: Engine, runtime: Uint8Array) {
    this.processor = Processor.create({
      ramBytes: RAM_BYTES,
      engine,
      mmu: 'shadow',
      memory: createMemory(RAM_BYTES, 0),
      runtime,
      host: {
        ioRead: () => 0xffff_ffff,
        ioWrite: () => {
          this.#stopped = true;
          this.processor.requestStop();
        },
        mmioRead: () => 0xffff_ffff,
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
  }

  /** Runs a stream from a seeded state; what the guest could see afterwards, by name. */
  run(stream: Uint8Array, seed: number, bits: 16 | 32 | 64): Record<string, string> {
    const random = new Chance(seed);
    const { processor } = this;
    const { guestMemory: memory, state } = processor;
    const data = new Uint8Array(DATA_BYTES);
    for (let i = 0; i < DATA_BYTES; i += 4)
      new DataView(data.buffer).setUint32(i, random.word(), true);
    // A stream may have run, and written, anywhere.
    memory.writeFrom(0, EMPTY);
    memory.writeFrom(DATA, data);
    memory.writeFrom(STACK - 0x1000, data.subarray(0, 0x2000));
    memory.write32(COUNTER, LOOPS);
    memory.write32(DATA + COUNTER16, LOOPS);
    memory.writeFrom(CODE, stream);
    this.#start(bits, random);
    for (let index = 0; index < 16; index++) {
      const isPointer = [3, 5, 6, 7].includes(index) || random.chance(30);
      state.set(
        'gpr',
        isPointer
          ? DATA + 0x4000 + random.below(0x4000)
          : random.chance(30)
            ? random.below(64)
            : random.word(),
        index,
      );
    }
    state.set('gpr', random.below(40), 1);
    state.set('gpr', bits === 16 ? 0x8000 : STACK, 4);
    this.#stopped = false;
    let end = 'running';
    // Whoever watches the time stops a stream that goes on for ever: see StreamWatch.
    for (let stops = 0; stops < STOPS_MAX && end === 'running'; ) {
      const exit = processor.run();
      if (exit.kind !== 'stopped' || this.#stopped) end = exit.kind;
      else stops++;
    }
    return this.#seen(end);
  }

  #start(bits: 16 | 32 | 64, random: Chance): void {
    const { processor } = this;
    const memory = processor.guestMemory;
    processor.state.set('xcr0', 1);
    if (bits === 64) {
      memory.write32(TABLES, (TABLES + 0x1000) | 7);
      memory.write32(TABLES + 0x1000, (TABLES + 0x2000) | 7);
      for (let i = 0; i < 4; i++) memory.write32(TABLES + 0x2000 + i * 8, (i * 0x20_0000) | 0x87);
      // One page of the data area faults: what crosses into it must stop precisely.
      processor.setLongMode({
        rip: CODE,
        rsi: 0,
        rsp: STACK,
        cr3: TABLES,
        gdtBase: 0,
        gdtLimit: 0,
        codeSelector: 8,
        dataSelector: 16,
      });
    } else {
      processor.setProtectedMode({
        eip: CODE,
        esp: STACK,
        gdtBase: 0,
        gdtLimit: 0,
        codeSelector: 8,
        dataSelector: 16,
      });
      if (bits === 16) this.#make16();
    }
    const { state } = processor;
    for (const name of [
      'faultPending',
      'exitReason',
      'inhibitInterrupts',
      'deliveryDepth',
      'debugPending',
      'nmiLatched',
    ] as const) {
      state.set(name, 0);
    }
    state.set('idtrLimit', 0);
    state.set('cr4', state.get('cr4') | 0x600);
    state.set('mxcsr', random.chance(80) ? 0x1f80 : 0x1f80 | (random.below(4) << 13));
    state.set('fpuControl', 0x37f);
    state.set('fpuStatus', 0);
    for (const name of [
      'fpuLastOpcode',
      'fpuLastIp',
      'fpuLastDp',
      'fpuLastCs',
      'fpuLastDs',
      'cr2',
    ] as const)
      state.set(name, 0);
    for (let index = 0; index < 8; index++) {
      state.set64('fpuSignificand', 0x8000_0000_0000_0000n | BigInt(random.word()), index);
      state.set('dr', index === 6 ? 0xffff_0ff0 : index === 7 ? 0x400 : 0, index);
    }
    setFloats(processor, random);
    state.set('fpuTag', random.below(256));
    processor.runtime.writeFlags(random.word() & 0x8d5, 0x8d5);
    processor.stateChanged();
  }

  /** 16-bit code, data and stack segments that begin below what they use. */
  #make16(): void {
    const { state } = this.processor;
    for (let index = 0; index < 6; index++) {
      state.set('segAttr', state.get('segAttr', index) & ~0x4000, index);
      state.set('segLimit', 0xffff, index);
      state.set('segBase', index === 1 ? CODE : index === 2 ? STACK - 0x8000 : DATA, index);
    }
    state.set('rip', 0);
  }

  #seen(end: string): Record<string, string> {
    const { processor } = this;
    const { state } = processor;
    const seen: Record<string, string> = {
      end,
      flags: (processor.runtime.readFlags() >>> 0).toString(16),
    };
    for (const [name, value] of Object.entries(state.save()))
      if (!PRIVATE_STATE.test(name)) seen[name] = value;
    const bytes = processor.guestMemory.hostBytes();
    const base = processor.guestMemory.hostOf(DATA);
    let sum = 0;
    for (let i = 0; i < STACK - DATA + 0x1000; i += 1) {
      if (i === DATA_BYTES) i = STACK - DATA - 0x1000;
      sum = (Math.imul(sum, 31) + (bytes[base + i] as number)) | 0;
    }
    seen['memory'] = sum.toString(16);
    return seen;
  }

  /** Instructions run so far by the interpreter. */
  get instructions(): number {
    return Number(this.processor.state.get64('statInterpreted'));
  }
}

/** Vectors, and x87 exponents near one, so that sums and products stay finite. */
function setFloats(processor: Processor, random: Chance): void {
  const { buffer, byteOffset } = processor.pendingWord;
  const view = new DataView(buffer, byteOffset - STATE.pending);
  for (let index = 0; index < 8; index++) {
    view.setUint16(STATE.fpuExponent + index * 2, 0x3fff - 8 + random.below(16), true);
  }
  for (let at = 0; at < 256; at += 4) view.setUint32(STATE.xmm + at, random.word(), true);
}

/** Names of what differs between two results. */
export function differences(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): string[] {
  return Object.keys(a).filter((name) => a[name] !== b[name]);
}

/** A thread that stops the processors now and then, for streams that never end. */
export class StreamWatch {
  readonly #worker: Worker;

  constructor(machines: readonly FuzzMachine[]) {
    const code = `const { workerData } = require('node:worker_threads');
      const words = workerData.words.map(({ buffer, byteOffset }) => new Int32Array(buffer, byteOffset, 1));
      setInterval(() => words.forEach((word) => Atomics.or(word, 0, workerData.stop)), workerData.period);`;
    const words = machines.map(({ processor }) => processor.pendingWord);
    this.#worker = new Worker(code, {
      eval: true,
      workerData: { words, stop: PENDING.STOP, period: WATCH_PERIOD_MS },
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
