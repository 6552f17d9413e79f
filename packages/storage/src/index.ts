export { createImage, type NewImage, type Work } from './create-image.ts';
export { StorageError, type StorageErrorCode } from './errors.ts';
export type { DiskImage, Extent } from './image.ts';
export { ImageBackend, type ImageBackendOptions } from './image-backend.ts';
export { DISK_FORMATS, type DiskFormat, type OpenImageOptions, openImage } from './open-image.ts';
