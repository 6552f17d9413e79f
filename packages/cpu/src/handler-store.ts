import type { Decoded } from '@umbra/isa';
import { HandlerBuilder, type HandlerMode, handlerKey } from './handler-builder.ts';
import { HANDLER_SIGNATURE, ModuleBuilder } from './wasm/module.ts';

/** Gives generated functions their places in the table and instantiates modules of them. */
export interface FunctionPlacer {
  /** A free slot of the function table. */
  allocate(): number;
  instantiate(module: ModuleBuilder): void;
}

/**
 * The interpreter's handlers. Each is generated from its instruction's definition when the first
 * instruction that needs it is decoded; those of a block go into one module.
 */
export class HandlerStore {
  readonly #slots = new Map<string, number>();
  readonly #placer: FunctionPlacer;
  readonly #cpuBase: number;
  #pending: ModuleBuilder | undefined;

  constructor(placer: FunctionPlacer, cpuBase: number) {
    this.#placer = placer;
    this.#cpuBase = cpuBase;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Table slot of the handler; usable after flush(). */
  slot(decoded: Decoded, mode: HandlerMode): number {
    const key = handlerKey(decoded, mode);
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    this.#pending ??= new ModuleBuilder();
    const builder = new HandlerBuilder({ module: this.#pending, cpuBase: this.#cpuBase, mode });
    const locals = builder.build(decoded);
    const slot = this.#placer.allocate();
    this.#pending.define(HANDLER_SIGNATURE, locals, builder.code, slot);
    this.#slots.set(key, slot);
    return slot;
  }

  /** Instantiates what slot() made since the last time. */
  flush(): void {
    if (this.#pending !== undefined) this.#placer.instantiate(this.#pending);
    this.#pending = undefined;
  }
}
