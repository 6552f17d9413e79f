import { spawn } from 'node:child_process';

interface CommandResult {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a program to its end and collects its output; status 127 when it does not exist. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; input?: Uint8Array } = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin?.end(options.input);
    child.on('error', (error) => {
      resolve({ status: 127, stdout: Buffer.alloc(0), stderr: error.message });
    });
    child.on('close', (code) => {
      const text = Buffer.concat(stderr).toString();
      resolve({ status: code ?? 1, stdout: Buffer.concat(stdout), stderr: text });
    });
  });
}
