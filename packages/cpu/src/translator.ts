import type { Decoder } from '@umbra/isa';
import type { CodeCache } from './code-cache.ts';
import type { FunctionPlacer } from './handler-store.ts';
import { RegionBuilder } from './region-builder.ts';
import { buildRegionGraph, isTranslatable } from './region-graph.ts';
import { BLOCK } from './state-layout.ts';
import { ModuleBuilder, REGION_SIGNATURE } from './wasm/module.ts';

/** Turns hot blocks, with the code that can be reached from them, into wasm functions. */
export class Translator {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #decoder: Decoder;
  readonly #placer: FunctionPlacer;
  readonly #cpuBase: number;
  readonly #code: CodeCache;
  #regions = 0;
  #instructions = 0;

  constructor(options: {
    memory: WebAssembly.Memory;
    decoder: Decoder;
    placer: FunctionPlacer;
    cpuBase: number;
    code: CodeCache;
  }) {
    this.#bytes = new Uint8Array(options.memory.buffer);
    this.#view = new DataView(options.memory.buffer);
    this.#decoder = options.decoder;
    this.#placer = options.placer;
    this.#cpuBase = options.cpuBase;
    this.#code = options.code;
  }

  /** Translates the region that begins at a block, when it can be translated. */
  translate(block: number): void {
    const host = this.#view.getUint32(block + BLOCK.HOST, true);
    const mode = this.#view.getUint32(block + BLOCK.MODE, true);
    if (!isTranslatable(mode) || this.#view.getUint32(block + BLOCK.SECOND_PAGE, true) !== 0)
      return;
    const graph = buildRegionGraph({ bytes: this.#bytes, decoder: this.#decoder, host, mode });
    if (graph === undefined) return;
    const make = (stateMask: number) => {
      const module = new ModuleBuilder();
      const builder = new RegionBuilder({
        module,
        cpuBase: this.#cpuBase,
        mode,
        graph,
        entry: host,
        stateMask,
      });
      return { module, builder, body: builder.build() };
    };
    let made = make(0);
    // Functions that work on the state want every register of the region there: known only now.
    if (made.builder.needsState)
      made = make(made.builder.usedRegisters | made.builder.writtenRegisters);
    const slot = this.#placer.allocate();
    made.module.define(REGION_SIGNATURE, made.builder.allLocals, made.body, slot);
    this.#placer.instantiate(made.module);
    for (const part of graph.blocks) this.#code.markCode(part.host, part.end - part.host);
    this.#code.setFunction(block, slot);
    this.#regions++;
    for (const part of graph.blocks) this.#instructions += part.instructions.length;
  }

  stats(): Record<string, number> {
    return { regions: this.#regions, translatedInstructions: this.#instructions };
  }
}
