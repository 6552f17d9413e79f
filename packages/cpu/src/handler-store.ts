import type { Decoded } from '@umbra/isa';
import type { CodeTarget } from './builder.ts';
import { HandlerBuilder, type HandlerMode, handlerKey, operandForms } from './handler-builder.ts';
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
  /** Table slots by handlerKey() and then by operandForms(). */
  readonly #slots = new Map<number, Map<number, number>>();
  #count = 0;
  readonly #placer: FunctionPlacer;
  readonly #target: CodeTarget;
  #pending: ModuleBuilder | undefined;

  constructor(placer: FunctionPlacer, target: CodeTarget) {
    this.#placer = placer;
    this.#target = target;
  }

  get size(): number {
    return this.#count;
  }

  /** Table slot of the handler; usable after flush(). */
  slot(decoded: Decoded, mode: HandlerMode): number {
    const key = handlerKey(decoded, mode);
    let slots = this.#slots.get(key);
    if (slots === undefined) {
      slots = new Map();
      this.#slots.set(key, slots);
    }
    const forms = operandForms(decoded);
    const known = slots.get(forms);
    if (known !== undefined) return known;
    this.#pending ??= new ModuleBuilder();
    const builder = new HandlerBuilder({ module: this.#pending, target: this.#target, mode });
    const locals = builder.build(decoded);
    const slot = this.#placer.allocate();
    this.#pending.define(HANDLER_SIGNATURE, locals, builder.code, slot);
    slots.set(forms, slot);
    this.#count++;
    return slot;
  }

  /** Instantiates what slot() made since the last time. */
  flush(): void {
    if (this.#pending !== undefined) this.#placer.instantiate(this.#pending);
    this.#pending = undefined;
  }
}
