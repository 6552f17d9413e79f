import { buildOpcodeMap, Decoder, ROWS } from '@umbra/isa';
import { codeBits } from './code-cache.ts';
import { formatInstruction, registerName } from './disassemble.ts';
import type { Processor } from './processor.ts';

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'];
const FLAG_NAMES: readonly (readonly [string, number])[] = [
  ['cf', 0],
  ['pf', 2],
  ['af', 4],
  ['zf', 6],
  ['sf', 7],
  ['tf', 8],
  ['if', 9],
  ['df', 10],
  ['of', 11],
  ['nt', 14],
  ['rf', 16],
  ['vm', 17],
  ['ac', 18],
  ['vif', 19],
  ['vip', 20],
  ['id', 21],
];
const INSTRUCTIONS = 8;

const hex = (value: bigint | number, digits: number) => value.toString(16).padStart(digits, '0');

/** Registers and the code at CS:RIP, for people. */
export function dumpProcessor(processor: Processor): string {
  const { state } = processor;
  const lines: string[] = [];
  const registers = Array.from(
    { length: 16 },
    (_, index) => `${registerName(index, 64).padEnd(3)} ${hex(state.get64('gpr', index), 16)}`,
  );
  for (let row = 0; row < 16; row += 4) lines.push(registers.slice(row, row + 4).join('  '));
  const flags = processor.runtime.readFlags() >>> 0;
  const names = FLAG_NAMES.filter(([, bit]) => flags & (1 << bit)).map(([name]) => name);
  lines.push(
    `rip ${hex(state.get64('rip'), 16)}  rflags ${hex(flags, 8)} [${names.join(' ')}] iopl ${(flags >> 12) & 3}  cpl ${state.get('cpl')}`,
  );
  for (let index = 0; index < 8; index++) {
    lines.push(
      `${(SEGMENTS[index] as string).padEnd(4)} ${hex(state.get('segSelector', index), 4)}  base ${hex(state.get64('segBase', index), 16)}  limit ${hex(state.get('segLimit', index), 8)}  attributes ${hex(state.get('segAttr', index), 4)}`,
    );
  }
  lines.push(
    `gdtr ${hex(state.get64('gdtrBase'), 16)}:${hex(state.get('gdtrLimit'), 4)}  idtr ${hex(state.get64('idtrBase'), 16)}:${hex(state.get('idtrLimit'), 4)}`,
  );
  lines.push(
    `cr0 ${hex(state.get64('cr0'), 8)}  cr2 ${hex(state.get64('cr2'), 16)}  cr3 ${hex(state.get64('cr3'), 16)}  cr4 ${hex(state.get64('cr4'), 8)}  efer ${hex(state.get64('efer'), 8)}`,
  );
  lines.push(...code(processor));
  return `${lines.join('\n')}\n`;
}

/** Instructions from CS:RIP on, as far as they can be read without disturbing the guest. */
function code(processor: Processor): string[] {
  const { state, runtime } = processor;
  const decoder = new Decoder(buildOpcodeMap(ROWS));
  const bytes = processor.guestMemory.hostBytes();
  const bits = codeBits(state.get('modeKey'));
  const lines: string[] = [];
  let rip = state.get64('rip');
  const faultBefore = state.get('faultPending');
  for (let i = 0; i < INSTRUCTIONS; i++) {
    const linear = BigInt.asUintN(64, state.get64('segEffBase', 1) + rip);
    // As supervisor and as data: only the walk matters here.
    const found = runtime.translate(linear, 0) !== 0;
    const host = found ? processor.guestMemory.hostOf(Number(runtime.translatedPhysical())) : 0;
    if (host === 0) {
      lines.push(`${hex(rip, 16)}  (no memory here)`);
      break;
    }
    const end = host - (host % 4096) + 4096;
    const decoded = decoder.decode(bytes, host, end, bits);
    if (typeof decoded === 'string') {
      const raw = Array.from(bytes.slice(host, Math.min(end, host + 8)), (byte) => hex(byte, 2));
      lines.push(`${hex(rip, 16)}  ${raw.join(' ')}  (${decoded})`);
      break;
    }
    const raw = Array.from(bytes.slice(host, host + decoded.length), (byte) => hex(byte, 2)).join(
      '',
    );
    lines.push(`${hex(rip, 16)}  ${raw.padEnd(20)}  ${formatInstruction(decoded, rip)}`);
    rip = BigInt.asUintN(64, rip + BigInt(decoded.length));
  }
  state.set('faultPending', faultBefore);
  return lines;
}
