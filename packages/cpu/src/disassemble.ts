import { BASE_RIP, type Decoded, INDEX_AL, type Operand } from '@umbra/isa';

const NAMES64 = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];
const NAMES8 = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'];
const HIGH8 = ['ah', 'ch', 'dh', 'bh'];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', '?', '?'];

/** Name of a general register. */
export function registerName(index: number, size: number, isHigh = false): string {
  if (isHigh) return HIGH8[index] ?? '?';
  if (index >= 8)
    return `r${index}${size === 64 ? '' : size === 32 ? 'd' : size === 16 ? 'w' : 'b'}`;
  if (size === 8) return NAMES8[index] ?? '?';
  const name = NAMES64[index] ?? '?';
  return size === 64 ? name : size === 32 ? `e${name.slice(1)}` : name.slice(1);
}

const hex = (value: bigint) => `0x${value.toString(16)}`;

/** One instruction as text, in the manual's operand order; `rip` is its address. */
export function formatInstruction(decoded: Decoded, rip: bigint): string {
  const { instruction } = decoded.row;
  const prefix = `${decoded.lock ? 'lock ' : ''}${decoded.row.attributes.has('rep') ? ['', 'rep ', 'repne '][decoded.repeat] : ''}`;
  const next = rip + BigInt(decoded.length);
  const operands = decoded.operands.map((operand) => formatOperand(decoded, operand, next));
  return `${prefix}${instruction.mnemonic}${operands.length > 0 ? ` ${operands.join(', ')}` : ''}`;
}

function formatOperand(decoded: Decoded, operand: Operand, next: bigint): string {
  const immediate = (BigInt(decoded.immediateHigh) << 32n) | BigInt(decoded.immediateLow >>> 0);
  switch (operand.kind) {
    case 'register':
      return registerName(operand.index, operand.size, operand.isHigh);
    case 'memory':
      return formatMemory(decoded, operand.size, immediate);
    case 'relative':
      return hex(BigInt.asUintN(operand.size, next + immediate));
    case 'segment':
      return SEGMENTS[operand.index] ?? '?';
    case 'control':
      return `cr${operand.index}`;
    case 'debug':
      return `dr${operand.index}`;
    case 'vector':
      return `xmm${operand.index}`;
    case 'mmx':
      return `mm${operand.index}`;
    case 'stack87':
      return `st(${operand.index})`;
    default:
      if (operand.role === 'fixed') return hex(BigInt(operand.index));
      if (operand.index === 1) return hex(BigInt(decoded.secondImmediate));
      return hex(BigInt.asUintN(operand.size, immediate));
  }
}

function formatMemory(decoded: Decoded, size: number, immediate: bigint): string {
  const memory = decoded.memory;
  const name = { 8: 'byte ', 16: 'word ', 32: 'dword ', 64: 'qword ', 128: 'oword ' }[size] ?? '';
  if (memory === undefined) return `${name}[?]`;
  if (memory.absolute)
    return `${name}${SEGMENTS[memory.segment]}:[${hex(BigInt.asUintN(decoded.addressSize, immediate))}]`;
  const parts: string[] = [];
  if (memory.base === BASE_RIP) parts.push('rip');
  else if (memory.base >= 0) parts.push(registerName(memory.base, decoded.addressSize));
  if (memory.index === INDEX_AL) parts.push('al');
  else if (memory.index >= 0)
    parts.push(`${registerName(memory.index, decoded.addressSize)}*${1 << memory.scale}`);
  const { displacement } = memory;
  if (displacement !== 0 || parts.length === 0) {
    parts.push(displacement < 0 ? `-${hex(BigInt(-displacement))}` : hex(BigInt(displacement)));
  }
  const segment = decoded.segment >= 0 ? `${SEGMENTS[memory.segment]}:` : '';
  return `${name}${segment}[${parts.join('+').replaceAll('+-', '-')}]`;
}
