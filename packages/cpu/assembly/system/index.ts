export { initProcessor, resetProcessor } from './reset';
export { updateMode, updateModeKey, updatePrivilege } from './mode';
export {
  checkUmip,
  lar,
  linearAddress,
  lldt,
  loadSegmentRegister,
  lsl,
  ltr,
  requireProtected,
  setGdtr,
  setIdtr,
  sldt,
  str,
  verr,
  verw,
} from './segmentation';
export { farCall, farJump } from './far-transfer';
export { farReturn, interruptReturn } from './far-return';
export { syscallInstruction, sysenter, sysexit, sysretInstruction } from './fast-calls';
export { clts, lmsw, readCr, writeCr, xgetbv, xsetbv } from './control-registers';
export {
  beginSingleStep,
  checkDataBreakpoints,
  checkInstructionBreakpoint,
  noteSingleStep,
  readDr,
  writeDr,
} from './debug';
export { rdmsr, rdpmc, rdtsc, rdtscp, wrmsr } from './msr';
export { clac, cli, popFlags, pushFlags, stac, sti } from './flags-instructions';
export { insString, outsString, portIn, portOut } from './io';
export {
  cacheInstruction,
  cpuidInstruction,
  hlt,
  invlpg,
  invpcid,
  monitor,
  mwait,
  readSegmentBase,
  swapgs,
  writeSegmentBase,
} from './processor-control';
export { enter, popAll, pushAll } from './stack-instructions';
export {
  deliverDebug,
  deliverFault,
  deliverInterrupt,
  deliverNmi,
  int1,
  int3,
  into,
  softwareInterrupt,
} from './interrupts';
