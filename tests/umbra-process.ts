import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../packages/cli/src/main.ts', import.meta.url));

/** How an `umbra` process ended. */
export interface UmbraEnd {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An `umbra` command in a process of its own, with pipes for a terminal. */
export class UmbraProcess {
  readonly ended: Promise<UmbraEnd>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #onOutput: () => void = () => undefined;

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [MAIN, ...args], { stdio: 'pipe' });
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString('latin1');
      this.#onOutput();
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (status) => {
        resolve({ status, stdout: this.#stdout, stderr: this.#stderr });
        this.#onOutput();
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until the output from `from` on contains `pattern`; the position behind the match. */
  async expect(pattern: RegExp, timeoutMs: number, from = 0): Promise<number> {
    const deadline = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const match = pattern.exec(this.#stdout.slice(from));
      if (match !== null) return from + match.index + match[0].length;
      if (deadline.aborted || this.#child.exitCode !== null) {
        const tail = this.#stdout.slice(-3000);
        throw new Error(`No ${pattern} within ${timeoutMs} ms in:\n${tail}\n${this.#stderr}`);
      }
      await new Promise<void>((resolve) => {
        this.#onOutput = resolve;
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  /** Ends the process whatever it does. */
  async dispose(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

/** Runs an `umbra` command to its end. */
export async function umbra(...args: readonly string[]): Promise<UmbraEnd> {
  return await new UmbraProcess(args).ended;
}
