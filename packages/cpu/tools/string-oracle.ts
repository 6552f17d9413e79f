/** PCMPxSTRx on arrays, as [SDM] vol. 2B §4.1 tells it. */

/** IntRes2 as a number, with the flags CF ZF SF OF at their EFLAGS places. */
export interface StringResult {
  readonly mask: number;
  readonly flags: number;
  readonly index: number;
}

/** Compares strings of elements; a length of -1 means up to the first zero. */
export function compareStrings(
  a: readonly number[],
  b: readonly number[],
  control: number,
  lengths: readonly [number, number],
): StringResult {
  const count = a.length;
  const lengthOf = (text: readonly number[], given: number) => {
    if (given >= 0) return Math.min(given, count);
    const end = text.indexOf(0);
    return end < 0 ? count : end;
  };
  const lengthA = lengthOf(a, lengths[0]);
  const lengthB = lengthOf(b, lengths[1]);
  const needle = a.slice(0, lengthA);
  const kind = (control >> 2) & 3;
  const holds = (place: number): boolean => {
    const value = b[place] ?? 0;
    const valid = place < lengthB;
    switch (kind) {
      case 0:
        return valid && needle.includes(value);
      case 1:
        return (
          valid &&
          needle.some(
            (low, i) =>
              i % 2 === 0 && i + 1 < lengthA && low <= value && value <= (needle[i + 1] ?? 0),
          )
        );
      case 2:
        return valid && place < lengthA ? needle[place] === value : valid === place < lengthA;
      default:
        return needle.every(
          (element, i) => place + i >= count || (place + i < lengthB && element === b[place + i]),
        );
    }
  };
  const bits = Array.from({ length: count }, (_, place) => {
    const result = holds(place);
    if ((control & 0x30) === 0x10) return !result;
    if ((control & 0x30) === 0x30) return place < lengthB ? !result : result;
    return result;
  });
  const mask = bits.reduce((sum, bit, place) => sum | (bit ? 1 << place : 0), 0);
  const edge = control & 0x40 ? bits.lastIndexOf(true) : bits.indexOf(true);
  const flags =
    (mask ? 1 : 0) |
    (lengthB < count ? 0x40 : 0) |
    (lengthA < count ? 0x80 : 0) |
    (mask & 1 ? 0x800 : 0);
  return { mask, flags, index: edge < 0 ? count : edge };
}
