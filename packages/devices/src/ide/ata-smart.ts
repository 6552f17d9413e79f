/** Attributes that every disk of ours reports, all as good as new. */
const ATTRIBUTES = [
  { id: 5, threshold: 36, isPrefailure: true }, // Reallocated sectors.
  { id: 197, threshold: 0, isPrefailure: false }, // Pending sectors.
  { id: 198, threshold: 0, isPrefailure: false }, // Uncorrectable sectors.
] as const;
const ENTRY_BYTES = 12;
const FLAGS = { PREFAILURE: 1 << 0, ONLINE: 1 << 1 } as const;
const BEST_VALUE = 100;
const STRUCTURE_VERSION = 0x10;

/** SMART READ DATA: attribute values. [ATA-3] §7.34, the layout that later editions leave out. */
export function smartData(): Uint8Array {
  const bytes = new Uint8Array(512);
  bytes[0] = STRUCTURE_VERSION;
  ATTRIBUTES.forEach(({ id, isPrefailure }, index) => {
    const at = 2 + ENTRY_BYTES * index;
    bytes[at] = id;
    bytes[at + 1] = FLAGS.ONLINE | (isPrefailure ? FLAGS.PREFAILURE : 0);
    bytes[at + 3] = BEST_VALUE;
    bytes[at + 4] = BEST_VALUE;
  });
  return sealed(bytes);
}

/** SMART READ THRESHOLDS. */
export function smartThresholds(): Uint8Array {
  const bytes = new Uint8Array(512);
  bytes[0] = STRUCTURE_VERSION;
  ATTRIBUTES.forEach(({ id, threshold }, index) => {
    bytes[2 + ENTRY_BYTES * index] = id;
    bytes[3 + ENTRY_BYTES * index] = threshold;
  });
  return sealed(bytes);
}

/** The last byte makes the sum of all zero. */
function sealed(bytes: Uint8Array): Uint8Array {
  bytes[511] = -bytes.reduce((sum, value) => sum + value, 0) & 0xff;
  return bytes;
}
