import type { BlockRequest, BlockStatus, GuestMemory } from '@umbra/core';
import { BLOCK_SEGMENTS_MAX } from '@umbra/core';
import * as z from 'zod';
import { gather, scatter, slice, totalLength } from '../memory-ranges.ts';
import { type MemoryRange, transferSectors } from '../sector-transfer.ts';
import { type ScsiCdrom, ScsiCdromState } from './scsi-cdrom.ts';
import {
  check,
  dataIn,
  field,
  OPCODE,
  PARAMETER_BYTES_MAX,
  type ScsiAction,
  SENSE,
  type Sense,
  senseBytes,
  senseOf,
} from './scsi-command.ts';
import { ScsiDisk, ScsiDiskState } from './scsi-disk.ts';

/** Status of a command. [SAM] §5.3.1 */
const STATUS = { GOOD: 0x00, CHECK_CONDITION: 0x02 } as const;
const NOBODY_THERE = 0x7f;
const LUN_LIST_BYTES = 16;

/** A command on its way to a unit, with the initiator's buffers. */
export interface ScsiTask {
  readonly target: number;
  readonly lun: number;
  /** Padded with zeros to 16 bytes at least. */
  readonly cdb: Uint8Array;
  readonly dataIn: readonly MemoryRange[];
  readonly dataOut: readonly MemoryRange[];
}

/** How a command ended. */
export interface ScsiOutcome {
  readonly status: number;
  /** Empty unless the status is CHECK CONDITION. */
  readonly sense: Uint8Array;
  /** Bytes that the command wanted to move, and those that it did. */
  readonly wanted: number;
  readonly moved: number;
}

type OnDone = (outcome: ScsiOutcome) => void;
export type BusUnit = ScsiDisk | ScsiCdrom;

const UnitState = z.union([ScsiDiskState, ScsiCdromState]);
export const ScsiBusState = z.array(
  z.strictObject({ target: z.int().min(0).max(255), unit: UnitState }),
);
export type ScsiBusState = z.infer<typeof ScsiBusState>;

/** Targets with one unit each, and what carries out their commands. [SAM] */
export class ScsiBus {
  readonly #memory: GuestMemory;
  readonly #units = new Map<number, BusUnit>();

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  hasTarget(target: number): boolean {
    return this.#units.has(target);
  }

  attach(target: number, unit: BusUnit): void {
    this.#units.set(target, unit);
  }

  /** Takes a unit away; what it has under way ends as if it were there. */
  detach(target: number): void {
    this.#units.delete(target);
  }

  /** One target, or all without it, were reset. */
  reset(target?: number): void {
    for (const [key, unit] of this.#units) {
      if (target === undefined || key === target) unit.noteReset();
    }
  }

  save(): ScsiBusState {
    return [...this.#units].map(([target, unit]) => ({ target, unit: unit.save() }));
  }

  restore(state: ScsiBusState): void {
    for (const { target, unit: saved } of state) {
      const unit = this.#units.get(target);
      if (unit instanceof ScsiDisk) unit.restore(ScsiDiskState.parse(saved));
      else unit?.restore(ScsiCdromState.parse(saved));
    }
  }

  /** Carries out a command of a target that is there. `onDone` may be called at once. */
  execute(task: ScsiTask, onDone: OnDone): void {
    const unit = this.#units.get(task.target);
    if (unit === undefined) return;
    const action = this.#decide(unit, task);
    this.#perform(unit, task, action, onDone);
  }

  #decide(unit: BusUnit, { lun, cdb }: ScsiTask): ScsiAction {
    const opcode = cdb[0];
    if (opcode === OPCODE.REPORT_LUNS) return reportLuns(cdb);
    if (lun === 0) return unit.start(cdb);
    // INQUIRY answers for units that are not there, too. [SPC] §6.4.1
    return opcode === OPCODE.INQUIRY
      ? dataIn(Uint8Array.of(NOBODY_THERE, 0, 5, 2, 0), field(cdb, 3, 2))
      : check(SENSE.NO_SUCH_UNIT);
  }

  #perform(unit: BusUnit, task: ScsiTask, action: ScsiAction, onDone: OnDone): void {
    switch (action.kind) {
      case 'good':
        onDone(good(0, 0));
        break;
      case 'check':
        onDone(checked(action.sense));
        break;
      case 'data-in':
        onDone(good(action.bytes.length, scatter(this.#memory, task.dataIn, action.bytes)));
        break;
      case 'data-out': {
        const length = Math.min(action.lengthBytes, PARAMETER_BYTES_MAX);
        const list = gather(this.#memory, task.dataOut, length);
        this.#perform(unit, task, unit.take(task.cdb, list), (outcome) =>
          onDone({ ...outcome, wanted: action.lengthBytes, moved: list.length }),
        );
        break;
      }
      case 'read':
      case 'write':
        this.#transfer(unit, task, action, onDone);
        break;
      case 'work':
        this.#work(unit, action.requests, (sense) =>
          onDone(sense === undefined ? good(0, 0) : checked(sense)),
        );
        break;
    }
  }

  #transfer(
    unit: BusUnit,
    task: ScsiTask,
    action: ScsiAction & { kind: 'read' | 'write' },
    onDone: OnDone,
  ): void {
    const { kind, offsetBytes, lengthBytes, isForced } = action;
    const ranges = slice(kind === 'read' ? task.dataIn : task.dataOut, 0, lengthBytes);
    const { backend } = unit;
    const room = totalLength(ranges);
    if (backend === undefined || ranges.length > BLOCK_SEGMENTS_MAX) {
      onDone(checked(senseOf('io-error', kind)));
      return;
    }
    if (room < lengthBytes) {
      // The carrier tells the initiator that its buffers were too small.
      onDone(good(lengthBytes, 0));
      return;
    }
    const onMoved = (status: BlockStatus): void => {
      if (status !== 'ok') onDone(checked(senseOf(status, kind)));
      else if (!isForced) onDone(good(lengthBytes, lengthBytes));
      else {
        this.#work(unit, [{ kind: 'flush' }], (sense) =>
          onDone(sense === undefined ? good(lengthBytes, lengthBytes) : checked(sense)),
        );
      }
    };
    const memory = this.#memory;
    const isStarted = transferSectors({
      backend,
      memory,
      kind,
      offsetBytes,
      ranges,
      onDone: onMoved,
    });
    if (!isStarted) onDone(checked(senseOf('io-error', kind)));
  }

  /** Requests one after the other; undefined when all went well. */
  #work(
    unit: BusUnit,
    requests: readonly BlockRequest[],
    onDone: (sense: Sense | undefined) => void,
  ): void {
    const [first, ...rest] = requests;
    if (first === undefined || unit.backend === undefined) {
      onDone(undefined);
      return;
    }
    unit.backend.submit(first, (status) => {
      if (status === 'ok') this.#work(unit, rest, onDone);
      else onDone(senseOf(status, 'write'));
    });
  }
}

function good(wanted: number, moved: number): ScsiOutcome {
  return { status: STATUS.GOOD, sense: new Uint8Array(0), wanted, moved };
}

function checked(sense: Sense): ScsiOutcome {
  return { status: STATUS.CHECK_CONDITION, sense: senseBytes(sense), wanted: 0, moved: 0 };
}

/** Every target has the one unit 0. [SPC] §6.33 */
function reportLuns(cdb: Uint8Array): ScsiAction {
  const bytes = new Uint8Array(LUN_LIST_BYTES);
  bytes[3] = 8;
  return dataIn(bytes, field(cdb, 6, 4));
}
