// Entry of the runtime: everything that JavaScript or generated code calls.

export * from './arithmetic';
export * from './fpu/index';
export { raise, raiseNoError } from './fault';
export { computeFlags, condition, readArithmeticFlags, readFlags, writeArithmeticFlags, writeFlags } from './flags';
export {
  noteHostWrite,
  notePageReplaced,
  physicalRead,
  physicalWrite,
  probeWrite,
  read16,
  read32,
  read64,
  read8,
  slowRead,
  slowRead16,
  slowWrite,
  slowWrite16,
  sysRead32,
  sysRead64,
  translatedWrite,
  translatedWrite16,
  write16,
  write32,
  write64,
  write8,
} from './memory';
export {
  clearJumpCache,
  fetchHost,
  flushAll,
  forgetBlocks,
  forgetFunctions,
  invalidateLinear,
  probeFetch,
  protectPage,
  resetPaging,
  selectTables,
  switchSpace,
  translate,
  translatedPhysical,
} from './paging';
export { hotBlock, interpretOne, isMisfit, missHost, needsAttention, run, takeBail } from './run';
export { stringCompare, stringLoad, stringMove, stringScan, stringStore } from './strings';
export * from './sse/index';
export * from './system/index';
