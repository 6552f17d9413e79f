export { x87Check, x87EmptyMmx, x87Initialize, x87LoadControl, x87Wait } from './environment';
export { fxrstor, fxsave, loadMxcsr, xrstor, xsave } from './extended-save';
export {
  x87Arithmetic,
  x87ArithmeticMemory,
  x87Compare,
  x87CompareFlags,
  x87CompareMemory,
  x87Examine,
  x87Exchange,
  x87Extract,
  x87Free,
  x87Load,
  x87LoadConstant,
  x87LoadDecimal,
  x87LoadExtended,
  x87LoadRegister,
  x87Move,
  x87Remainder,
  x87Rotate,
  x87Scale,
  x87Sign,
  x87StoreRegister,
  x87Test,
  x87Unary,
} from './instructions';
export { x87LoadEnvironment, x87Restore, x87Save, x87StoreEnvironment } from './save';
export { x87StoreDecimal, x87StoreExtended, x87StoreFloat, x87StoreInteger } from './store';
export {
  x87SineCosine,
  x87Tangent,
  x87Transcendental,
  x87Transcendental2,
} from './transcendental';
