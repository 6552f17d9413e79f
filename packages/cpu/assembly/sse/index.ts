export * from './compare';
export { compareExplicit, compareImplicit, stringIndex, stringMask } from './compare-strings';
export * from './convert';
export { checkMmx, enterMmx, maskedStore, writeMmx } from './mmx';
export * from './packed';
export {
  alignRight,
  blendpd,
  blendps,
  extractLane,
  insertLane,
  insertps,
  mpsadbw,
  pblendw,
  phminposuw,
  pshufd,
  pshufhw,
  pshuflw,
  shiftBytesLeft,
  shiftBytesRight,
  shufpd,
  shufps,
} from './shuffle';
