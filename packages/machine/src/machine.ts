import { Worker } from 'node:worker_threads';
import { UmbraError } from '@umbra/base';
import { runtimeBytes } from '@umbra/cpu/build-runtime';
import { createQueueBlock } from './block/block-queue.ts';
import { BlockServer } from './block/block-server.ts';
import { createMailboxBlock, MediaMailbox } from './block/media-mailbox.ts';
import { slotCount } from './drive-spec.ts';
import { ByteRing, createRingBlock } from './host/byte-ring.ts';
import type { HostDisk } from './host/host-disk.ts';
import type { HostLine } from './host/host-line.ts';
import type { MachineSpec } from './machine-spec.ts';
import type { ProcessorReport, ProcessorThreadData } from './messages.ts';
import { type PcEnd, REQUEST } from './pc.ts';
import type { PendingWord } from './time/deadline-watch.ts';

const OUTPUT_RING_BYTES = 1 << 20;
const INPUT_RING_BYTES = 1 << 14;
/** How long a stopped machine may take to say so before its thread is ended by force. */
const STOP_MS_MAX = 2000;

/** A line and the rings that lead to the processor's thread. */
interface Channel {
  readonly line: HostLine;
  readonly output: ByteRing;
  readonly input: ByteRing | undefined;
  readonly blocks: {
    readonly output: SharedArrayBuffer;
    readonly input: SharedArrayBuffer | undefined;
  };
}

/** How a machine ended, with counters of its processor. */
export interface MachineEnd {
  readonly end: PcEnd;
  readonly stats: Readonly<Record<string, number>>;
}

/** A running machine, as the main thread sees it. */
export class Machine {
  /** Resolves when the guest ended and its last output is written; rejects on errors of ours. */
  readonly ended: Promise<MachineEnd>;
  readonly #worker: Worker;
  readonly #requests = new SharedArrayBuffer(4);
  readonly #channels: readonly Channel[];
  readonly #blockQueue: SharedArrayBuffer;
  readonly #mediaMailbox: MediaMailbox;
  readonly #spec: MachineSpec;
  readonly #disks: (HostDisk | undefined)[];
  #blockServer: BlockServer | undefined;
  #pending: PendingWord | undefined;
  #hasEnded = false;

  /**
   * Starts a machine; serial lines for its ports, COM1 first, and perhaps a debug console; what is
   * in its drives, by drive number.
   */
  static start(options: {
    spec: MachineSpec;
    serial: readonly HostLine[];
    debugConsole?: HostLine | undefined;
    disks: readonly (HostDisk | undefined)[];
    cacheFolder: string;
  }): Machine {
    return new Machine(options);
  }

