// The virtual machines that are compared, each as a process whose standard output is the guest's
// serial console.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UmbraError } from '@umbra/base';
import type { Bits } from './assembler.ts';

const MEMORY_MIB = 512;
const UMBRA = fileURLToPath(new URL('../packages/cli/src/main.ts', import.meta.url));
const V86 = fileURLToPath(new URL('v86-process.ts', import.meta.url));

/** What to boot. */
export interface Guest {
  readonly bits: Bits;
  readonly kernel: string;
  readonly initrd: string;
  readonly firmwareFolder: string;
}

/** An engine: its name in reports, and the command that boots a guest. */
export interface Engine {
  readonly name: string;
  command(guest: Guest): readonly string[];
}

const COMMAND_LINE = 'console=ttyS0 quiet';

/** Umbra with one of its ways to reach guest memory. */
export function umbraEngine(mmu: string): Engine {
  return {
    name: mmu === 'shadow' ? 'umbra' : `umbra ${mmu}`,
    command: ({ kernel, initrd }) => [
      ...[process.execPath, UMBRA, 'run', '--kernel', kernel, '--initrd', initrd],
      ...['--append', COMMAND_LINE, '--memory', `${MEMORY_MIB}`, '--mmu', mmu],
    ],
  };
}

export const QEMU: Engine = {
  name: 'qemu',
  command: ({ bits, kernel, initrd }) => [
    ...[`qemu-system-${bits === 32 ? 'i386' : 'x86_64'}`, '-accel', 'tcg', '-m', `${MEMORY_MIB}`],
    ...['-display', 'none', '-serial', 'stdio', '-no-reboot', '-kernel', kernel],
    ...['-initrd', initrd, '-append', COMMAND_LINE],
  ],
};

export const V86_ENGINE: Engine = {
  name: 'v86',
  command: ({ kernel, initrd, firmwareFolder }) => [
    ...[process.execPath, V86, join(firmwareFolder, 'bios-256k.bin')],
    ...[join(firmwareFolder, 'vgabios-stdvga.bin'), kernel, initrd, COMMAND_LINE, `${MEMORY_MIB}`],
  ],
};

/** An engine at work. */
export class EngineProcess {
  readonly #child: ChildProcess;
  readonly #engine: Engine;
  readonly #closed: Promise<void>;
  readonly startedMs = performance.now();
  #output = '';
  #errors = '';
  #onChange: () => void = () => undefined;

  constructor(engine: Engine, guest: Guest) {
    const [file = '', ...args] = engine.command(guest);
    this.#engine = engine;
    // Standard input stays open: its end would end some of the machines.
    this.#child = spawn(file, args, { stdio: 'pipe' });
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString('latin1');
      this.#onChange();
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-4000);
    });
    this.#closed = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#errors += error.message;
        resolve();
      });
      this.#child.on('close', () => resolve());
    });
    void this.#closed.then(() => this.#onChange());
  }

  get output(): string {
    return this.#output;
  }

  /** Waits for `pattern` on the console; the host's milliseconds since the start. */
  async expect(pattern: RegExp, timeoutMs: number): Promise<number> {
    const deadline = AbortSignal.timeout(timeoutMs);
    const isOver = { value: false };
    void this.#closed.then(() => {
      isOver.value = true;
    });
    for (;;) {
      if (pattern.test(this.#output)) return performance.now() - this.startedMs;
      if (deadline.aborted || isOver.value) throw this.#failure(pattern, timeoutMs);
      await new Promise<void>((resolve) => {
        this.#onChange = resolve;
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  /** Seconds of processor time that the process has used so far; [LINUX] proc(5). */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const TICKS_PER_SECOND = 100;
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  async dispose(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }

  #failure(pattern: RegExp, timeoutMs: number): UmbraError {
    const tail = `${this.#output.slice(-500)}${this.#errors}`;
    const name = this.#engine.name;
    return new UmbraError('BENCH', `No ${pattern} from ${name} within ${timeoutMs} ms: ${tail}`);
  }
}
