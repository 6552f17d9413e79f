export { x87Check, x87EmptyMmx, x87Initialize, x87LoadControl, x87Wait } from './environment';
export { x87LoadEnvironment, x87Restore, x87Save, x87StoreEnvironment } from './save';
export { fxrstor, fxsave, loadMxcsr, xrstor, xsave } from './extended-save';
