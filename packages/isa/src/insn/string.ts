import { insn, table } from '../define.ts';

/**
 * String instructions run whole in the runtime, which does pages at a time where nothing can fault
 * inside, and leaves RCX, RSI and RDI precise where something does.
 */
const MOVS = (bytes: number) =>
  insn('movs', {}, (s) => {
    s.stringCall('stringMove', [
      s.segmentIndex(),
      s.int(bytes || s.size / 8),
      s.addressMask(),
      s.int(s.repeat ? 1 : 0),
    ]);
  });
const STOS = (bytes: number) =>
  insn('stos', {}, (s) => {
    s.stringCall('stringStore', [
      s.int(bytes || s.size / 8),
      s.addressMask(),
      s.int(s.repeat ? 1 : 0),
    ]);
  });
const LODS = (bytes: number) =>
  insn('lods', {}, (s) => {
    s.stringCall('stringLoad', [
      s.segmentIndex(),
      s.int(bytes || s.size / 8),
      s.addressMask(),
      s.int(s.repeat ? 1 : 0),
    ]);
  });
const SCAS = (bytes: number) =>
  insn('scas', { usesFlags: true }, (s) => {
    s.stringCall('stringScan', [s.int(bytes || s.size / 8), s.addressMask(), s.int(s.repeat)]);
  });
const CMPS = (bytes: number) =>
  insn('cmps', { usesFlags: true }, (s) => {
    s.stringCall('stringCompare', [
      s.segmentIndex(),
      s.int(bytes || s.size / 8),
      s.addressMask(),
      s.int(s.repeat),
    ]);
  });
const INS = (bytes: number) =>
  insn('ins', { endsBlock: true, usesFlags: true }, (s) => {
    s.system('insString', [
      s.int(bytes || Math.min(s.size / 8, 4)),
      s.addressMask(),
      s.int(s.repeat ? 1 : 0),
    ]);
  });
const OUTS = (bytes: number) =>
  insn('outs', { endsBlock: true, usesFlags: true }, (s) => {
    s.system('outsString', [
      s.segmentIndex(),
      s.int(bytes || Math.min(s.size / 8, 4)),
      s.addressMask(),
      s.int(s.repeat ? 1 : 0),
    ]);
  });

export const strings = table({
  '6C': [INS(1), '', 'rep'],
  '6D': [INS(0), '', 'rep'],
  '6E': [OUTS(1), '', 'rep'],
  '6F': [OUTS(0), '', 'rep'],
  A4: [MOVS(1), '', 'rep'],
  A5: [MOVS(0), '', 'rep'],
  A6: [CMPS(1), '', 'rep'],
  A7: [CMPS(0), '', 'rep'],
  AA: [STOS(1), '', 'rep'],
  AB: [STOS(0), '', 'rep'],
  AC: [LODS(1), '', 'rep'],
  AD: [LODS(0), '', 'rep'],
  AE: [SCAS(1), '', 'rep'],
  AF: [SCAS(0), '', 'rep'],
});
