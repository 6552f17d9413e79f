import { assert } from '@umbra/base';
import {
  BASE_RIP,
  type Decoded,
  type DecodeFailure,
  type Decoder,
  INDEX_AL,
  type MemoryForm,
  type Operand,
} from '@umbra/isa';
import type { HandlerStore } from './handler-store.ts';
import type { Runtime } from './runtime.ts';
import { AREA, BLOCK, MODE, PAGE_FLAG, RECORD, STATE } from './state-layout.ts';

/** Most instructions in a block. */
const BLOCK_LENGTH_MAX = 64;
const PAGE = 4096;

/** Code size of a mode key in bits. */
export function codeBits(mode: number): 16 | 32 | 64 {
  return ([16, 32, 64] as const)[(mode & MODE.CODE_SIZE) as 0 | 1 | 2];
}

/** Whether an instruction's unit is switched off in a mode. */
export function isUnavailable(decoded: Decoded, mode: number): boolean {
  const { instruction } = decoded.row;
  if (instruction.sse && mode & MODE.NO_SSE) return true;
  return (instruction.x87 === true || instruction.mmx === true) && (mode & MODE.NO_X87) !== 0;
}

/** Decoded blocks by host page, in the memory that the run loop reads. [AREA.CODE_POOL] */
export class CodeCache {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #decoder: Decoder;
  readonly #invalid: Decoded;
  readonly #tooLong: Decoded;
  readonly #handlers: HandlerStore;
  readonly #runtime: Runtime;
  readonly #release: (tableSlot: number) => void;
  readonly #pages = new Map<number, Set<number>>();
  #next: number = AREA.CODE_POOL;
  decodedBlocks = 0;
  invalidations = 0;
  flushes = 0;

  constructor(options: {
    memory: WebAssembly.Memory;
    decoder: Decoder;
    handlers: HandlerStore;
    runtime: Runtime;
    release: (tableSlot: number) => void;
  }) {
    this.#bytes = new Uint8Array(options.memory.buffer);
    this.#view = new DataView(options.memory.buffer);
    this.#decoder = options.decoder;
    this.#handlers = options.handlers;
    this.#runtime = options.runtime;
    this.#release = options.release;
    this.#invalid = this.#sample([0x0f, 0x0b]);
    this.#tooLong = this.#sample([0xf4]);
  }

