// The host's end of a serial port: terminal, file or socket.

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { UmbraError } from '@umbra/base';

/** Takes what a guest sends, and gives what it shall receive. */
export interface HostLine {
  /** Bytes from the guest; resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Calls `onBytes` with what arrives; awaits it before it gives more. */
  listen(onBytes: (bytes: Uint8Array) => Promise<void>): void;
  /** Writes out what is left, and lets go of the host's resources. */
  close(): Promise<void>;
}

/** A line to streams of this process, such as stdin and stdout, which stay open. */
export function streamLine(input: Readable | undefined, output: Writable): HostLine {
  let isOpen = true;
  // Whoever reads our output may go away early; then the guest talks to nobody.
  output.once('error', () => {
    isOpen = false;
  });
  return {
    write: async (bytes) => {
      if (!isOpen || output.write(bytes)) return;
      await Promise.race([once(output, 'drain'), once(output, 'close')]);
    },
    listen: (onBytes) => {
      if (input !== undefined) pump(input, onBytes);
    },
    close: async () => {
      input?.pause();
      if (isOpen) await new Promise<void>((resolve) => void output.write('', () => resolve()));
    },
  };
}

/** A line whose output goes to a file. */
export async function fileLine(path: string): Promise<HostLine> {
  const stream = createWriteStream(path);
  try {
    await once(stream, 'open');
  } catch (error) {
    throw new UmbraError(
      'SERIAL_FILE',
      `The serial file ${path} cannot be written`,
      { path },
      error,
    );
  }
  return {
    ...streamLine(undefined, stream),
    close: () => new Promise((resolve) => void stream.end(() => resolve())),
  };
}

/**
 * A line to whoever connects to a local socket, one at a time. What the guest sends while nobody
 * is connected is lost, as on a real line.
 */
export async function socketLine(path: string): Promise<HostLine> {
  let peer: Socket | undefined;
  let onBytes: ((bytes: Uint8Array) => Promise<void>) | undefined;
  const server: Server = createServer((socket) => {
    peer?.destroy();
    peer = socket;
    const leave = (): void => {
      if (peer === socket) peer = undefined;
    };
    socket.on('close', leave).on('error', leave);
    if (onBytes !== undefined) pump(socket, onBytes);
  });
  server.listen(path);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new UmbraError(
      'SERIAL_SOCKET',
      `The serial socket ${path} cannot be opened`,
      { path },
      error,
    );
  }
  return {
    write: async (bytes) => {
      const socket = peer;
      if (socket === undefined || socket.write(bytes)) return;
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    },
    listen: (callback) => {
      onBytes = callback;
    },
    close: async () => {
      peer?.end();
      server.close();
    },
  };
}

function pump(input: Readable, onBytes: (bytes: Uint8Array) => Promise<void>): void {
  input.on('data', (chunk: Uint8Array) => {
    input.pause();
    void onBytes(chunk).then(() => input.resume());
  });
}
