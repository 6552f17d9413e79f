import type { Decoded, Decoder } from '@umbra/isa';
import { codeBits, decodeAcross, isUnavailable } from './code-cache.ts';
import { MODE } from './state-layout.ts';

/** Most guest instructions in a region. */
const REGION_LENGTH_MAX = 256;
/** Most instructions in one of its blocks. */
const BLOCK_LENGTH_MAX = 128;
const PAGE = 4096;

/** Where a region's code is: pages of the linear address space around its entry. */
export interface CodeWindow {
  readonly bytes: Uint8Array;
  /** Host address of the entry. */
  readonly host: number;
  /** Host page number of the page `index` linear pages from the entry's; 0 when not to be used. */
  hostPage(index: number): number;
  /** Whether the code at a host address ran before: what never ran is left out. */
  isKnown(host: number): boolean;
}

/** A basic block of a region: instructions that run one after another. */
export interface RegionBlock {
  /** Distance in bytes of the first instruction from the region's entry. */
  readonly at: number;
  readonly instructions: readonly Decoded[];
  /** Distance behind the last instruction. */
  readonly end: number;
  /** Where control goes by a direct jump or branch. */
  readonly target: number | undefined;
  /** Whether control may go on behind the block, after the return of a call too. */
  readonly fallsThrough: boolean;
  /** The instruction at `end` is not for translated code: the region gives it back. */
  readonly bails: boolean;
}

/** The blocks of a region in reverse postorder, and what structured code needs to know of them. */
export interface RegionGraph {
  readonly blocks: readonly RegionBlock[];
  /** Position in `blocks` by distance from the entry. */
  readonly order: ReadonlyMap<number, number>;
  /** Immediate dominator of each block; the entry has itself. */
  readonly dominators: readonly number[];
  readonly isLoopHeader: readonly boolean[];
  /** More than one forward edge comes in. */
  readonly isMerge: readonly boolean[];
  /** Edges that leave the region because no structured code can make them: `from:to`. */
  readonly cut: ReadonlySet<string>;
  /** The pages that the code is on, by distance in pages from the entry's: host page numbers. */
  readonly pages: ReadonlyMap<number, number>;
}

/** Collects the region that begins at a window's entry; undefined when nothing there translates. */
export function buildRegionGraph(
  window: CodeWindow,
  decoder: Decoder,
  mode: number,
): RegionGraph | undefined {
  const scan = new Scan(window, decoder, mode);
  scan.run();
  const blocks = formBlocks(scan, mode);
  const entry = blocks.get(0);
  if (entry === undefined || entry.instructions.length === 0) return undefined;
  return arrange(blocks, window);
}

/** Host address of the code at a distance from the entry; 0 when it is not to be used. */
export function hostOf(window: CodeWindow, at: number): number {
  const place = (window.host % PAGE) + at;
  const index = Math.floor(place / PAGE);
  const page = window.hostPage(index);
  return page === 0 ? 0 : page * PAGE + (place - index * PAGE);
}

/** Calls `use` with the host address and length of each piece of a block's code within a page. */
export function eachCodeRange(
  window: CodeWindow,
  block: RegionBlock,
  use: (host: number, bytes: number) => void,
): void {
  const entry = window.host % PAGE;
  let at = entry + block.at;
  const end = entry + block.end;
  while (at < end) {
    const index = Math.floor(at / PAGE);
    const stop = Math.min(end, (index + 1) * PAGE);
    use(window.hostPage(index) * PAGE + (at - index * PAGE), stop - at);
    at = stop;
  }
}

/** Decodes what can be reached from the entry. */
class Scan {
  readonly decoded = new Map<number, Decoded>();
  readonly leaders = new Set<number>([0]);
  readonly stops = new Set<number>();
  readonly #window: CodeWindow;
  readonly #decoder: Decoder;
  readonly #mode: number;

  constructor(window: CodeWindow, decoder: Decoder, mode: number) {
    this.#window = window;
    this.#decoder = decoder;
    this.#mode = mode;
  }

