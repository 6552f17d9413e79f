/** What the runtime and the processor ask of the machine; see ProcessorHost in processor.ts. */
export interface RuntimeImports {
  mmioRead(low: number, high: number, size: number): number;
  mmioWrite(low: number, high: number, size: number, value: number): void;
  ioRead(port: number, size: number): number;
  ioWrite(port: number, size: number, value: number): void;
  acknowledgeInterrupt(): number;
  readTsc(): void;
  readApicMsr(index: number): number;
  writeApicMsr(index: number): number;
  readCr8(): number;
  writeCr8(value: number): void;
  random32(): number;
  cpuid(): void;
  codeInvalidated(page: number, first: number, last: number): void;
}

/** Functions of the AssemblyScript runtime that JavaScript calls. */
export interface Runtime {
  run(): number;
  missHost(): number;
  hotBlock(): number;
  takeBail(): number;
  interpretOne(): void;
  resetProcessor(): void;
  initProcessor(): void;
  updateMode(): void;
  resetPaging(): void;
  switchSpace(): void;
  selectTables(): void;
  flushAll(): void;
  clearJumpCache(): void;
  forgetBlocks(): void;
  forgetFunctions(): void;
  protectPage(page: number): void;
  fetchHost(linear: bigint, user: number): number;
  probeFetch(linear: bigint, user: number): number;
  isMisfit(block: number): number;
  noteHostWrite(host: number, size: number): void;
  notePageReplaced(host: number): void;
  readFlags(): number;
  writeFlags(value: number, mask: number): void;
  readArithmeticFlags(): number;
  translate(linear: bigint, access: number): number;
  translatedPhysical(): bigint;
}

/** Slots of the function table that the runtime may use itself; generated functions come after. */
export const FIRST_TABLE_SLOT = 1024;
export const TABLE_SLOTS = 1 << 18;

export interface RuntimeInstance {
  readonly runtime: Runtime;
  readonly table: WebAssembly.Table;
  /** Everything that generated modules import. */
  readonly environment: Record<string, unknown>;
}

/** Instantiates the compiled runtime for the processor whose block is at `cpuBase`. */
export function instantiateRuntime(options: {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  cpuBase: number;
  imports: RuntimeImports;
}): RuntimeInstance {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: TABLE_SLOTS });
  const environment: Record<string, unknown> = {
    memory: options.memory,
    table,
    cpuBase: new WebAssembly.Global({ value: 'i32', mutable: false }, options.cpuBase),
    abort: () => {
      throw new Error('The runtime aborted');
    },
    ...options.imports,
  };
  const instance = new WebAssembly.Instance(options.module, { env: environment });
  Object.assign(environment, instance.exports);
  return { runtime: instance.exports as unknown as Runtime, table, environment };
}
