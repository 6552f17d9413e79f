import type { Device, GuestMemory } from '@umbra/core';
import * as z from 'zod';
import { gather, scatter, slice, totalLength } from '../memory-ranges.ts';
import type { PciBus } from '../pci-bus.ts';
import {
  type BusUnit,
  ScsiBus,
  ScsiBusState,
  type ScsiOutcome,
  type ScsiTask,
} from '../scsi/scsi-bus.ts';
import { byte, dword, stateSchema } from '../state.ts';
import { type VirtioKind, VirtioPci, VirtioPciState } from './virtio-pci.ts';
import type { Chain } from './virtqueue.ts';

const TYPE = 8;
const CLASS_SCSI_STORAGE = 0x01_0000;
/** A bit. [VIRTIO] §5.6.3 */
const FEATURE_HOTPLUG = 1;
const QUEUE = { CONTROL: 0, EVENT: 1, REQUEST: 2 } as const;
/** Offsets in the device configuration. [VIRTIO] §5.6.4 */
const CONFIG = {
  QUEUES: 0,
  SEGMENTS_MAX: 4,
  SECTORS_MAX: 8,
  COMMANDS_PER_LUN: 12,
  EVENT_BYTES: 16,
  SENSE_BYTES: 20,
  CDB_BYTES: 24,
  TARGET_MAX: 30,
  LUN_MAX: 32,
  BYTES: 36,
} as const;
const SEGMENTS_MAX = 126;
const SECTORS_MAX = 0xffff;
const COMMANDS_PER_LUN = 64;
const EVENT_BYTES = 16;
const TARGET_MAX = 15;
/** Fields before the command block, and before the sense data. [VIRTIO] §5.6.6.1 */
const REQUEST_HEAD_BYTES = 19;
const RESPONSE_HEAD_BYTES = 12;
const DEFAULT = { SENSE_BYTES: 96, CDB_BYTES: 32 } as const;
const CDB_PADDED_BYTES = 16;
const RESPONSE = {
  OK: 0,
  OVERRUN: 1,
  BAD_TARGET: 3,
  FUNCTION_SUCCEEDED: 10,
  FUNCTION_REJECTED: 11,
} as const;
const CONTROL = { TASK_MANAGEMENT: 0, ASYNC_QUERY: 1, ASYNC_SUBSCRIBE: 2 } as const;
const TASK_MANAGEMENT = { NEXUS_RESET: 4, UNIT_RESET: 5, QUERY_TASK: 6, QUERY_SET: 7 } as const;
const TASK_MANAGEMENT_BYTES = 24;
const EVENT = { MISSED: 0x8000_0000, TRANSPORT_RESET: 1 } as const;
const REASON = { RESCAN: 1, REMOVED: 2 } as const;
const EVENTS_MAX = 16;

const EventState = z.strictObject({ event: dword, target: byte, reason: dword });
type Event = z.infer<typeof EventState>;
const State = z.strictObject({
  transport: VirtioPciState,
  bus: ScsiBusState,
  senseBytes: byte,
  cdbBytes: byte,
  events: z.array(EventState).max(EVENTS_MAX),
  hasMissedEvents: z.boolean(),
});
type State = z.infer<typeof State>;

/** A SCSI host adapter as virtio describes it. [VIRTIO] §5.6 */
export class VirtioScsi implements Device<State>, VirtioKind {
  readonly name: string;
  readonly schema = stateSchema('virtio-scsi', 1, State);
  readonly type = TYPE;
  readonly classCode = CLASS_SCSI_STORAGE;
  readonly features = 1 << FEATURE_HOTPLUG;
  readonly queueCount: number;
  readonly #memory: GuestMemory;
  readonly #bus: ScsiBus;
  readonly #transport: VirtioPci;
  #senseBytes: number = DEFAULT.SENSE_BYTES;
  #cdbBytes: number = DEFAULT.CDB_BYTES;
  #events: Event[] = [];
  #hasMissedEvents = false;
  /** Commands under way by target, and what waits for them to end. */
  readonly #underWay = new Map<number, number>();
  #waiting: { readonly target: number; readonly then: () => void }[] = [];
  /** Counts resets, so that what a unit finishes later finds nobody. */
  #epoch = 0;

  constructor(options: {
    name: string;
    slot: number;
    pci: PciBus;
    memory: GuestMemory;
    /** Units by target number. */
    units: ReadonlyMap<number, BusUnit>;
    requestQueues?: number;
  }) {
    this.name = options.name;
    this.queueCount = QUEUE.REQUEST + (options.requestQueues ?? 1);
    this.#memory = options.memory;
    this.#bus = new ScsiBus(options.memory);
    for (const [target, unit] of options.units) this.#bus.attach(target, unit);
    this.#transport = new VirtioPci({ ...options, kind: this });
  }

  /** Plugs a unit in while the guest runs. */
  attach(target: number, unit: BusUnit): void {
    this.#bus.attach(target, unit);
    this.#notify({ event: EVENT.TRANSPORT_RESET, target, reason: REASON.RESCAN });
  }

