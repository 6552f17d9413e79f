// The processor's thread: builds the machine and runs it to its end, without ever going back to an
// event loop.

import { randomFillSync } from 'node:crypto';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { assert, UmbraError } from '@umbra/base';
import type { BlockBackend, BlockInfo, CharBackend } from '@umbra/core';
import { createMemory, PENDING, Processor } from '@umbra/cpu';
import { BlockClient } from './block/block-client.ts';
import { MediaMailbox } from './block/media-mailbox.ts';
import type { ByteSource, SerialLine } from './chipset.ts';
import { QUEUE_DEPTH_MAX, slotCount } from './drive-spec.ts';
import { ByteRing } from './host/byte-ring.ts';
import type { ProcessorReport, ProcessorThreadData } from './messages.ts';
import { Pc, VIDEO_BYTES } from './pc.ts';
import { createDeadlineBlock, DeadlinePublisher, type PendingWord } from './time/deadline-watch.ts';
import { hostTimeSource } from './time/host-time.ts';
import { MachineClock } from './time/machine-clock.ts';

const RANDOM_WORDS = 1024;

const port = parentPort;
assert(port !== null, 'this file runs as a worker');
const report = (message: ProcessorReport): void => port.postMessage(message);

try {
  report(runMachine(workerData as ProcessorThreadData));
} catch (error) {
  const isOperating = error instanceof UmbraError;
  const { message, stack } = error as Error;
  report({ kind: 'error', code: isOperating ? error.code : undefined, message, stack });
}

function runMachine(data: ProcessorThreadData): ProcessorReport {
  const { spec } = data;
  const time = hostTimeSource();
  const deadlines = createDeadlineBlock();
  const publisher = new DeadlinePublisher(deadlines, time.monotonicNs);
  const memory = createMemory(spec.ramBytes, VIDEO_BYTES);
  const blocks = new BlockClient(data.blockQueue, slotCount(spec.drives), memory.buffer);
  const medium = (drive: number, info: BlockInfo): BlockBackend => {
    const queueDepthMax = Math.min(info.queueDepthMax, QUEUE_DEPTH_MAX);
    return blocks.backend(drive, { ...info, queueDepthMax });
  };
  let pending: PendingWord | undefined;
  const pc = new Pc({
    ...spec,
    drives: spec.drives.map((drive, number) => ({
      spec: drive,
      medium: drive.medium === undefined ? undefined : medium(number, drive.medium),
      onEject: () => blocks.eject(number),
    })),
    clock: new MachineClock(time, (deadlineNs) => publisher.publish(deadlineNs)),
    serial: data.serial.map(({ output, input }) => serialLine(output, input)),
    debugConsole: data.debugConsole === undefined ? undefined : ringSink(data.debugConsole),
    uuid: randomFillSync(new Uint8Array(16)),
    random: randomWords(),
    createProcessor: (host) => {
      const { ramBytes, engine, mmu, cpu } = spec;
      const { runtime } = data;
      const base = { ramBytes, engine, mmu, host, memory, runtime };
      const processor = Processor.create(cpu === undefined ? base : { ...base, cpu });
      pending = { ...processor.pendingWord, bits: PENDING.SERVICE };
      return processor;
    },
  });
  assert(pending !== undefined, 'the processor exists');
  const requests = new Int32Array(data.requests);
  pc.takeRequests = () => Atomics.exchange(requests, 0, 0);
  pc.waitForRequest = () => void Atomics.wait(requests, 0, 0);
  pc.collectDisks = () => blocks.collect();
  const mailbox = new MediaMailbox(data.mediaMailbox);
  pc.changeMedia = () =>
    mailbox.take((number, command) => {
      const drive = pc.chipset.removableDrives.get(number);
      if (command.kind === 'insert') drive?.insert(medium(number, command.info));
      else if (command.kind === 'eject') drive?.pressEject();
      else drive?.remove();
    });
  const workerData = { block: deadlines, pending };
  new Worker(new URL('./time/timer.worker.ts', import.meta.url), { workerData });
  report({ kind: 'ready', pending });
  const end = pc.run();
  return { kind: 'end', end, stats: pc.processor.stats() };
}

function serialLine(output: SharedArrayBuffer, input: SharedArrayBuffer | undefined): SerialLine {
  const line = { output: ringSink(output) };
  return input === undefined ? line : { ...line, input: new ByteRing(input) satisfies ByteSource };
}

/** A full ring drops and counts: see ByteRing. */
function ringSink(block: SharedArrayBuffer): CharBackend {
  const ring = new ByteRing(block);
  return { write: (byte) => void ring.write(byte) };
}

/** Random words from the host, fetched many at a time: a guest may ask in a loop. */
function randomWords(): () => number {
  const words = new Uint32Array(RANDOM_WORDS);
  let next = RANDOM_WORDS;
  return () => {
    if (next === RANDOM_WORDS) {
      randomFillSync(words);
      next = 0;
    }
    return words[next++] as number;
  };
}
