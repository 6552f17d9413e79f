import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { UmbraError } from '@umbra/base';
import {
  type BootPlan,
  checkCpuModel,
  checkRamBytes,
  ENGINES,
  type MachineSpec,
  MMU_MODES,
  type MultibootModule,
  parseBios,
  parseBzImage,
  parseMultiboot,
  SERIAL_PORTS_MAX,
} from '@umbra/machine';
import { type DrivePlan, parseBootOrder, planDrives } from './drive-options.ts';
import { parseChoice, usage } from './option-table.ts';
import { parseMemorySize, type RunOptions } from './options.ts';

const DEFAULT_MEMORY = '512';
const FILE_BYTES_MAX = 2 ** 31 - 1;

/** Where bytes of a guest's line go. */
export type LineTarget =
  | { readonly kind: 'stdio' }
  | { readonly kind: 'none' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'socket'; readonly path: string };

/** What `umbra run` is to run. */
export interface RunPlan {
  /** Without the drives, whose images are yet to be opened. */
  readonly spec: Omit<MachineSpec, 'drives'>;
  readonly drives: readonly DrivePlan[];
  readonly serial: readonly LineTarget[];
  readonly debugConsole: LineTarget | undefined;
}

/** Reads all files that the options name and checks them; throws UmbraError. */
export function planRun(options: RunOptions): RunPlan {
  const serial = (options.serial ?? ['stdio']).map((text) => parseLine('serial', text));
  const console = options['debug-console'];
  const debugConsole = console === undefined ? undefined : parseLine('debug-console', console);
  const targets = [...serial, ...(debugConsole === undefined ? [] : [debugConsole])];
  if (serial.length > SERIAL_PORTS_MAX) {
    throw usage(
      `Option --serial is given ${serial.length} times, expected at most ${SERIAL_PORTS_MAX}`,
    );
  }
  if (targets.filter(({ kind }) => kind === 'stdio').length > 1) {
    throw usage('Only one line can be stdio');
  }
  const vgaBios = options['vga-bios'];
  const ramBytes = checkRamBytes(parseMemorySize(options.memory ?? DEFAULT_MEMORY));
  return {
    serial,
    debugConsole,
    drives: planDrives(options),
    spec: {
      ramBytes,
      engine: parseChoice('engine', options.engine, ENGINES, 'translator'),
      cpu: options.cpu === undefined ? undefined : checkCpuModel(options.cpu),
      mmu: parseChoice('mmu', options.mmu, MMU_MODES, 'shadow'),
      plan: planBoot(options),
      vgaRom: vgaBios === undefined ? undefined : readInput(vgaBios),
      hasDebugExit: options['debug-exit'] === true || options['test-device'] === true,
      hasTestDevice: options['test-device'] === true,
      bootOrder: parseBootOrder(options.boot),
    },
  };
}

function planBoot(options: RunOptions): BootPlan {
  const ways = (['kernel', 'multiboot', 'bios'] as const).filter(
    (way) => options[way] !== undefined,
  );
  if (ways.length !== 1) {
    const found = ways.length === 0 ? 'none' : ways.map((way) => `--${way}`).join(' and ');
    throw usage(`Expected one of --kernel, --multiboot and --bios, found ${found}`);
  }
  if (options.initrd !== undefined && options.kernel === undefined) {
    throw usage('Option --initrd goes with --kernel only');
  }
  if (options.module !== undefined && options.multiboot === undefined) {
    throw usage('Option --module goes with --multiboot only');
  }
  if (options.append !== undefined && options.bios !== undefined) {
    throw usage('Option --append goes with --kernel and --multiboot only');
  }
  const commandLine = options.append ?? '';
  if (options.kernel !== undefined) {
    return {
      kind: 'linux',
      kernel: parseBzImage(readInput(options.kernel), options.kernel),
      initrd: options.initrd === undefined ? undefined : readInput(options.initrd),
      commandLine,
    };
  }
  if (options.multiboot !== undefined) {
    return {
      kind: 'multiboot',
      kernel: parseMultiboot(readInput(options.multiboot), options.multiboot),
      modules: (options.module ?? []).map(readModule),
      commandLine: `${basename(options.multiboot)} ${commandLine}`.trimEnd(),
    };
  }
  const bios = options.bios ?? '';
  return { kind: 'firmware', bios: parseBios(readInput(bios), bios) };
}

function readModule(path: string): MultibootModule {
  return { commandLine: basename(path), bytes: readInput(path) };
}

function readInput(path: string): Uint8Array {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > FILE_BYTES_MAX) throw new RangeError('it is larger than 2 GiB');
    return bytes;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : (code ?? message);
    throw new UmbraError('FILE', `The file ${path} cannot be read: ${reason}`, { path }, error);
  }
}

function parseLine(option: string, text: string): LineTarget {
  if (text === 'stdio' || text === 'none') return { kind: text };
  const [, kind, path] = /^(file|socket):(.+)$/.exec(text) ?? [];
  if ((kind === 'file' || kind === 'socket') && path !== undefined) return { kind, path };
  throw usage(`Option --${option} is "${text}", expected stdio, none, file:PATH or socket:PATH`);
}