  run(): void {
    const work = [0];
    for (let next = 0; next < work.length; next++) {
      let at = work[next] as number;
      while (this.decoded.size < REGION_LENGTH_MAX) {
        if (this.decoded.has(at)) {
          this.leaders.add(at);
          break;
        }
        const one = this.#decode(at);
        if (one === undefined) break;
        this.decoded.set(at, one);
        at += one.length;
        const target = directTarget(one, at);
        if (target !== undefined && this.#isKnown(target)) {
          this.leaders.add(target);
          work.push(target);
        }
        if (!one.row.instruction.endsBlock) continue;
        if (!goesOn(one, this.#mode) || !this.#isKnown(at)) break;
        this.leaders.add(at);
      }
    }
  }

  #isKnown(at: number): boolean {
    const host = hostOf(this.#window, at);
    return host !== 0 && this.#window.isKnown(host);
  }

  #decode(at: number): Decoded | undefined {
    const host = hostOf(this.#window, at);
    if (host === 0) return undefined;
    const { bytes } = this.#window;
    const bits = codeBits(this.#mode);
    const pageEnd = host - (host % PAGE) + PAGE;
    let one = this.#decoder.decode(bytes, host, pageEnd, bits);
    if (one === 'truncated') {
      const next = hostOf(this.#window, at + pageEnd - host);
      if (next === 0) return undefined;
      one = decodeAcross(this.#decoder, bytes, { host, next, bits });
    }
    if (typeof one === 'string') return undefined;
    if (!isUnavailable(one, this.#mode)) return one;
    this.stops.add(at);
    return undefined;
  }
}

/** Distance that a direct jump or branch goes to; calls go to regions of their own. */
function directTarget(decoded: Decoded, next: number): number | undefined {
  const first = decoded.operands[0];
  if (first?.kind !== 'relative' || decoded.operandSize === 16) return undefined;
  if (decoded.row.instruction.mnemonic === 'call') return undefined;
  return next + decoded.immediateLow;
}

/** Whether control may go on behind an instruction that ends a block. */
function goesOn(decoded: Decoded, mode: number): boolean {
  const { mnemonic } = decoded.row.instruction;
  if (mnemonic === 'call') return isCallNested(decoded, mode);
  return decoded.operands[0]?.kind === 'relative' && mnemonic !== 'jmp';
}

/** Whether a near call becomes a call of the target's function, which comes back for the return. */
export function isCallNested(decoded: Decoded, mode: number): boolean {
  if ((mode & MODE.CODE_SIZE) === 2) return decoded.operandSize === 64;
  return (mode & MODE.FLAT_CODE) !== 0 && decoded.operandSize === 32;
}

function formBlocks(scan: Scan, mode: number): Map<number, RegionBlock> {
  const blocks = new Map<number, RegionBlock>();
  for (const leader of scan.leaders) {
    if (!scan.decoded.has(leader)) continue;
    const instructions: Decoded[] = [];
    let at = leader;
    let target: number | undefined;
    let fallsThrough = true;
    for (;;) {
      const one = scan.decoded.get(at);
      if (one === undefined) break;
      instructions.push(one);
      at += one.length;
      if (one.row.instruction.endsBlock) {
        target = directTarget(one, at);
        fallsThrough = goesOn(one, mode) && scan.leaders.has(at);
        break;
      }
      if (scan.leaders.has(at) || instructions.length === BLOCK_LENGTH_MAX) break;
    }
    blocks.set(leader, {
      at: leader,
      instructions,
      end: at,
      target: target !== undefined && scan.leaders.has(target) ? target : undefined,
      fallsThrough,
      bails: scan.stops.has(at) && !scan.decoded.has(at),
    });
  }
  return blocks;
}

function successors(block: RegionBlock, blocks: ReadonlyMap<number, RegionBlock>): number[] {
  const next: number[] = [];
  if (block.fallsThrough && blocks.has(block.end)) next.push(block.end);
  if (block.target !== undefined && blocks.has(block.target)) next.push(block.target);
  return next;
}

function reversePostorder(entry: number, blocks: ReadonlyMap<number, RegionBlock>): number[] {
  const visited = new Set<number>([entry]);
  const postorder: number[] = [];
  const stack: { at: number; next: number[] }[] = [
    { at: entry, next: successors(blocks.get(entry) as RegionBlock, blocks) },
  ];
  while (stack.length > 0) {
    const top = stack.at(-1) as { at: number; next: number[] };
    const child = top.next.pop();
    if (child === undefined) {
      postorder.push(top.at);
      stack.pop();
    } else if (!visited.has(child)) {
      visited.add(child);
      stack.push({ at: child, next: successors(blocks.get(child) as RegionBlock, blocks) });
    }
  }
  return postorder.reverse();
}

/** Cooper, Harvey and Kennedy's iteration over reverse postorder. */
function findDominators(predecessors: readonly (readonly number[])[]): number[] {
  const count = predecessors.length;
  const dominators = new Array<number>(count).fill(-1);
  dominators[0] = 0;
  const meet = (a: number, b: number): number => {
    let left = a;
    let right = b;
    while (left !== right) {
      while (left > right) left = dominators[left] as number;
      while (right > left) right = dominators[right] as number;
    }
    return left;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let node = 1; node < count; node++) {
      let found = -1;
      for (const from of predecessors[node] as readonly number[]) {
        if (dominators[from] === -1) continue;
        found = found === -1 ? from : meet(found, from);
      }
      if (dominators[node] !== found) {
        dominators[node] = found;
        changed = true;
      }
    }
  }
  return dominators;
}

function dominates(dominators: readonly number[], above: number, below: number): boolean {
  let at = below;
  while (at > above) at = dominators[at] as number;
  return at === above;
}

function arrange(found: ReadonlyMap<number, RegionBlock>, window: CodeWindow): RegionGraph {
  const places = reversePostorder(0, found);
  const blocks = places.map((at) => found.get(at) as RegionBlock);
  const order = new Map(places.map((at, index) => [at, index]));
  const edges: [number, number][] = blocks.flatMap((block, from) =>
    successors(block, found).map((at): [number, number] => [from, order.get(at) as number]),
  );
  const cut = new Set<string>();
  const predecessorsOf = (kept: readonly [number, number][]) => {
    const lists: number[][] = blocks.map(() => []);
    for (const [from, to] of kept) lists[to]?.push(from);
    return lists;
  };
  let dominators = findDominators(predecessorsOf(edges));
  for (const [from, to] of edges) {
    if (to <= from && !dominates(dominators, to, from)) cut.add(`${from}:${to}`);
  }
  const kept = edges.filter(([from, to]) => !cut.has(`${from}:${to}`));
  if (cut.size > 0) dominators = findDominators(predecessorsOf(kept));
  const isLoopHeader = blocks.map(() => false);
  const forward = blocks.map(() => 0);
  for (const [from, to] of kept) {
    if (to <= from) isLoopHeader[to] = true;
    else forward[to] = (forward[to] as number) + 1;
  }
  return {
    blocks,
    order,
    dominators,
    isLoopHeader,
    isMerge: forward.map((count) => count > 1),
    cut,
    pages: pagesOf(blocks, window),
  };
}

function pagesOf(blocks: readonly RegionBlock[], window: CodeWindow): Map<number, number> {
  const pages = new Map<number, number>();
  const entry = window.host % PAGE;
  for (const block of blocks) {
    const last = Math.floor((entry + block.end - 1) / PAGE);
    for (let index = Math.floor((entry + block.at) / PAGE); index <= last; index++) {
      pages.set(index, window.hostPage(index));
    }
  }
  return pages;
}

/** Whether code in this mode is translated at all. */
export function isTranslatable(mode: number): boolean {
  return (mode & MODE.SINGLE_STEP) === 0;
}