  /** Pulls a unit out; its commands end first. */
  detach(target: number): void {
    this.#whenIdle(target, () => {
      this.#bus.detach(target);
      this.#notify({ event: EVENT.TRANSPORT_RESET, target, reason: REASON.REMOVED });
    });
  }

  config(): Uint8Array {
    const bytes = new Uint8Array(CONFIG.BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(CONFIG.QUEUES, this.queueCount - QUEUE.REQUEST, true);
    view.setUint32(CONFIG.SEGMENTS_MAX, SEGMENTS_MAX, true);
    view.setUint32(CONFIG.SECTORS_MAX, SECTORS_MAX, true);
    view.setUint32(CONFIG.COMMANDS_PER_LUN, COMMANDS_PER_LUN, true);
    view.setUint32(CONFIG.EVENT_BYTES, EVENT_BYTES, true);
    view.setUint32(CONFIG.SENSE_BYTES, this.#senseBytes, true);
    view.setUint32(CONFIG.CDB_BYTES, this.#cdbBytes, true);
    view.setUint16(CONFIG.TARGET_MAX, TARGET_MAX, true);
    view.setUint32(CONFIG.LUN_MAX, 0, true);
    return bytes;
  }

  writeConfig(offset: number, value: number): void {
    if (offset === CONFIG.SENSE_BYTES) this.#senseBytes = value;
    if (offset === CONFIG.CDB_BYTES) this.#cdbBytes = Math.max(CDB_PADDED_BYTES, value);
  }

  onQueue(index: number): void {
    if (index === QUEUE.EVENT) {
      this.#sendEvents();
      return;
    }
    const queue = this.#transport.queues[index];
    for (;;) {
      const chain = queue?.take();
      if (chain === undefined) return;
      if (chain === 'broken') {
        this.#transport.fail();
        return;
      }
      this.#start(index, chain);
    }
  }

  onReset(): void {
    this.#epoch++;
    this.#underWay.clear();
    this.#waiting = [];
    this.#events = [];
    this.#hasMissedEvents = false;
    this.#senseBytes = DEFAULT.SENSE_BYTES;
    this.#cdbBytes = DEFAULT.CDB_BYTES;
    this.#bus.reset();
  }

  reset(): void {
    this.#transport.reset();
  }

  save(): State {
    return {
      transport: this.#transport.save(),
      bus: this.#bus.save(),
      senseBytes: this.#senseBytes,
      cdbBytes: this.#cdbBytes,
      events: this.#events.map((event) => ({ ...event })),
      hasMissedEvents: this.#hasMissedEvents,
    };
  }

  restore(state: State): void {
    this.onReset();
    this.#bus.restore(state.bus);
    this.#senseBytes = state.senseBytes;
    this.#cdbBytes = state.cdbBytes;
    this.#events = state.events.map((event) => ({ ...event }));
    this.#hasMissedEvents = state.hasMissedEvents;
    this.#transport.restore(state.transport);
    for (const [index, queue] of this.#transport.queues.entries()) {
      for (const chain of queue.resumed()) this.#start(index, chain);
    }
  }

  #start(queue: number, chain: Chain): void {
    if (queue === QUEUE.CONTROL) this.#control(chain);
    else this.#request(queue, chain);
  }

  #request(queue: number, chain: Chain): void {
    const requestBytes = REQUEST_HEAD_BYTES + this.#cdbBytes;
    const responseBytes = RESPONSE_HEAD_BYTES + this.#senseBytes;
    const header = gather(this.#memory, chain.readable, requestBytes);
    if (header.length < requestBytes || totalLength(chain.writable) < responseBytes) {
      this.#transport.fail();
      return;
    }
    const cdb = new Uint8Array(Math.max(CDB_PADDED_BYTES, this.#cdbBytes));
    cdb.set(header.subarray(REQUEST_HEAD_BYTES));
    const address = unitOf(header);
    const target = address?.target ?? -1;
    if (address === undefined || !this.#bus.hasTarget(target)) {
      this.#respond(queue, chain, RESPONSE.BAD_TARGET);
      return;
    }
    const task: ScsiTask = {
      ...address,
      cdb,
      dataIn: slice(chain.writable, responseBytes),
      dataOut: slice(chain.readable, requestBytes),
    };
    const room = totalLength(task.dataIn) + totalLength(task.dataOut);
    const epoch = this.#epoch;
    this.#underWay.set(target, (this.#underWay.get(target) ?? 0) + 1);
    this.#bus.execute(task, (outcome) => {
      if (epoch !== this.#epoch) return;
      const isOverrun = outcome.wanted > room;
      this.#respond(queue, chain, isOverrun ? RESPONSE.OVERRUN : RESPONSE.OK, outcome, room);
      this.#underWay.set(target, (this.#underWay.get(target) ?? 1) - 1);
      this.#wakeWaiting();
    });
  }

  #respond(queue: number, chain: Chain, response: number, outcome?: ScsiOutcome, room = 0): void {
    const bytes = new Uint8Array(RESPONSE_HEAD_BYTES + this.#senseBytes);
    const view = new DataView(bytes.buffer);
    const moved = outcome?.moved ?? 0;
    const sense = (outcome?.sense ?? NO_SENSE).subarray(0, this.#senseBytes);
    view.setUint32(0, sense.length, true);
    view.setUint32(4, room - moved, true);
    bytes[10] = outcome?.status ?? 0;
    bytes[11] = response;
    bytes.set(sense, RESPONSE_HEAD_BYTES);
    scatter(this.#memory, chain.writable, bytes);
    this.#transport.give(
      queue,
      chain.head,
      Math.min(totalLength(chain.writable), bytes.length + moved),
    );
  }

  /** [VIRTIO] §5.6.6.2 */
  #control(chain: Chain): void {
    const header = gather(this.#memory, chain.readable, TASK_MANAGEMENT_BYTES);
    const room = totalLength(chain.writable);
    if (header.length < 4 || room === 0) {
      this.#transport.fail();
      return;
    }
    const view = new DataView(header.buffer);
    const type = view.getUint32(0, true);
    const answer = (response: number): void => {
      // Task management answers one byte; the others tell of four bytes of events before it.
      const bytes = new Uint8Array(type === CONTROL.TASK_MANAGEMENT ? 1 : Math.min(5, room));
      bytes[bytes.length - 1] = response;
      const written = scatter(this.#memory, chain.writable, bytes);
      this.#transport.give(QUEUE.CONTROL, chain.head, written);
    };
    if (type !== CONTROL.TASK_MANAGEMENT) {
      const isKnown = type === CONTROL.ASYNC_QUERY || type === CONTROL.ASYNC_SUBSCRIBE;
      answer(isKnown ? RESPONSE.OK : RESPONSE.FUNCTION_REJECTED);
    } else if (header.length < TASK_MANAGEMENT_BYTES) {
      this.#transport.fail();
    } else {
      this.#manageTasks(view.getUint32(4, true), unitOf(header.subarray(8))?.target, answer);
    }
  }

  /**
   * Commands cannot be called back from a disk: what asks for their end hears of it when they have
   * ended by themselves.
   */
  #manageTasks(
    subtype: number,
    target: number | undefined,
    answer: (response: number) => void,
  ): void {
    if (target === undefined || !this.#bus.hasTarget(target)) {
      answer(RESPONSE.BAD_TARGET);
    } else if (subtype > TASK_MANAGEMENT.QUERY_SET) {
      answer(RESPONSE.FUNCTION_REJECTED);
    } else if (subtype >= TASK_MANAGEMENT.QUERY_TASK) {
      const isBusy = (this.#underWay.get(target) ?? 0) > 0;
      answer(isBusy ? RESPONSE.FUNCTION_SUCCEEDED : RESPONSE.OK);
    } else {
      this.#whenIdle(target, () => {
        const { NEXUS_RESET, UNIT_RESET } = TASK_MANAGEMENT;
        if (subtype === NEXUS_RESET || subtype === UNIT_RESET) this.#bus.reset(target);
        answer(RESPONSE.OK);
      });
    }
  }

  #whenIdle(target: number, then: () => void): void {
    this.#waiting.push({ target, then });
    this.#wakeWaiting();
  }

  #wakeWaiting(): void {
    const isIdle = (target: number): boolean => (this.#underWay.get(target) ?? 0) === 0;
    const ready = this.#waiting.filter(({ target }) => isIdle(target));
    this.#waiting = this.#waiting.filter(({ target }) => !isIdle(target));
    for (const { then } of ready) then();
  }

  /** Tells the driver, as soon as it has room for it; what comes on top of too much is missed. */
  #notify(event: Event): void {
    if (!this.#transport.isRunning || !this.#transport.hasFeature(FEATURE_HOTPLUG)) return;
    if (this.#events.length >= EVENTS_MAX) this.#hasMissedEvents = true;
    else this.#events.push(event);
    this.#sendEvents();
  }

  #sendEvents(): void {
    while (this.#events.length > 0) {
      const chain = this.#transport.queues[QUEUE.EVENT]?.take();
      if (chain === undefined) return;
      const next = this.#events.shift();
      if (chain === 'broken' || next === undefined) {
        this.#transport.fail();
        return;
      }
      const bytes = new Uint8Array(EVENT_BYTES);
      const view = new DataView(bytes.buffer);
      const missed = this.#hasMissedEvents ? EVENT.MISSED : 0;
      this.#hasMissedEvents = false;
      view.setUint32(0, (next.event | missed) >>> 0, true);
      bytes.set([1, next.target, 0x40, 0], 4);
      view.setUint32(12, next.reason, true);
      const written = scatter(this.#memory, chain.writable, bytes);
      this.#transport.give(QUEUE.EVENT, chain.head, written);
    }
  }
}

const NO_SENSE = new Uint8Array(0);

/** The unit that eight bytes name; undefined when they name none. [VIRTIO] §5.6.6.1 */
function unitOf(bytes: Uint8Array): { target: number; lun: number } | undefined {
  const [one, target = 0, high = 0, low = 0] = bytes;
  return one === 1 ? { target, lun: ((high & 0x3f) << 8) | low } : undefined;
}
