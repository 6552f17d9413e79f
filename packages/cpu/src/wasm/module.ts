import { Code, TYPE, type WasmType } from './code.ts';

/** A function type: parameters and at most one result. */
export interface Signature {
  readonly params: readonly WasmType[];
  readonly result: WasmType | undefined;
}

interface DefinedFunction {
  readonly type: number;
  readonly locals: readonly WasmType[];
  readonly body: Code;
  readonly tableSlot: number;
}

/** An interpreter's handler: takes its record, gives a status. */
export const HANDLER_SIGNATURE: Signature = { params: [TYPE.I32], result: TYPE.I32 };
/** A region: takes how many regions wait for its return, gives a status. */
export const REGION_SIGNATURE: Signature = { params: [TYPE.I32], result: TYPE.I32 };

/**
 * A module under construction: it imports the memory, the function table and runtime functions from
 * `env`, and puts its own functions into the table when instantiated. [WASM] §5.5.
 */
export class ModuleBuilder {
  readonly #types: Signature[] = [];
  readonly #typeKeys = new Map<string, number>();
  readonly #imports: { name: string; type: number }[] = [];
  readonly #importIndices = new Map<string, number>();
  readonly #functions: DefinedFunction[] = [];

  /** Index of a function type. */
  type(signature: Signature): number {
    const key = `${signature.params.join()}:${signature.result ?? ''}`;
    let index = this.#typeKeys.get(key);
    if (index === undefined) {
      index = this.#types.length;
      this.#types.push(signature);
      this.#typeKeys.set(key, index);
    }
    return index;
  }

  /** Index of an imported function. All imports come before the first `define`d body is encoded. */
  import(name: string, signature: Signature): number {
    let index = this.#importIndices.get(name);
    if (index === undefined) {
      index = this.#imports.length;
      this.#imports.push({ name, type: this.type(signature) });
      this.#importIndices.set(name, index);
    }
    return index;
  }

  /** Index of the first function defined here: final when nothing more is imported. */
  get firstIndex(): number {
    return this.#imports.length;
  }

  /** Adds a function that will stand at `tableSlot`. */
  define(signature: Signature, locals: readonly WasmType[], body: Code, tableSlot: number): void {
    this.#functions.push({ type: this.type(signature), locals, body, tableSlot });
  }

  /** The finished binary; `memoryPages` are the limits of the imported shared memory. */
  encode(memoryPages: { minimum: number; maximum: number }): Uint8Array {
    const out = new Code();
    for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
    const section = (id: number, fill: (code: Code) => void) => {
      const body = new Code();
      fill(body);
      out.byte(id);
      out.unsigned(body.length);
      out.append(body);
    };
    section(1, (code) => this.#encodeTypes(code));
    section(2, (code) => this.#encodeImports(code, memoryPages));
    section(3, (code) => {
      code.unsigned(this.#functions.length);
      for (const { type } of this.#functions) code.unsigned(type);
    });
    section(9, (code) => {
      code.unsigned(this.#functions.length);
      this.#functions.forEach(({ tableSlot }, index) => {
        code.byte(0);
        code.byte(0x41);
        code.signed(tableSlot);
        code.byte(0x0b);
        code.unsigned(1);
        code.unsigned(this.#imports.length + index);
      });
    });
    section(10, (code) => {
      code.unsigned(this.#functions.length);
      for (const { locals, body } of this.#functions) encodeBody(code, locals, body);
    });
    return out.view();
  }

  #encodeTypes(code: Code): void {
    code.unsigned(this.#types.length);
    for (const { params, result } of this.#types) {
      code.byte(0x60);
      code.unsigned(params.length);
      for (const param of params) code.byte(param);
      code.unsigned(result === undefined ? 0 : 1);
      if (result !== undefined) code.byte(result);
    }
  }

  #encodeImports(code: Code, pages: { minimum: number; maximum: number }): void {
    code.unsigned(this.#imports.length + 2);
    for (const { name, type } of this.#imports) {
      code.text('env');
      code.text(name);
      code.byte(0);
      code.unsigned(type);
    }
    code.text('env');
    code.text('memory');
    code.byte(2);
    code.byte(3);
    code.unsigned(pages.minimum);
    code.unsigned(pages.maximum);
    code.text('env');
    code.text('table');
    code.byte(1);
    code.byte(0x70);
    code.byte(0);
    code.unsigned(1);
  }
}

function encodeBody(code: Code, locals: readonly WasmType[], body: Code): void {
  const head = new Code();
  const groups: [number, WasmType][] = [];
  for (const type of locals) {
    const last = groups.at(-1);
    if (last !== undefined && last[1] === type) last[0]++;
    else groups.push([1, type]);
  }
  head.unsigned(groups.length);
  for (const [count, type] of groups) {
    head.unsigned(count);
    head.byte(type);
  }
  code.unsigned(head.length + body.length + 1);
  code.append(head);
  code.append(body);
  code.byte(0x0b);
}
