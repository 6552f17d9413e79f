import { insn, type Traits, table } from '../define.ts';

/** These write or read areas of memory through the runtime. */
const AREA: Traits = { endsBlock: true, usesFlags: true, x87: true };
const X87: Traits = { x87: true };
/** They look at CR0.TS themselves. */
const EXTENDED: Traits = { endsBlock: true, usesFlags: true };

/** Exception flags, SF, ES and B of the status word: what FNCLEX clears. */
const CLEARED = 0x80ff;

const area = (name: string, call: string, write: boolean, registers: number) =>
  insn(name, AREA, (s, [place]) => {
    const size = s.size === 16 ? 16 : 32;
    const bytes = (size === 16 ? 14 : 28) + registers * 10;
    s.system(call, [s.linear(place, bytes, write), s.int(size)]);
  });

/** FXSAVE and XSAVE and their counterparts; with REX.W pointers are 64-bit offsets. */
const extended = (name: string, traits: Traits, bytes: number, write: boolean) =>
  insn(name, traits, (s, [place]) => {
    const call = name === 'xsaveopt' ? 'xsave' : name;
    s.system(call, [s.linear(place, bytes, write), s.int(s.size === 64 ? 1 : 0)]);
  });

const FNINIT = insn('fninit', X87, (s) => {
  s.call('x87Initialize', []);
});
const FNCLEX = insn('fnclex', X87, (s) => {
  s.writeState('fpuStatus', s.and(s.readState('fpuStatus'), s.int(~CLEARED)));
});
const FNSTCW = insn('fnstcw', X87, (s, [place]) => {
  s.write(place, s.truncate(s.readState('fpuControl'), 16));
});
const FLDCW = insn('fldcw', X87, (s, [place]) => {
  s.callFaulting('x87LoadControl', [s.zeroExtend(s.read(place), 32)]);
});
const FNSTSW = insn('fnstsw', X87, (s, [place]) => {
  s.write(place, s.truncate(s.readState('fpuStatus'), 16));
});
const FWAIT = insn('fwait', {}, (s) => {
  s.callFaulting('x87Wait', []);
});
/** FNENI, FNDISI of the 8087 and FNSETPM of the 80287. [SDM] vol. 3B §23.18.9. */
const LEGACY = insn('fnop', X87, () => {});
const EMMS = insn('emms', { mmx: true }, (s) => {
  s.callFaulting('x87EmptyMmx', []);
});
const LDMXCSR = insn('ldmxcsr', { sse: true }, (s, [place]) => {
  s.callFaulting('loadMxcsr', [s.read(place)]);
});
const STMXCSR = insn('stmxcsr', { sse: true }, (s, [place]) => {
  s.write(place, s.readState('mxcsr'));
});

/** The x87 environment, and the areas that hold it with the registers and those of SSE. */
export const x87State = table({
  '9B': [FWAIT, ''],
  'D9 /4m': [area('fldenv', 'x87LoadEnvironment', false, 0), 'M'],
  'D9 /5m': [FLDCW, 'Mw'],
  'D9 /6m': [area('fnstenv', 'x87StoreEnvironment', true, 0), 'M'],
  'D9 /7m': [FNSTCW, 'Mw'],
  'DB =E0': [LEGACY, ''],
  'DB =E1': [LEGACY, ''],
  'DB =E2': [FNCLEX, ''],
  'DB =E3': [FNINIT, ''],
  'DB =E4': [LEGACY, ''],
  'DD /4m': [area('frstor', 'x87Restore', false, 8), 'M'],
  'DD /6m': [area('fnsave', 'x87Save', true, 8), 'M'],
  'DD /7m': [FNSTSW, 'Mw'],
  'DF =E0': [FNSTSW, 'AX'],
  '0F 77': [EMMS, ''],
  'NP 0F AE /0m': [extended('fxsave', AREA, 512, true), 'M'],
  'NP 0F AE /1m': [extended('fxrstor', AREA, 512, false), 'M'],
  'NP 0F AE /2m': [LDMXCSR, 'Md'],
  'NP 0F AE /3m': [STMXCSR, 'Md'],
  'NP 0F AE /4m': [extended('xsave', EXTENDED, 576, true), 'M'],
  'NP 0F AE /5m': [extended('xrstor', EXTENDED, 576, false), 'M'],
  'NP 0F AE /6m': [extended('xsaveopt', EXTENDED, 576, true), 'M'],
});
