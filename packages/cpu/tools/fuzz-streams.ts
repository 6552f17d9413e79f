import type { OpcodeRow } from '@umbra/isa';
import { type Assembled, assemble, Emitter, type Item } from './fuzz-assembler.ts';
import { INTERRUPT_PORT, type StreamLoad } from './fuzz-engines.ts';
import { CALM_ROWS, Chance, HANDLED_ROWS, randomInstruction } from './fuzz-random.ts';
import { startRegisters } from './fuzz-start.ts';
import {
  CODE_PAGES,
  DATA_PAGES,
  type PageEntry,
  RELOAD_VECTOR,
  TOGGLE_VECTOR,
  World,
} from './fuzz-world.ts';

/**
 * Paged streams: random instructions between calls, returns, edits of page tables and of code,
 * interrupts and single steps. A stream is a list of items, so that it can be made smaller.
 */

const PAGE = 4096;
const BODY_MAX = 22;
const SUBROUTINES_MAX = 5;
const SUBROUTINE_MAX = 7;
/** Most bytes by which a piece of code begins before a page border. */
const BORDER_MAX = 40;
const LOOPS_MAX = 50;
/** Enough recursion to pass the engine's own limit. */
const RECURSION_MAX = 140;
const STEPS_MAX = 60;
const RAX = 0;
const RBX = 3;
const RSP_OPERAND = [0x24];

export interface PagedStream {
  readonly seed: number;
  readonly world: World;
  readonly items: readonly Item[];
}

/** The stream of a seed. */
export function pagedStream(seed: number): PagedStream {
  const random = new Chance(seed);
  const world = new World(random);
  return { seed, world, items: new StreamBuilder(world, random).build() };
}

/** The code of a stream, and where its labels are. */
export function assembleStream({ world, items }: PagedStream): Assembled {
  return assemble(items, {
    linear: world.code,
    size: CODE_PAGES * PAGE,
    known: new Map([['loopEnd', world.loopEnd]]),
  });
}

/** Puts a stream and its world into a machine whose memory is empty. */
export function pagedLoad(stream: PagedStream): StreamLoad {
  const { seed, world, items } = stream;
  return (processor) => {
    const { image, labels } = assembleStream(stream);
    const random = new Chance(seed ^ 0x5bd1_e995);
    const otherCode = image.slice();
    // The other version of the code differs in last bytes, which are often immediate operands.
    for (const item of items) {
      if (item.label?.startsWith('random') !== true || item.bytes.length === 0) continue;
      const at = (labels.get(item.label) as number) - world.code + item.bytes.length - 1;
      if (random.chance(40)) otherCode[at] = random.below(256);
    }
    world.install(processor, {
      code: image,
      otherCode,
      entry: labels.get('body') ?? world.code,
      loops: 8 + random.below(LOOPS_MAX),
      reloadMask: [0, 1, 3][random.below(3)] as number,
      random,
    });
    startRegisters(processor, random);
    processor.stateChanged();
  };
}

class StreamBuilder {
  readonly #world: World;
  readonly #random: Chance;
  readonly #items: Item[] = [];
  /** What kinds of things the stream does besides calculating, in percent. */
  readonly #taste: Record<'call' | 'entry' | 'store' | 'interrupt' | 'root' | 'step', number>;
  readonly #rows: readonly OpcodeRow[];
  #subroutines = 0;
  #isInBody = true;
  #count = 0;
  #randoms = 0;