  private constructor(options: Parameters<typeof Machine.start>[0]) {
    const serial = options.serial.map((line) => openChannel(line, true));
    const debug =
      options.debugConsole === undefined ? undefined : openChannel(options.debugConsole, false);
    this.#channels = debug === undefined ? serial : [...serial, debug];
    this.#spec = options.spec;
    this.#disks = [...options.disks];
    this.#blockQueue = createQueueBlock(slotCount(options.spec.drives));
    const mediaMailbox = createMailboxBlock(options.spec.drives.length);
    this.#mediaMailbox = new MediaMailbox(mediaMailbox);
    const workerData: ProcessorThreadData = {
      spec: options.spec,
      runtime: runtimeBytes(options.cacheFolder),
      requests: this.#requests,
      serial: serial.map(({ blocks }) => blocks),
      debugConsole: debug?.blocks.output,
      blockQueue: this.#blockQueue,
      mediaMailbox,
    };
    this.#worker = new Worker(new URL('./processor.worker.ts', import.meta.url), { workerData });
    this.ended = this.#watch();
    for (const channel of this.#channels) this.#connect(channel);
  }

  /** Pulls the plug: the machine ends as `stopped`. */
  stop(): void {
    this.#request(REQUEST.STOP);
    const force = setTimeout(() => void this.#worker.terminate(), STOP_MS_MAX);
    force.unref();
    const cancel = (): void => clearTimeout(force);
    this.ended.then(cancel, cancel);
  }

  /** The guest stands still until `resume`. */
  pause(): void {
    this.#request(REQUEST.PAUSE);
  }

  resume(): void {
    this.#request(REQUEST.RESUME);
  }

  reset(): void {
    this.#request(REQUEST.RESET);
  }

  pressPowerButton(): void {
    this.#request(REQUEST.POWER_BUTTON);
  }

  sendNmi(): void {
    this.#request(REQUEST.NMI);
  }

  #request(bits: number): void {
    const requests = new Int32Array(this.#requests);
    Atomics.or(requests, 0, bits);
    Atomics.notify(requests, 0);
    this.#wakeProcessor();
  }

  #wakeProcessor(): void {
    if (this.#pending === undefined) return;
    const { buffer, byteOffset, bits } = this.#pending;
    const word = new Int32Array(buffer, byteOffset, 1);
    Atomics.or(word, 0, bits);
    Atomics.notify(word, 0);
  }

  async #watch(): Promise<MachineEnd> {
    try {
      return await this.#outcome();
    } finally {
      this.#hasEnded = true;
      await this.#worker.terminate();
      this.#blockServer?.close();
      for (const disk of this.#disks) await disk?.close();
      for (const channel of this.#channels) {
        await flush(channel);
        await channel.line.close();
      }
    }
  }

  #outcome(): Promise<MachineEnd> {
    return new Promise((resolve, reject) => {
      this.#worker.on('message', (report: ProcessorReport) => {
        switch (report.kind) {
          case 'ready':
            this.#pending = report.pending;
            this.#serveDisks(report.pending.buffer);
            // Whatever came in before had nobody to wake.
            this.#wakeProcessor();
            break;
          case 'end':
            resolve({ end: report.end, stats: report.stats });
            break;
          case 'error':
            reject(toError(report));
            break;
        }
      });
      this.#worker.on('error', reject);
      this.#worker.on('exit', () => resolve({ end: { kind: 'stopped' }, stats: {} }));
    });
  }

  /** Whether there is a medium in a drive. */
  hasMedium(drive: number): boolean {
    return this.#disks[drive] !== undefined;
  }

  /** Puts a medium into an empty drive of removable media; throws UmbraError DRIVE_OCCUPIED. */
  insert(drive: number, disk: HostDisk): void {
    if (this.hasMedium(drive)) {
      throw new UmbraError(
        'DRIVE_OCCUPIED',
        `Drive ${drive} holds a medium, expected it to be empty`,
        { drive },
      );
    }
    this.#disks[drive] = disk;
    this.#blockServer?.replace(drive, disk.backend);
    this.#mediaMailbox.post(drive, { kind: 'insert', info: disk.backend.info });
    this.#request(REQUEST.MEDIA);
  }

  /**
   * Presses the button of a drive of removable media: its guest may have locked it, and then only
   * hears of the wish. With `isForced` the medium comes out in any case.
   */
  eject(drive: number, isForced: boolean): void {
    this.#mediaMailbox.post(drive, { kind: isForced ? 'remove' : 'eject' });
    this.#request(REQUEST.MEDIA);
  }

  #serveDisks(memory: SharedArrayBuffer): void {
    this.#blockServer = new BlockServer({
      block: this.#blockQueue,
      slotCount: slotCount(this.#spec.drives),
      memory,
      backends: this.#disks.map((disk) => disk?.backend),
      onCompletion: () => this.#wakeProcessor(),
      onEject: (drive) => this.#takeOut(drive),
    });
  }

  /** The medium of a drive is no longer in use. */
  #takeOut(drive: number): void {
    const disk = this.#disks[drive];
    this.#disks[drive] = undefined;
    disk?.close().catch((error: unknown) => this.#worker.emit('error', error));
  }

  #connect(channel: Channel): void {
    const { line, output, input } = channel;
    const copyOut = async (): Promise<void> => {
      while (!this.#hasEnded) {
        await output.whenReadable();
        if (!this.#hasEnded) await line.write(output.readAll());
      }
    };
    void copyOut();
    if (input === undefined) return;
    line.listen(async (bytes) => {
      for (let sent = 0; sent < bytes.length && !this.#hasEnded; ) {
        const count = input.writeFrom(bytes.subarray(sent));
        sent += count;
        this.#wakeProcessor();
        if (count === 0) await input.whenWritable();
      }
    });
  }
}

function openChannel(line: HostLine, hasInput: boolean): Channel {
  const blocks = {
    output: createRingBlock(OUTPUT_RING_BYTES),
    input: hasInput ? createRingBlock(INPUT_RING_BYTES) : undefined,
  };
  const input = blocks.input === undefined ? undefined : new ByteRing(blocks.input);
  return { line, blocks, output: new ByteRing(blocks.output), input };
}

async function flush({ line, output }: Channel): Promise<void> {
  if (output.readable() > 0) await line.write(output.readAll());
}

function toError(report: ProcessorReport & { kind: 'error' }): Error {
  if (report.code !== undefined) return new UmbraError(report.code, report.message);
  const error = new Error(report.message);
  if (report.stack !== undefined) error.stack = report.stack;
  return error;
}
