import type { Decoded, Decoder } from '@umbra/isa';
import { codeBits, isUnavailable } from './code-cache.ts';
import { MODE } from './state-layout.ts';

/** Most guest instructions in a region. */
const REGION_LENGTH_MAX = 256;
/** Most instructions in one of its blocks. */
const BLOCK_LENGTH_MAX = 128;
const PAGE = 4096;

/** A basic block of a region: instructions that run one after another. */
export interface RegionBlock {
  /** Host address of the first byte. */
  readonly host: number;
  readonly instructions: readonly Decoded[];
  /** Host address behind the last instruction. */
  readonly end: number;
  /** Where control goes by a direct jump or branch, when its target is in the region's page. */
  readonly target: number | undefined;
  /** Whether control may go on behind the block. */
  readonly fallsThrough: boolean;
  /** The instruction at `end` is not for translated code: the region gives it back. */
  readonly bails: boolean;
}

/** The blocks of a region in reverse postorder, and what structured code needs to know of them. */
export interface RegionGraph {
  readonly blocks: readonly RegionBlock[];
  /** Position in `blocks` by host address. */
  readonly order: ReadonlyMap<number, number>;
  /** Immediate dominator of each block; the entry has itself. */
  readonly dominators: readonly number[];
  readonly isLoopHeader: readonly boolean[];
  /** More than one forward edge comes in. */
  readonly isMerge: readonly boolean[];
  /** Edges that leave the region because no structured code can make them: `from:to`. */
  readonly cut: ReadonlySet<string>;
  /** First and last+1 host address of the code used. */
  readonly first: number;
  readonly last: number;
}

/** Collects the region that begins at a host address; undefined when nothing there translates. */
export function buildRegionGraph(options: {
  bytes: Uint8Array;
  decoder: Decoder;
  host: number;
  mode: number;
}): RegionGraph | undefined {
  const scan = scanCode(options);
  const blocks = formBlocks(options.host, scan);
  const entry = blocks.get(options.host);
  if (entry === undefined || entry.instructions.length === 0) return undefined;
  return arrange(options.host, blocks);
}

interface Scan {
  readonly decoded: Map<number, Decoded>;
  readonly leaders: Set<number>;
  readonly stops: Set<number>;
}

function directTarget(decoded: Decoded, next: number): number | undefined {
  const first = decoded.operands[0];
  if (first?.kind !== 'relative' || decoded.operandSize === 16) return undefined;
  if (decoded.row.instruction.mnemonic === 'call') return undefined;
  return next + decoded.immediateLow;
}

function goesOn(decoded: Decoded): boolean {
  const { mnemonic, endsBlock } = decoded.row.instruction;
  if (!endsBlock) return true;
  return decoded.operands[0]?.kind === 'relative' && mnemonic !== 'jmp' && mnemonic !== 'call';
}

/** Decodes what can be reached from the entry within its page. */
function scanCode(options: {
  bytes: Uint8Array;
  decoder: Decoder;
  host: number;
  mode: number;
}): Scan {
  const { bytes, decoder, host, mode } = options;
  const pageStart = host - (host % PAGE);
  const pageEnd = pageStart + PAGE;
  const bits = codeBits(mode);
  const decoded = new Map<number, Decoded>();
  const leaders = new Set<number>([host]);
  const stops = new Set<number>();
  const work = [host];
  while (work.length > 0 && decoded.size < REGION_LENGTH_MAX) {
    let at = work.shift() as number;
    while (at < pageEnd && decoded.size < REGION_LENGTH_MAX) {
      if (decoded.has(at)) {
        leaders.add(at);
        break;
      }
      const one = decoder.decode(bytes, at, pageEnd, bits);
      if (typeof one === 'string' || isUnavailable(one, mode)) {
        if (typeof one !== 'string') stops.add(at);
        break;
      }
      decoded.set(at, one);
      const next = at + one.length;
      const target = directTarget(one, next);
      const inPage = target !== undefined && target >= pageStart && target < pageEnd;
      if (inPage) {
        leaders.add(target);
        work.push(target);
      }
      if (target !== undefined && goesOn(one)) leaders.add(next);
      if (!goesOn(one)) break;
      at = next;
    }
  }
  return { decoded, leaders, stops };
}

function formBlocks(entry: number, scan: Scan): Map<number, RegionBlock> {
  const blocks = new Map<number, RegionBlock>();
  for (const host of scan.leaders) {
    if (!scan.decoded.has(host)) continue;
    const instructions: Decoded[] = [];
    let at = host;
    let target: number | undefined;
    let fallsThrough = true;
    for (;;) {
      const one = scan.decoded.get(at);
      if (one === undefined) break;
      instructions.push(one);
      at += one.length;
      if (one.row.instruction.endsBlock) {
        target = directTarget(one, at);
        fallsThrough = goesOn(one);
        break;
      }
      if (scan.leaders.has(at) || instructions.length === BLOCK_LENGTH_MAX) break;
    }
    const inRegion =
      target !== undefined &&
      scan.decoded.has(target) &&
      Math.floor(target / PAGE) === Math.floor(entry / PAGE);
    blocks.set(host, {
      host,
      instructions,
      end: at,
      target: inRegion ? target : undefined,
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
  const stack: { host: number; next: number[] }[] = [
    { host: entry, next: successors(blocks.get(entry) as RegionBlock, blocks) },
  ];
  while (stack.length > 0) {
    const top = stack.at(-1) as { host: number; next: number[] };
    const child = top.next.pop();
    if (child === undefined) {
      postorder.push(top.host);
      stack.pop();
    } else if (!visited.has(child)) {
      visited.add(child);
      stack.push({ host: child, next: successors(blocks.get(child) as RegionBlock, blocks) });
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

function arrange(entry: number, found: ReadonlyMap<number, RegionBlock>): RegionGraph {
  const hosts = reversePostorder(entry, found);
  const blocks = hosts.map((host) => found.get(host) as RegionBlock);
  const order = new Map(hosts.map((host, index) => [host, index]));
  const edges: [number, number][] = blocks.flatMap((block, from) =>
    successors(block, found).map((host): [number, number] => [from, order.get(host) as number]),
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
    first: Math.min(...hosts),
    last: Math.max(...blocks.map((block) => block.end)),
  };
}

/** Whether code in this mode is translated at all. */
export function isTranslatable(mode: number): boolean {
  return (mode & MODE.SINGLE_STEP) === 0;
}
