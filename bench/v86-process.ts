// v86 in a process of its own: `v86-process.ts BIOS VGABIOS KERNEL INITRD COMMANDLINE MEBIBYTES`
// boots a kernel with its console on standard output.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';

const [bios, vgaBios, kernel, initrd, commandLine, mebibytes] = process.argv.slice(2);

const file = (path = ''): { buffer: ArrayBuffer } => {
  return { buffer: new Uint8Array(readFileSync(path)).buffer };
};

const machine = new V86({
  wasm_path: fileURLToPath(import.meta.resolve('v86/build/v86.wasm')),
  bios: file(bios),
  vga_bios: file(vgaBios),
  bzimage: file(kernel),
  initrd: file(initrd),
  cmdline: commandLine ?? '',
  memory_size: Number(mebibytes) * 1024 * 1024,
  vga_memory_size: 8 * 1024 * 1024,
  autostart: true,
});
machine.add_listener('serial0-output-byte', (byte: number) => {
  process.stdout.write(Uint8Array.of(byte));
});
