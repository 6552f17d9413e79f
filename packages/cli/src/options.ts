import { MiB } from '@umbra/base';
import { helpLines, type OptionRow, type Options, parseOptions, usage } from './option-table.ts';

/** The options of `umbra run`. */
export const RUN_OPTIONS = {
  kernel: { value: 'FILE', help: 'boot this Linux kernel (bzImage) directly' },
  initrd: { value: 'FILE', help: 'initial root file system for --kernel' },
  append: { value: 'TEXT', help: 'command line for --kernel or --multiboot' },
  multiboot: { value: 'FILE', help: 'boot this multiboot kernel directly' },
  module: { value: 'FILE', repeatable: true, help: 'module for --multiboot' },
  bios: { value: 'FILE', help: 'boot through this firmware, such as bios-256k.bin of SeaBIOS' },
  'vga-bios': { value: 'FILE', help: 'option ROM of the display card' },
  disk: {
    value: 'DISK',
    repeatable: true,
    help: 'hard disk: FILE[,bus=ide|virtio|virtio-scsi][,format=vhd|raw][,cache=host|direct][,readonly]',
  },
  cdrom: { value: 'FILE', repeatable: true, help: 'CD or DVD: FILE[,bus=ide|virtio-scsi]' },
  floppy: { value: 'FILE', repeatable: true, help: 'diskette (A, then B): FILE[,readonly]' },
  boot: { value: 'ORDER', help: 'what --bios tries first: disk,cdrom,floppy (default)' },
  memory: { value: 'SIZE', help: 'memory in MiB, or with K, M or G (default 512)' },
  cpu: {
    value: 'MODEL',
    help: 'x86-64-v2 (default), x86-64 or i686; then ,-FEATURE to leave features out',
  },
  engine: { value: 'NAME', help: 'interpreter, translator (default) or forced (translate all)' },
  mmu: { value: 'NAME', help: 'shadow (default) or two-stage' },
  serial: {
    value: 'LINE',
    repeatable: true,
    help: 'stdio, file:PATH, socket:PATH or none; first COM1 (default stdio), then COM2',
  },
  'debug-console': { value: 'LINE', help: 'where bytes written to port 0x402 go, as for --serial' },
  'debug-exit': { help: 'a guest that writes N to port 0xf4 ends with status 2N+1' },
  'test-device': { help: 'the device of kvm-unit-tests' },
  stats: { help: "print the processor's counters at the end" },
  help: { help: 'this help' },
} as const satisfies Record<string, OptionRow>;

export type RunOptions = Options<typeof RUN_OPTIONS>;

/** Parses the arguments of `umbra run`; throws UmbraError USAGE. */
export function parseRunOptions(args: readonly string[]): RunOptions {
  return parseOptions(RUN_OPTIONS, args, []).options;
}

/** One line per option. */
export function runHelp(): string {
  return [
    'umbra run [OPTION...]  runs one machine in the foreground',
    '',
    ...helpLines(RUN_OPTIONS),
    '',
    'In a terminal, Ctrl-A h shows the keys that do not go to the guest.',
    'Status: 0 the guest powered off; 2 wrong usage or input; 3 the guest cannot go on;',
    'with --debug-exit, what the guest asked for.',
    '',
  ].join('\n');
}

/** A memory size such as `512`, `64M` or `1G`, in bytes; throws UmbraError USAGE. */
export function parseMemorySize(text: string): number {
  const [, digits = '', unit = 'M'] = /^(\d{1,15})([KMG]?)$/i.exec(text) ?? [];
  if (digits === '') {
    throw usage(`Option --memory is "${text}", expected a number of MiB, or one with K, M or G`);
  }
  const factors: Record<string, number> = { K: 1024, M: MiB, G: 1024 * MiB };
  return Number(digits) * (factors[(unit || 'M').toUpperCase()] ?? MiB);
}