  constructor(world: World, random: Chance) {
    this.#world = world;
    this.#random = random;
    this.#rows = random.chance(40) ? CALM_ROWS : HANDLED_ROWS;
    const some = (most: number) => (random.chance(60) ? random.below(most) : 0);
    this.#taste = {
      call: some(30),
      entry: some(20),
      store: some(15),
      interrupt: some(15),
      root: some(10),
      step: some(4),
    };
  }

  #emitter(): Emitter {
    return new Emitter(this.#world.width);
  }
  #put(emitter: Emitter, options: { isWhole?: boolean } = {}): void {
    this.#items.push(emitter.item(options));
  }
  #mark(label: string): void {
    const isNearBorder = this.#random.chance(70);
    const border = isNearBorder ? { beforeBorder: 1 + this.#random.below(BORDER_MAX) } : {};
    this.#items.push(this.#emitter().item({ label, ...border }));
  }

  build(): Item[] {
    const random = this.#random;
    this.#subroutines = random.below(SUBROUTINES_MAX + 1);
    this.#mark('body');
    this.#pieces(3 + random.below(BODY_MAX));
    this.#put(this.#emitter().raw(0xe9).distance('loopEnd'));
    this.#isInBody = false;
    for (let index = 0; index < this.#subroutines; index++) {
      this.#mark(`sub${index}`);
      this.#pieces(1 + random.below(SUBROUTINE_MAX));
      this.#leaveSubroutine(index);
    }
    return this.#items;
  }

  #pieces(count: number): void {
    const random = this.#random;
    let resume = '';
    for (let i = 0; i < count; i++) {
      if (resume !== '' && random.chance(60)) {
        this.#items.push(this.#emitter().item({ label: resume }));
        resume = '';
      }
      if (resume === '' && random.chance(70)) {
        resume = `resume${this.#count++}`;
        const variable = this.#world.variable('RESUME');
        this.#put(this.#emitter().wide().absolute([0xc7], 0, variable).address(resume));
      }
      let draw = random.below(100);
      const wins = (percent: number) => {
        draw -= percent;
        return draw < 0;
      };
      if (wins(this.#taste.call)) this.#call();
      else if (wins(this.#taste.entry)) this.#entryEdit();
      else if (wins(this.#taste.store)) this.#codeStore();
      else if (wins(this.#taste.interrupt)) this.#interrupt();
      else if (wins(this.#taste.root)) this.#rootChange();
      else if (wins(this.#taste.step)) this.#singleStep();
      else this.#randomOne();
    }
    if (resume !== '') this.#items.push(this.#emitter().item({ label: resume }));
  }

  #randomOne(): void {
    const bytes = randomInstruction(this.#random, this.#world.width, this.#rows);
    this.#items.push({ label: `random${this.#randoms++}`, bytes, references: [] });
  }

  #someSubroutine(): string | undefined {
    if (this.#subroutines === 0) return undefined;
    return `sub${this.#random.below(this.#subroutines)}`;
  }

  #call(): void {
    const sub = this.#someSubroutine();
    const e = this.#emitter();
    const after = `after${this.#count++}`;
    const depth = this.#world.variable('DEPTH');
    const slot = this.#world.variable('SLOT');
    // Depth bounds the calls of an iteration, for subroutines call on.
    if (this.#isInBody) e.store32(depth, this.#random.below(RECURSION_MAX));
    else this.#put(this.#emitter().absolute([0xff], 1, depth).raw(0x0f, 0x8e).distance(after));
    switch (sub === undefined ? 6 : this.#random.below(8)) {
      case 0:
        e.loadAddress(RBX, sub as string).raw(0xff, 0xd3);
        break;
      case 1:
        e.wide()
          .absolute([0xc7], 0, slot)
          .address(sub as string)
          .absolute([0xff], 2, slot);
        break;
      case 2: // A return that no call belongs to.
        e.raw(0x68).address(after).raw(0xc3);
        break;
      case 3: // The subroutine returns to another place than the one behind a call.
        e.raw(0x68)
          .address(after)
          .raw(0xe9)
          .distance(sub as string);
        break;
      case 6: // A call whose return address is only taken from the stack.
        e.raw(0xe8).distance(after);
        this.#put(e);
        this.#items.push(this.#emitter().raw(0x58).item({ label: after }));
        return;
      default:
        e.raw(0xe8).distance(sub as string);
    }
    this.#put(e);
    this.#items.push(this.#emitter().item({ label: after }));
  }

  #leaveSubroutine(index: number): void {
    const random = this.#random;
    const e = this.#emitter();
    const other = `sub${random.below(this.#subroutines)}`;
    const depth = this.#world.variable('DEPTH');
    const step = () => e.absolute([0xff], 1, depth);
    if (this.#taste.root > 0 && random.chance(40)) {
      // The caller's code may be other code by now.
      this.#rootChange();
      this.#put(e.raw(0xc3));
      return;
    }
    switch (random.below(9)) {
      case 0: // Recursion: dec; jle out; call; out: ret
        step().raw(0x7e, 5, 0xe8).distance(`sub${index}`);
        break;
      case 1:
        step().raw(0x7e, 5, 0xe8).distance(other);
        break;
      case 2: // Recursion that does something after each return.
        step().raw(0x7e, 5, 0xe8).distance(other);
        this.#put(e);
        this.#randomOne();
        this.#put(this.#emitter().raw(0xc3));
        return;
      case 3: // A tail jump.
        step().raw(0x7e, 5, 0xe9).distance(other);
        break;
      case 4: // Returns a little behind where it should.
        e.wide().raw(0x83, 0x04, ...RSP_OPERAND, random.below(4));
        break;
      case 5: // Drops its own return address and returns for its caller.
        step()
          .raw(0x7e, this.#world.width === 64 ? 4 : 3)
          .wide()
          .raw(0x83, 0xc4, this.#world.width / 8);
        break;
      case 6:
        e.raw(0xc2, (random.below(3) * this.#world.width) / 8, 0);
        this.#put(e);
        return;
      default:
    }
    this.#put(e.raw(0xc3));
  }

  /** Which of the two roots' tables is edited: the other one's need not be in use. */
  #someRoot(): 0 | 1 {
    return this.#random.chance(70) ? 0 : 1;
  }

  #storeEntry(e: Emitter, at: number, [low, high]: PageEntry): void {
    e.store32(at, low);
    if (this.#world.hasNoExecute && this.#random.chance(60)) e.store32(at + 4, high);
  }

  #flush(e: Emitter, page: number): void {
    const world = this.#world;
    const kind = world.isUser ? 0 : this.#random.below(3);
    if (kind === 0) e.raw(0xcd, RELOAD_VECTOR);
    else if (kind === 1) e.absolute([0x0f, 0x01], 7, world.code + page * PAGE);
    else e.loadAddress(RAX, world.roots[this.#someRoot()]).raw(0x0f, 0x22, 0xd8);
  }

  #entryEdit(): void {
    const world = this.#world;
    const random = this.#random;
    const e = this.#emitter();
    if (random.chance(50)) {
      const page = random.below(DATA_PAGES);
      const frames = random.chance(85) ? world.dataFrames : world.codeFrames;
      const frame = frames[random.below(frames.length)] as number;
      this.#storeEntry(
        e,
        world.dataEntry(this.#someRoot(), page),
        world.dataEntryFor(random, frame),
      );
      if (random.chance(40) && !world.isUser) e.absolute([0x0f, 0x01], 7, world.data + page * PAGE);
      this.#put(e);
      return;
    }
    const page = random.below(CODE_PAGES - 4);
    const frame = (random.chance(50) ? world.codeFrames : world.otherFrames)[page] as number;
    // Until the flush either mapping may be fetched through: both instructions are on one page.
    this.#storeEntry(e, world.codeEntry(this.#someRoot(), page), world.codeEntryFor(random, frame));
    this.#flush(e, page);
    this.#put(e, { isWhole: true });
  }

  #codeStore(): void {
    const world = this.#world;
    const random = this.#random;
    const e = this.#emitter();
    const near = this.#randoms + random.below(3) - 1;
    const target = `random${random.chance(60) || this.#randoms === 0 ? near : random.below(this.#randoms)}`;
    const addend = random.below(5) + (random.chance(30) ? world.alias - world.code : 0);
    if (random.chance(15)) {
      // A doubleword across a border of the code's pages.
      const border = world.code + (1 + random.below(3)) * PAGE - 1 - random.below(3);
      e.store32(border, random.word());
    } else if (random.chance(70)) {
      e.absolute([0xc6], 0, target, addend).raw(random.below(256));
    } else {
      // inc byte: as often as the loop comes by.
      e.absolute([0xfe], 0, target, addend);
    }
    this.#put(e);
  }

  #interrupt(): void {
    const e = this.#emitter();
    const out = [0xe6, INTERRUPT_PORT];
    switch (this.#random.below(7)) {
      case 5: // cli; pushf; or dword [rsp], IF; popf
        e.raw(0xfa, ...out, 0x9c, 0x81, 0x0c, ...RSP_OPERAND, 0, 2, 0, 0, 0x9d);
        break;
      case 0:
        e.raw(0xfa, ...out);
        break;
      case 1:
        e.raw(0xfb, ...out);
        break;
      case 2:
        e.raw(0xfa, ...out, 0xfb);
        break;
      case 3: // mov eax, ss; mov ss, eax
        e.raw(...out, 0x8c, 0xd0, 0x8e, 0xd0);
        break;
      case 4:
        e.raw(0x8c, 0xd0, 0xfb, 0x8e, 0xd0, ...out);
        break;
      default:
        e.raw(...out);
    }
    this.#put(e);
  }

  #rootChange(): void {
    const world = this.#world;
    const e = this.#emitter();
    if (world.isUser || this.#random.chance(60)) e.raw(0xcd, TOGGLE_VECTOR);
    else e.loadAddress(RAX, world.roots[this.#random.below(2)] as number).raw(0x0f, 0x22, 0xd8);
    this.#put(e);
  }

  #singleStep(): void {
    const e = this.#emitter();
    e.store32(this.#world.variable('STEPS'), this.#random.below(STEPS_MAX));
    // pushf; or dword [rsp], TF; popf
    e.raw(0x9c, 0x81, 0x0c, ...RSP_OPERAND, 0, 1, 0, 0, 0x9d);
    this.#put(e);
  }
}
