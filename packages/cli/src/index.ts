export { umbra } from './umbra.ts';
