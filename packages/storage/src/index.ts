export { type CheckOptions, checkImage } from './check-image.ts';
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
export {
  describeImage,
  type ImageFacts,
  type ParentFacts,
  type VhdFacts,
} from './describe-image.ts';
export { StorageError, type StorageErrorCode } from './errors.ts';
export { CACHE_MODES, type CacheMode } from './file/node-file.ts';
export type { DiskImage, Extent } from './image.ts';
export { ImageBackend, type ImageBackendOptions } from './image-backend.ts';
export { mergeImage } from './merge-image.ts';
export {
  DISK_FORMATS,
  type DiskFormat,
  IMPORT_FORMATS,
  type ImportFormat,
  type OpenImageOptions,
  openForImport,
  openImage,
} from './open-image.ts';
export { resizeImage } from './resize-image.ts';
export type { Finding } from './vhd/check-vhd.ts';
export type { Work } from './work.ts';
