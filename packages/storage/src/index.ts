export { type Compaction, compactImage } from './compact-image.ts';
export { type Comparison, compareImages } from './copy-image.ts';
export {
  convertImage,
  createChild,
  createImage,
  IMAGE_TYPES,
  type ImageType,
  type NewImage,
} from './create-image.ts';
export { StorageError, type StorageErrorCode } from './errors.ts';
export type { DiskImage, Extent } from './image.ts';
export { ImageBackend, type ImageBackendOptions } from './image-backend.ts';
export { DISK_FORMATS, type DiskFormat, type OpenImageOptions, openImage } from './open-image.ts';
export type { Work } from './work.ts';
