/** The host's end of a character device (serial line, debug console). */
export interface CharBackend {
  /** A byte from the guest. Never blocks; a full sink drops and counts. */
  write(byte: number): void;
}

/** One picture of the guest's display, as 32-bit pixels 0x00RRGGBB in rows. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array;
}

/** Takes the guest's display. */
export interface FrameSink {
  /** The mode changed: pictures will have this size from now on. */
  resize(width: number, height: number): void;
  /** Something of the picture may have changed. */
  invalidate(): void;
}
