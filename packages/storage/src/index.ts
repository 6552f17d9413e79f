export type { DiskImage, FailureStatus } from './image.ts';
