// The members of the WebAssembly JavaScript interface that this package uses. [WASM-JS]
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: boolean });
    readonly buffer: SharedArrayBuffer;
  }
  class Table {
    constructor(descriptor: { element: 'anyfunc'; initial: number });
    set(index: number, value: unknown): void;
    readonly length: number;
  }
  class Global {
    constructor(descriptor: { value: 'i32'; mutable: boolean }, value: number);
  }
  class Module {
    constructor(bytes: Uint8Array<ArrayBufferLike>);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
}