  #sample(bytes: number[]): Decoded {
    const decoded = this.#decoder.decode(new Uint8Array(bytes), 0, bytes.length, 32);
    assert(typeof decoded !== 'string', 'the sample decodes');
    return decoded;
  }

  /**
   * Decodes the block at a host address. `second` finds the host address of the next linear page,
   * or 0 with a fault pending; then there is no block yet.
   */
  decode(host: number, mode: number, second: () => number): boolean {
    if (
      this.#next + BLOCK.HEADER_SIZE + BLOCK_LENGTH_MAX * RECORD.SIZE >
      AREA.CODE_POOL + AREA.CODE_POOL_SIZE
    ) {
      this.clear();
    }
    const bits = codeBits(mode);
    const pageEnd = host - (host % PAGE) + PAGE;
    const block = this.#next;
    let record = block + BLOCK.HEADER_SIZE;
    let at = host;
    let length = 0;
    let secondPage = 0;
    while (length < BLOCK_LENGTH_MAX && at < pageEnd) {
      let decoded: Decoded | DecodeFailure = this.#decoder.decode(this.#bytes, at, pageEnd, bits);
      if (decoded === 'truncated') {
        if (length > 0) break;
        const next = second();
        if (next === 0) return false;
        secondPage = next >>> 12;
        decoded = decodeAcross(this.#decoder, this.#bytes, { host: at, next, bits });
      }
      if (decoded === 'invalid' || decoded === 'truncated') {
        if (length > 0) break;
        decoded = { ...this.#invalid, length: 1 };
      } else if (decoded === 'too long') {
        if (length > 0) break;
        // Beyond 15 bytes: #GP(0), as any instruction that only faults.
        decoded = { ...this.#tooLong, length: 1 };
      }
      this.#writeRecord(record, decoded, at - host, mode);
      record += RECORD.SIZE;
      length++;
      at += decoded.length;
      if (decoded.row.instruction.endsBlock || secondPage !== 0) break;
    }
    this.#handlers.flush();
    this.#next = record;
    this.#enter(block, { host, mode, length, bytes: at - host, secondPage });
    this.decodedBlocks++;
    return true;
  }

  #enter(
    block: number,
    code: { host: number; mode: number; length: number; bytes: number; secondPage: number },
  ): void {
    const v = this.#view;
    v.setUint32(block + BLOCK.HOST, code.host, true);
    v.setUint32(block + BLOCK.MODE, code.mode, true);
    v.setUint32(block + BLOCK.FUNCTION, 0, true);
    v.setUint32(block + BLOCK.COUNT, 0, true);
    v.setUint32(block + BLOCK.SECOND_PAGE, code.secondPage, true);
    v.setUint32(block + BLOCK.LENGTH, code.length, true);
    v.setUint32(block + BLOCK.BYTES, code.bytes, true);
    v.setUint32(block + BLOCK.DEAD, 0, true);
    v.setUint32(block + BLOCK.PAGES, 0, true);
    v.setUint32(block + BLOCK.MISFITS, 0, true);
    const head = this.#hashHead(code.host);
    v.setUint32(block + BLOCK.HASH_NEXT, v.getUint32(head, true), true);
    v.setUint32(head, block, true);
    const page = code.host >>> 12;
    this.#link(page, block);
    const inFirst = Math.min(code.bytes, PAGE - (code.host % PAGE));
    this.markCode(code.host, inFirst);
    if (code.secondPage !== 0) {
      this.#link(code.secondPage, block);
      this.markCode(code.secondPage * PAGE, Math.max(code.bytes - inFirst, 1));
    }
  }

  /** The block that begins at a host address; 0 when there is none. */
  find(host: number, mode: number): number {
    const v = this.#view;
    let block = v.getUint32(this.#hashHead(host), true);
    while (block !== 0) {
      if (
        v.getUint32(block + BLOCK.HOST, true) === host &&
        v.getUint32(block + BLOCK.MODE, true) === mode
      )
        return block;
      block = v.getUint32(block + BLOCK.HASH_NEXT, true);
    }
    return 0;
  }

  /** The block at a host address, if there is one, is taken for cold again. */
  resetCount(host: number, mode: number): void {
    const block = this.find(host, mode);
    if (block !== 0) this.#view.setUint32(block + BLOCK.COUNT, 0, true);
  }

  #link(page: number, block: number): void {
    const blocks = this.#pages.get(page);
    if (blocks === undefined) this.#pages.set(page, new Set([block]));
    else blocks.add(block);
  }

  /** Guards bytes of a host page: stores to their 64-byte granules will be noticed. */
  markCode(host: number, bytes: number): void {
    const v = this.#view;
    const page = host >>> 12;
    const info = AREA.PAGE_INFO + page * 4;
    const flags = v.getUint32(info, true);
    if (!(flags & PAGE_FLAG.CODE)) {
      v.setUint32(info, flags | PAGE_FLAG.CODE, true);
      this.#runtime.protectPage(page);
    }
    const first = (host % PAGE) >>> 6;
    const last = Math.min(((host % PAGE) + bytes - 1) >>> 6, 63);
    for (let granule = first; granule <= last; granule++) {
      const at = AREA.CODE_MASK + page * 8 + (granule >= 32 ? 4 : 0);
      v.setUint32(at, v.getUint32(at, true) | (1 << (granule & 31)), true);
    }
  }

  #hashHead(host: number): number {
    return AREA.BLOCK_HASH + (((host ^ (host >>> 13)) & (AREA.BLOCK_HASH_COUNT - 1)) << 2);
  }

  #writeRecord(at: number, decoded: Decoded, offset: number, mode: number): void {
    const v = this.#view;
    const slot = this.#handlers.slot(decoded, {
      mode64: (mode & MODE.CODE_SIZE) === 2,
      unavailable: isUnavailable(decoded, mode),
    });
    v.setUint32(at + RECORD.HANDLER, slot, true);
    v.setUint16(at + RECORD.OFFSET, offset, true);
    v.setUint16(at + RECORD.NEXT, offset + decoded.length, true);
    for (const operand of decoded.operands) {
      if (operand.role === 'reg' || operand.role === 'opcode')
        v.setUint16(at + RECORD.REG, registerOffset(operand), true);
      else if (operand.role === 'rm' && operand.kind !== 'memory')
        v.setUint16(at + RECORD.RM, registerOffset(operand), true);
    }
    v.setInt32(at + RECORD.IMM, decoded.immediateLow, true);
    v.setInt32(at + RECORD.IMM + 4, decoded.immediateHigh, true);
    const { x87 } = decoded.row.instruction;
    v.setUint8(at + RECORD.EXTRA, x87 ? decoded.modrm : decoded.secondImmediate);
    // String instructions have no address form; their source is in DS or where a prefix says.
    v.setUint8(
      at + RECORD.SEG,
      decoded.memory?.segment ?? (decoded.segment >= 0 ? decoded.segment : 3),
    );
    if (decoded.memory !== undefined) this.#writeAddress(at, decoded.memory);
  }

  #writeAddress(at: number, memory: MemoryForm): void {
    const v = this.#view;
    const offsetOf = (register: number) => (register < 0 ? STATE.zero : STATE.gpr + register * 8);
    v.setUint16(
      at + RECORD.BASE,
      memory.base === BASE_RIP ? STATE.zero : offsetOf(memory.base),
      true,
    );
    v.setUint16(
      at + RECORD.INDEX,
      memory.index === INDEX_AL ? STATE.zero : offsetOf(memory.index),
      true,
    );
    v.setInt32(at + RECORD.DISP, memory.displacement, true);
    v.setUint8(at + RECORD.SCALE, memory.scale);
  }

  /**
   * Takes a block's translation, made at `tableSlot` from code on `pages`: host pages by distance
   * in linear pages. It replaces the one that the block had.
   */
  setFunction(block: number, tableSlot: number, pages: ReadonlyMap<number, number>): void {
    const v = this.#view;
    const old = v.getUint32(block + BLOCK.FUNCTION, true);
    if (old !== 0) this.#forget(old);
    this.#unlinkOthers(block);
    const others = [...pages].filter(([index]) => index !== 0);
    const list = others.length === 0 ? 0 : this.#next;
    const next = (list + 4 + others.length * 8 + 7) & ~7;
    if (next > AREA.CODE_POOL + AREA.CODE_POOL_SIZE) {
      this.#release(tableSlot);
      this.clear();
      return;
    }
    v.setUint32(block + BLOCK.PAGES, list, true);
    v.setUint32(block + BLOCK.FUNCTION, tableSlot, true);
    if (list === 0) return;
    // Where the block was found before it had other pages, they may be mapped otherwise.
    this.#runtime.forgetBlocks();
    v.setUint32(list, others.length, true);
    for (const [position, [index, page]] of others.entries()) {
      v.setInt32(list + 4 + position * 8, index, true);
      v.setUint32(list + 8 + position * 8, page, true);
      this.#link(page, block);
    }
    this.#next = next;
  }

  /** Bytes of a host page changed: what was decoded from the page is forgotten. */
  invalidatePage(page: number): void {
    const blocks = this.#pages.get(page);
    if (blocks === undefined) return;
    this.invalidations++;
    for (const block of [...blocks]) this.#drop(block);
    this.#pages.delete(page);
    const v = this.#view;
    const info = AREA.PAGE_INFO + page * 4;
    v.setUint32(info, v.getUint32(info, true) & ~PAGE_FLAG.CODE, true);
    v.setUint32(AREA.CODE_MASK + page * 8, 0, true);
    v.setUint32(AREA.CODE_MASK + page * 8 + 4, 0, true);
  }

  #drop(block: number): void {
    const v = this.#view;
    const host = v.getUint32(block + BLOCK.HOST, true);
    let link = this.#hashHead(host);
    while (v.getUint32(link, true) !== block) {
      link = v.getUint32(link, true) + BLOCK.HASH_NEXT;
    }
    v.setUint32(link, v.getUint32(block + BLOCK.HASH_NEXT, true), true);
    v.setUint32(block + BLOCK.DEAD, 1, true);
    const slot = v.getUint32(block + BLOCK.FUNCTION, true);
    if (slot !== 0) this.#forget(slot);
    v.setUint32(block + BLOCK.FUNCTION, 0, true);
    this.#unlinkOthers(block);
    this.#pages.get(host >>> 12)?.delete(block);
    const second = v.getUint32(block + BLOCK.SECOND_PAGE, true);
    if (second !== 0) this.#pages.get(second)?.delete(block);
  }

  /** Changes of the pages that a block's translation had code on besides are no more its own. */
  #unlinkOthers(block: number): void {
    const v = this.#view;
    const first = v.getUint32(block + BLOCK.HOST, true) >>> 12;
    const second = v.getUint32(block + BLOCK.SECOND_PAGE, true);
    const list = v.getUint32(block + BLOCK.PAGES, true);
    const count = list === 0 ? 0 : v.getUint32(list, true);
    for (let position = 0; position < count; position++) {
      const page = v.getUint32(list + 8 + position * 8, true);
      if (page !== first && page !== second) this.#pages.get(page)?.delete(block);
    }
  }

  /** Gives a translation's place away. */
  #forget(tableSlot: number): void {
    this.#runtime.forgetFunctions();
    this.#release(tableSlot);
  }

  /** Forgets everything. Only between two blocks. */
  clear(): void {
    this.flushes++;
    for (const page of [...this.#pages.keys()]) this.invalidatePage(page);
    this.#pages.clear();
    this.#bytes.fill(0, AREA.BLOCK_HASH, AREA.BLOCK_HASH + AREA.BLOCK_HASH_COUNT * 4);
    this.#next = AREA.CODE_POOL;
    this.#runtime.clearJumpCache();
  }

  get usedBytes(): number {
    return this.#next - AREA.CODE_POOL;
  }
}

/** Decodes an instruction that begins at `host` and goes on at `next`, in another page. */
export function decodeAcross(
  decoder: Decoder,
  bytes: Uint8Array,
  { host, next, bits }: { host: number; next: number; bits: 16 | 32 | 64 },
): Decoded | DecodeFailure {
  const joined = new Uint8Array(32);
  const first = PAGE - (host % PAGE);
  joined.set(bytes.subarray(host, host + first));
  joined.set(bytes.subarray(next, next + 32 - first), first);
  return decoder.decode(joined, 0, 32, bits);
}

/** Byte offset in the state block of a register operand. */
export function registerOffset(operand: Operand): number {
  switch (operand.kind) {
    case 'register':
      return STATE.gpr + operand.index * 8 + (operand.isHigh ? 1 : 0);
    case 'vector':
      return STATE.xmm + operand.index * 16;
    case 'mmx':
      return STATE.fpuSignificand + operand.index * 8;
    default:
      return 0;
  }
}
