/** Local indices of a region's function: the parameter; registers follow, then the region's own. */
export const LOCAL = {
  /** How many regions wait for this one's return. */
  CALL_DEPTH: 0,
  GPR: 1,
  FLAG_OP: 17,
  FLAG_A: 18,
  FLAG_B: 19,
  /** RIP of the entry: the region may be mapped anywhere. */
  RIP: 20,
  READ_TABLE: 21,
  WRITE_TABLE: 22,
  /** Offset from the entry of the instruction that an exit leaves at. */
  DELTA: 23,
  STATUS: 24,
  TARGET: 25,
  ENTRY: 26,
  /** The jump key that the region runs under. */
  KEY: 27,
  /** Registers that the shared exit stores. */
  MASK: 28,
  COUNT: 29,
} as const;
