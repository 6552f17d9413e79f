// The processor's thread never reads the clock while it runs guest code. It publishes its earliest
// deadline in shared memory, and a timer thread sleeps until then and sets the processor's pending
// word.

/** Words of the shared block. */
const WORD = {
  /** Counts publications that the sleeper must hear of; it waits on this word. */
  SEQUENCE: 0,
  /** Deadline on the host's monotonic clock, in µs modulo 2^32. */
  DEADLINE: 1,
  IS_ARMED: 2,
  /** The deadline that the watcher sleeps for. */
  WATCHED: 3,
  /** 1 while the processor sleeps. */
  IS_IDLE: 4,
} as const;
const WORD_COUNT = 5;

/**
 * How often a busy processor is made to leave what it runs. V8 puts optimized code in the place of
 * a function only when it is called again: a guest's long loop must come out of its function.
 */
const NUDGE_MS = 4;

/** Distances are compared modulo 2^32 µs: a deadline further away becomes a look at the clock. */
const AHEAD_MAX_US = 1e9;

/** How far apart two threads may read the host's clock. */
const CLOCK_SKEW_US = 2;

/** What the timer thread sets when a deadline passes. */
export interface PendingWord {
  readonly buffer: SharedArrayBuffer;
  readonly byteOffset: number;
  readonly bits: number;
  /** What it sets to make a busy processor leave what it runs. */
  readonly nudge: number;
}

/** A block for one DeadlinePublisher and one watcher. */
export function createDeadlineBlock(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORD_COUNT * 4);
}

/** The processor's side. */
export class DeadlinePublisher {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #nowNs: () => number;

  constructor(block: SharedArrayBuffer, nowNs: () => number) {
    this.#words = new Int32Array(block);
    this.#nowNs = nowNs;
  }

  /** Whether the processor sleeps, and is not to be nudged. */
  setIdle(isIdle: boolean): void {
    Atomics.store(this.#words, WORD.IS_IDLE, isIdle ? 1 : 0);
  }

  /** Publishes a host time in ns; Infinity takes the deadline back. */
  publish(deadlineNs: number): void {
    if (deadlineNs === Number.POSITIVE_INFINITY) {
      Atomics.store(this.#words, WORD.IS_ARMED, 0);
      return;
    }
    const nowUs = this.#nowNs() / 1000;
    // Rounded up: a processor that is woken before its deadline would only ask again.
    const wantedUs = Math.min(Math.max(deadlineNs / 1000, nowUs), nowUs + AHEAD_MAX_US);
    const deadlineUs = Math.ceil(wantedUs + CLOCK_SKEW_US) | 0;
    Atomics.store(this.#words, WORD.DEADLINE, deadlineUs);
    const wasArmed = Atomics.exchange(this.#words, WORD.IS_ARMED, 1) === 1;
    // A later deadline needs no waking: the watcher finds it when it wakes for the earlier one.
    const watchedUs = Atomics.load(this.#words, WORD.WATCHED);
    if (wasArmed && ((deadlineUs - watchedUs) | 0) >= 0) return;
    Atomics.add(this.#words, WORD.SEQUENCE, 1);
    Atomics.notify(this.#words, WORD.SEQUENCE);
  }
}

/** The timer thread's side: never returns. */
export function watchDeadlines(
  block: SharedArrayBuffer,
  pending: PendingWord,
  nowNs: () => number,
): never {
  const words = new Int32Array(block);
  const pendingWord = new Int32Array(pending.buffer, pending.byteOffset, 1);
  // A processor that wakes up is not announced: it has timers that soon bring the watcher back.
  const sleep = (sequence: number, timeoutMs: number): void => {
    const isIdle = Atomics.load(words, WORD.IS_IDLE) === 1;
    const end = Atomics.wait(
      words,
      WORD.SEQUENCE,
      sequence,
      isIdle ? timeoutMs : Math.min(timeoutMs, NUDGE_MS),
    );
    if (end === 'timed-out' && !isIdle) Atomics.or(pendingWord, 0, pending.nudge);
  };
  for (;;) {
    const sequence = Atomics.load(words, WORD.SEQUENCE);
    if (Atomics.load(words, WORD.IS_ARMED) === 0) {
      sleep(sequence, Number.POSITIVE_INFINITY);
      continue;
    }
    const deadlineUs = Atomics.load(words, WORD.DEADLINE);
    const aheadUs = (deadlineUs - nowUsModulo(nowNs)) | 0;
    if (aheadUs > 0) {
      // Say what is watched, then look again: the publisher does both the other way round.
      Atomics.store(words, WORD.WATCHED, deadlineUs);
      if (Atomics.load(words, WORD.DEADLINE) !== deadlineUs) continue;
      sleep(sequence, aheadUs / 1000);
      continue;
    }
    // Disarm before telling: what the processor publishes in answer must not be lost.
    Atomics.store(words, WORD.IS_ARMED, 0);
    Atomics.or(pendingWord, 0, pending.bits);
    Atomics.notify(pendingWord, 0);
  }
}

function nowUsModulo(nowNs: () => number): number {
  return (nowNs() / 1000) | 0;
}
