import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { createMemory, type Engine, PENDING, Processor } from '../src/index.ts';
import { EXIT_PORT } from './fuzz-start.ts';

/**
 * Differential fuzzing of the engines: streams of instructions from a random state, run by the
 * interpreter and by the translator, many with everything translated at first sight. Registers,
 * flags, faults and memory must come out the same.
 */

/** Fills an empty machine with a stream and the state that it begins in. */
export type StreamLoad = (processor: Processor) => void;

/** What came of a stream on two engines. */
export interface Outcome {
  readonly first: Readonly<Record<string, string>>;
  readonly second: Readonly<Record<string, string>>;
  /** Either was stopped from outside; nothing is compared then. */
  readonly isEndless: boolean;
  /** What differs. */
  readonly names: readonly string[];
}

/** Port whose write raises INTR. */
export const INTERRUPT_PORT = 0xf0;
/** First of the vectors that interrupts come with, in turn. */
export const INTERRUPT_VECTOR = 0x30;
export const INTERRUPT_VECTORS = 4;

const RAM_BYTES = 8 << 20;
const EMPTY = new Uint8Array(RAM_BYTES);
/** Stops from outside after which a stream is taken for endless. */
const STOPS_MAX = 12;
const WATCH_PERIOD_MS = 50;
/** Executions of a block before the translator takes it that does not take everything. */
const USUAL_THRESHOLD = 3;

/** State that says how an engine works rather than what the guest sees. */
const PRIVATE_STATE =
  /^(stat|scratch|blockRip|blockPointer|generation|jumpKey|readTable|writeTable|fetchTable|space|engine|nextRip|flagA|flagB|flagOp|pending|exit|codeChanged|msrValue|faultIsTrap|xmmScratch|deliveryDepth|deliveryVector|mmu)/;

/** The engines that are compared, each with its own memory. */
export class FuzzEngines {
  readonly interpreter: FuzzMachine;
  readonly #forced: FuzzMachine;
  readonly #usual: FuzzMachine;
  readonly #watch: StreamWatch;

  constructor(runtime: Uint8Array) {
    this.interpreter = new FuzzMachine('interpreter', runtime);
    this.#forced = new FuzzMachine('forced', runtime);
    this.#usual = new FuzzMachine('translator', runtime, USUAL_THRESHOLD);
    this.#watch = new StreamWatch([this.interpreter, this.#forced, this.#usual]);
  }

  /** The translator: with everything translated at first sight, or what ran before. */
  translator(isForced: boolean): FuzzMachine {
    return isForced ? this.#forced : this.#usual;
  }

  compare(load: StreamLoad, isForced = true): Outcome {
    const first = this.interpreter.run(load);
    const second = this.translator(isForced).run(load);
    const isEndless = first['end'] === 'running' || second['end'] === 'running';
    const names = Object.keys(first).filter((name) => first[name] !== second[name]);
    return { first, second, isEndless, names: isEndless ? [] : names };
  }

  async close(): Promise<void> {
    await this.#watch.close();
  }
}

/** One engine with its own memory. */
class FuzzMachine {
  readonly processor: Processor;
  readonly #seenMemory = new Uint8Array(RAM_BYTES);
  #stopped = false;
  #acknowledged = 0;

  constructor(engine: Engine, runtime: Uint8Array, threshold?: number) {
    this.processor = Processor.create({
      ramBytes: RAM_BYTES,
      engine,
      ...(threshold === undefined ? {} : { threshold }),
      mmu: 'shadow',
      memory: createMemory(RAM_BYTES, 0),
      runtime,
      host: {
        ioRead: () => 0xffff_ffff,
        ioWrite: (port) => this.#portWritten(port),
        mmioRead: () => 0xffff_ffff,
        mmioWrite: () => undefined,
        acknowledgeInterrupt: () => this.#acknowledge(),
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

  #portWritten(port: number): void {
    if (port === INTERRUPT_PORT) this.processor.setInterruptLine(true);
    if (port !== EXIT_PORT) return;
    this.#stopped = true;
    this.processor.requestStop();
  }

  #acknowledge(): number {
    this.processor.setInterruptLine(false);
    return INTERRUPT_VECTOR + (this.#acknowledged++ % INTERRUPT_VECTORS);
  }

  /** Runs a stream; what the guest could see afterwards, by name. */
  run(load: StreamLoad): Record<string, string> {
    const { processor } = this;
    // A stream may have run, and written, anywhere.
    processor.guestMemory.writeFrom(0, EMPTY);
    processor.reset();
    processor.setInterruptLine(false);
    processor.state.set64('statInterpreted', 0n);
    load(processor);
    this.#stopped = false;
    this.#acknowledged = 0;
    let end = 'running';
    // Whoever watches the time stops a stream that goes on for ever: see StreamWatch.
    for (let stops = 0; stops < STOPS_MAX && end === 'running'; ) {
      const exit = processor.run();
      if (exit.kind !== 'stopped' || this.#stopped) end = exit.kind;
      else stops++;
    }
    return this.#seen(end);
  }

  #seen(end: string): Record<string, string> {
    const { processor } = this;
    const flags = (processor.runtime.readFlags() >>> 0).toString(16);
    const seen: Record<string, string> = { end, flags };
    for (const [name, value] of Object.entries(processor.state.save()))
      if (!PRIVATE_STATE.test(name)) seen[name] = value;
    processor.guestMemory.readInto(0, this.#seenMemory);
    seen['memory'] = crc32(this.#seenMemory).toString(16);
    return seen;
  }

  /** Guest memory as it was after the last stream. */
  get memory(): Uint8Array {
    return this.#seenMemory;
  }

  /** Instructions of the last stream that the interpreter ran. */
  get instructions(): number {
    return Number(this.processor.state.get64('statInterpreted'));
  }
}

/** A thread that stops the processors now and then, for streams that never end. */
class StreamWatch {
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
