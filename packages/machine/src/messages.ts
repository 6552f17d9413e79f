import type { MachineSpec } from './machine-spec.ts';
import type { PcEnd } from './pc.ts';
import type { PendingWord } from './time/deadline-watch.ts';

/** What the processor's thread is started with. */
export interface ProcessorThreadData {
  readonly spec: MachineSpec;
  /** The compiled runtime of the processor. */
  readonly runtime: Uint8Array;
  /** One word of REQUEST bits, set by the main thread. */
  readonly requests: SharedArrayBuffer;
  /** Rings of the serial ports, COM1 first. */
  readonly serial: readonly {
    readonly output: SharedArrayBuffer;
    readonly input: SharedArrayBuffer | undefined;
  }[];
  readonly debugConsole: SharedArrayBuffer | undefined;
  /** The queue of disk operations. */
  readonly blockQueue: SharedArrayBuffer;
  readonly mediaMailbox: SharedArrayBuffer;
}

/** What the processor's thread tells the main thread. */
export type ProcessorReport =
  | { readonly kind: 'ready'; readonly pending: PendingWord }
  | {
      readonly kind: 'end';
      readonly end: PcEnd;
      readonly stats: Readonly<Record<string, number>>;
    }
  | {
      readonly kind: 'error';
      /** The code of an UmbraError; otherwise the program itself is wrong. */
      readonly code: string | undefined;
      readonly message: string;
      readonly stack: string | undefined;
    };
