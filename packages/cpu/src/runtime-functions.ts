import { TYPE, type WasmType } from './wasm/code.ts';
import type { Signature } from './wasm/module.ts';

/**
 * Functions of the AssemblyScript runtime that generated code calls: parameters and result as
 * letters, i = i32, l = i64.
 */
const SIGNATURES = {
  // flags.ts
  computeFlags: 'ill:i',
  condition: 'iill:i',
  carryOf: 'ill:i',
  // memory.ts
  slowRead: 'li:l',
  slowWrite: 'lil:',
  translatedWrite: 'lil:i',
  slowRead16: 'l:',
  slowWrite16: 'l:',
  translatedWrite16: 'l:i',
  unitUnavailable: 'i:',
  checkJump: 'l:',
  touch: 'l:i',
  // fault.ts
  raise: 'ii:',
  raiseNoError: 'i:',
  // arithmetic.ts
  multiplyHighUnsigned: 'll:l',
  multiplyHighSigned: 'll:l',
  divideUnsigned: 'lli:l',
  divideSigned: 'lli:l',
  divideUnsigned128: 'lll:l',
  divideSigned128: 'lll:l',
  rotateCarryLeft: 'liii:l',
  rotateCarryRight: 'liii:l',
  doubleShiftLeft: 'llii:l',
  doubleShiftRight: 'llii:l',
  swapBytes32: 'i:i',
  swapBytes64: 'l:l',
  crc32: 'ili:i',
  daa: ':',
  das: ':',
  aaa: ':',
  aas: ':',
  aam: 'i:',
  aad: 'i:',
  compareExchange16: 'l:',
  randomWord: ':i',
  // strings.ts
  stringMove: 'iili:',
  stringStore: 'ili:',
  stringLoad: 'iili:',
  stringScan: 'ili:',
  stringCompare: 'iili:',
  // fpu/
  x87Initialize: ':',
  x87LoadControl: 'i:',
  x87Wait: ':',
  x87EmptyMmx: ':',
  x87LoadEnvironment: 'li:',
  x87StoreEnvironment: 'li:',
  x87Save: 'li:',
  x87Restore: 'li:',
  fxsave: 'li:',
  fxrstor: 'li:',
  loadMxcsr: 'i:',
  xsave: 'li:',
  xrstor: 'li:',
  // system/
  linearAddress: 'ilii:l',
  loadSegmentRegister: 'ii:',
  pushAll: 'i:',
  popAll: 'i:',
  pushFlags: 'i:',
  popFlags: 'i:',
  enter: 'iii:',
  farJump: 'ili:',
  farCall: 'ili:',
  farReturn: 'ii:',
  interruptReturn: 'i:',
  softwareInterrupt: 'i:',
  int3: ':',
  int1: ':',
  into: ':',
  insString: 'ili:',
  outsString: 'iili:',
  portIn: 'ii:i',
  portOut: 'iii:',
  hlt: ':',
  cli: ':',
  sti: ':',
  sldt: ':i',
  str: ':i',
  lldt: 'i:',
  ltr: 'i:',
  verr: 'i:i',
  verw: 'i:i',
  lar: 'i:l',
  lsl: 'i:l',
  checkUmip: ':',
  setGdtr: 'il:',
  setIdtr: 'il:',
  lmsw: 'l:',
  invlpg: 'l:',
  invpcid: 'll:',
  readCr: 'i:l',
  writeCr: 'il:',
  readDr: 'i:l',
  writeDr: 'il:',
  monitor: 'l:',
  mwait: ':',
  clac: ':',
  stac: ':',
  xgetbv: ':',
  xsetbv: ':',
  swapgs: ':',
  rdtscp: ':',
  rdtsc: ':',
  rdpmc: ':',
  rdmsr: ':',
  wrmsr: ':',
  clts: ':',
  syscallInstruction: ':',
  sysretInstruction: 'i:',
  sysenter: ':',
  sysexit: 'i:',
  cacheInstruction: ':',
  cpuidInstruction: ':',
  readSegmentBase: 'i:l',
  writeSegmentBase: 'il:',
  requireProtected: ':i',
} as const satisfies Record<string, `${string}:${'' | 'i' | 'l'}`>;

export type RuntimeFunction = keyof typeof SIGNATURES;

const LETTER: Record<string, WasmType> = { i: TYPE.I32, l: TYPE.I64 };

const parsed = (text: string): Signature => {
  const [params = '', result = ''] = text.split(':');
  return {
    params: Array.from(params, (letter) => LETTER[letter] as WasmType),
    result: result === '' ? undefined : LETTER[result],
  };
};

/** Signatures of all runtime functions by name. */
export const RUNTIME_FUNCTIONS: Readonly<Record<string, Signature>> = Object.fromEntries(
  Object.entries(SIGNATURES).map(([name, text]) => [name, parsed(text)]),
);
