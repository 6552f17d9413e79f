import type { Decoder } from '@umbra/isa';
import type { CodeCache } from './code-cache.ts';
import type { FunctionPlacer } from './handler-store.ts';
export class Translator {
  constructor(_o: {
    memory: WebAssembly.Memory;
    decoder: Decoder;
    placer: FunctionPlacer;
    cpuBase: number;
    code: CodeCache;
  }) {}
  translate(_block: number): void {}
  stats(): Record<string, number> {
    return {};
  }
}
