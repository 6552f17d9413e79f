import type { Decoder } from '@umbra/isa';
import type { CodeTarget } from './builder.ts';
import type { CodeCache } from './code-cache.ts';
import type { FunctionPlacer } from './handler-store.ts';
import { RegionBuilder } from './region-builder.ts';
import {
  buildRegionGraph,
  type CodeWindow,
  eachCodeRange,
  hostOf,
  isTranslatable,
} from './region-graph.ts';
import { BLOCK } from './state-layout.ts';
import { ModuleBuilder, REGION_SIGNATURE } from './wasm/module.ts';

/** Most pages that a region has code on. */
const REGION_PAGES_MAX = 8;

interface TranslateOptions {
  /** Whether code that never ran is translated too. */
  readonly takesUnknown: boolean;
  /** Host page number of the page `index` linear pages from the block's; 0 when there is none. */
  hostPage(index: number): number;
}

/** Turns hot blocks, with the code that can be reached from them, into wasm functions. */
export class Translator {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #decoder: Decoder;
  readonly #placer: FunctionPlacer;
  readonly #target: CodeTarget;
  readonly #code: CodeCache;
  #regions = 0;
  #instructions = 0;

  constructor(options: {
    memory: WebAssembly.Memory;
    decoder: Decoder;
    placer: FunctionPlacer;
    target: CodeTarget;
    code: CodeCache;
  }) {
    this.#bytes = new Uint8Array(options.memory.buffer);
    this.#view = new DataView(options.memory.buffer);
    this.#decoder = options.decoder;
    this.#placer = options.placer;
    this.#target = options.target;
    this.#code = options.code;
  }

  /** Translates the region that begins at a block, when it can be translated. */
  translate(block: number, options: TranslateOptions): void {
    const host = this.#view.getUint32(block + BLOCK.HOST, true);
    const mode = this.#view.getUint32(block + BLOCK.MODE, true);
    if (!isTranslatable(mode)) return;
    const window = this.#windowAt(host, mode, options);
    const graph = buildRegionGraph(window, this.#decoder, mode);
    if (graph === undefined) return;
    const module = new ModuleBuilder();
    const builder = new RegionBuilder({ module, target: this.#target, mode, graph });
    const body = builder.build();
    const slot = this.#placer.allocate();
    module.define(REGION_SIGNATURE, builder.allLocals, body, slot);
    this.#placer.instantiate(module);
    for (const part of graph.blocks) {
      eachCodeRange(window, part, (at, bytes) => this.#code.markCode(at, bytes));
      this.#instructions += part.instructions.length;
      // An entry of its own must be earned by coming here from outside.
      this.#code.resetCount(hostOf(window, part.at), mode);
    }
    this.#code.setFunction(block, slot, graph.pages);
    this.#regions++;
  }

  #windowAt(host: number, mode: number, options: TranslateOptions): CodeWindow {
    const pages = new Map([[0, host >>> 12]]);
    let left = REGION_PAGES_MAX - 1;
    return {
      bytes: this.#bytes,
      host,
      hostPage: (index) => {
        let page = pages.get(index);
        if (page === undefined) {
          page = left > 0 ? options.hostPage(index) : 0;
          if (page !== 0) left--;
          pages.set(index, page);
        }
        return page;
      },
      isKnown: (at) => options.takesUnknown || this.#code.find(at, mode) !== 0,
    };
  }

  stats(): Record<string, number> {
    return { regions: this.#regions, translatedInstructions: this.#instructions };
  }
}
