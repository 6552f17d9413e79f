import type { Processor } from '../src/index.ts';
import type { StreamLoad } from './fuzz-engines.ts';
import { Chance, randomInstruction } from './fuzz-random.ts';
import { EXIT_PORT, startRegisters } from './fuzz-start.ts';

/**
 * Flat streams: straight random instructions in a counted loop, without handlers, so that the
 * first fault ends them. 64-bit code runs on identity-mapped large pages, the others unpaged.
 */

const CODE = 0x10_0000;
const DATA = 0x20_0000;
const DATA_BYTES = 0x1_0000;
const STACK = 0x30_0000;
const COUNTER = 0x40_0000;
/** The counter's offset in the data segment of 16-bit streams. */
const COUNTER16 = 0xff00;
const TABLES = 0x1000;
const STREAM_LENGTH_MAX = 14;
const LOOPS = 40;

type Bits = 16 | 32 | 64;

/** Instructions, then a counted loop back, then the way out. */
export function randomStream(random: Chance, bits: Bits): Uint8Array {
  const body: number[] = [];
  const length = 1 + random.below(STREAM_LENGTH_MAX);
  for (let i = 0; i < length; i++) body.push(...randomInstruction(random, bits));
  // dec dword [COUNTER]; jnz start; out EXIT_PORT, al
  const address = [COUNTER & 0xff, (COUNTER >> 8) & 0xff, (COUNTER >> 16) & 0xff, COUNTER >>> 24];
  if (bits === 64) body.push(0xff, 0x0c, 0x25, ...address);
  else if (bits === 32) body.push(0xff, 0x0d, ...address);
  else body.push(0x66, 0xff, 0x0e, COUNTER16 & 0xff, COUNTER16 >> 8);
  const back = -(body.length + (bits === 16 ? 4 : 6));
  body.push(0x0f, 0x85, back & 0xff, (back >> 8) & 0xff);
  if (bits !== 16) body.push((back >> 16) & 0xff, (back >> 24) & 0xff);
  body.push(0xe6, EXIT_PORT, 0xf4);
  return new Uint8Array(body);
}

/** Puts a stream and a seeded state into a machine whose memory is empty. */
export function flatLoad(stream: Uint8Array, seed: number, bits: Bits): StreamLoad {
  return (processor) => {
    const random = new Chance(seed);
    const { guestMemory: memory, state } = processor;
    const data = new Uint8Array(DATA_BYTES);
    for (let i = 0; i < DATA_BYTES; i += 4)
      new DataView(data.buffer).setUint32(i, random.word(), true);
    memory.writeFrom(DATA, data);
    memory.writeFrom(STACK - 0x1000, data.subarray(0, 0x2000));
    memory.write32(COUNTER, LOOPS);
    memory.write32(DATA + COUNTER16, LOOPS);
    memory.writeFrom(CODE, stream);
    setMode(processor, bits);
    state.set('idtrLimit', 0);
    for (let index = 0; index < 4; index++) state.set('pdpte', 0, index);
    state.set('cr4', state.get('cr4') | 0x600);
    startRegisters(processor, random);
    processor.stateChanged();
    for (let index = 0; index < 16; index++) {
      const isPointer = [3, 5, 6, 7].includes(index) || random.chance(30);
      state.set(
        'gpr',
        isPointer
          ? DATA + 0x4000 + random.below(0x4000)
          : random.chance(30)
            ? random.below(64)
            : random.word(),
        index,
      );
    }
    state.set('gpr', random.below(40), 1);
    state.set('gpr', bits === 16 ? 0x8000 : STACK, 4);
  };
}

function setMode(processor: Processor, bits: Bits): void {
  const segments = { gdtBase: 0, gdtLimit: 0, codeSelector: 8, dataSelector: 16 };
  if (bits !== 64) {
    processor.setProtectedMode({ ...segments, eip: CODE, esp: STACK });
    if (bits === 16) make16(processor);
    return;
  }
  const memory = processor.guestMemory;
  memory.write32(TABLES, (TABLES + 0x1000) | 7);
  memory.write32(TABLES + 0x1000, (TABLES + 0x2000) | 7);
  for (let i = 0; i < 4; i++) memory.write32(TABLES + 0x2000 + i * 8, (i * 0x20_0000) | 0x87);
  processor.setLongMode({ ...segments, rip: CODE, rsi: 0, rsp: STACK, cr3: TABLES });
}

/** 16-bit code, data and stack segments that begin below what they use. */
function make16({ state }: Processor): void {
  for (let index = 0; index < 6; index++) {
    state.set('segAttr', state.get('segAttr', index) & ~0x4000, index);
    state.set('segLimit', 0xffff, index);
    state.set('segBase', index === 1 ? CODE : index === 2 ? STACK - 0x8000 : DATA, index);
  }
  state.set('rip', 0);
}
