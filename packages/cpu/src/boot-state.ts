import type { Processor } from './processor.ts';
import { SEG, SREG } from './state-layout.ts';

/** Values of a flat 32-bit start; registers not named are 0. */
export interface ProtectedModeState {
  readonly eip: number;
  readonly eax?: number;
  readonly ebx?: number;
  readonly esi?: number;
  readonly esp?: number;
  readonly gdtBase?: number;
  readonly gdtLimit?: number;
  readonly codeSelector: number;
  readonly dataSelector: number;
}

/** Values of a 64-bit start with identity-mapped page tables at `cr3`. */
export interface LongModeState {
  readonly rip: number;
  readonly rsi: number;
  readonly rsp: number;
  readonly cr3: number;
  readonly gdtBase: number;
  readonly gdtLimit: number;
  readonly codeSelector: number;
  readonly dataSelector: number;
}

const CR0_PE = 1;
const CR0_ET = 1 << 4;
const CR0_PG = 0x8000_0000;
const CR4_PAE = 1 << 5;
const EFER_LME = 1 << 8;
const EFER_LMA = 1 << 10;
const DATA_TYPE = SEG.P | SEG.S | SEG.WRITABLE | SEG.ACCESSED | SEG.DB | SEG.G;
const CODE_TYPE = SEG.P | SEG.S | SEG.CODE | SEG.WRITABLE | SEG.ACCESSED | SEG.G;
const RSI = 6;
const RSP = 4;

function setFlatSegments(processor: Processor, code: number, codeType: number, data: number): void {
  const { state } = processor;
  for (const index of [SREG.ES, SREG.CS, SREG.SS, SREG.DS, SREG.FS, SREG.GS]) {
    const isCode = index === SREG.CS;
    state.set('segSelector', isCode ? code : data, index);
    state.set('segAttr', isCode ? codeType : DATA_TYPE, index);
    state.set('segLimit', 0xffff_ffff, index);
    state.set('segBase', 0, index);
  }
  state.set('cpl', 0);
  state.set('systemFlags', 0);
}

function clearRegisters(processor: Processor): void {
  for (let index = 0; index < 16; index++) processor.state.set('gpr', 0, index);
}

/** Flat 32-bit protected mode without paging, interrupts off: how loaders hand over. */
export function setProtectedMode(processor: Processor, start: ProtectedModeState): void {
  const { state } = processor;
  clearRegisters(processor);
  setFlatSegments(processor, start.codeSelector, CODE_TYPE | SEG.DB, start.dataSelector);
  state.set('gpr', start.eax ?? 0, 0);
  state.set('gpr', start.ebx ?? 0, 3);
  state.set('gpr', start.esi ?? 0, RSI);
  state.set('gpr', start.esp ?? 0, RSP);
  state.set('gdtrBase', start.gdtBase ?? 0);
  state.set('gdtrLimit', start.gdtLimit ?? 0xffff);
  state.set('cr0', CR0_PE | CR0_ET);
  state.set('cr3', 0);
  state.set('cr4', 0);
  state.set('efer', 0);
  state.set('rip', start.eip);
  processor.stateChanged();
}

/** The 64-bit entry of the Linux boot protocol. Linux: Documentation/arch/x86/boot.rst. */
export function setLongMode(processor: Processor, start: LongModeState): void {
  const { state } = processor;
  clearRegisters(processor);
  setFlatSegments(processor, start.codeSelector, CODE_TYPE | SEG.L, start.dataSelector);
  state.set('gpr', start.rsi, RSI);
  state.set('gpr', start.rsp, RSP);
  state.set('gdtrBase', start.gdtBase);
  state.set('gdtrLimit', start.gdtLimit);
  state.set('cr0', CR0_PG + CR0_PE + CR0_ET);
  state.set('cr3', start.cr3);
  state.set('cr4', CR4_PAE);
  state.set('efer', EFER_LME | EFER_LMA);
  state.set('rip', start.rip);
  processor.stateChanged();
}
