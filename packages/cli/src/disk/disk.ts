import { StorageError } from '@umbra/storage';
import { helpLines, parseOptions, usage } from '../option-table.ts';
import {
  DISK_COMMANDS,
  type DiskCommand,
  type DiskOptions,
  type Outcome,
} from './disk-commands.ts';
import { Progress } from './progress.ts';

const STATUS = { OK: 0, USAGE: 2 } as const;
/** Signals that give a command up, by the number that makes the exit status. */
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

const COMMON_OPTIONS = {
  json: { help: 'print what came of it as JSON' },
  help: { help: 'this help' },
} as const;

/** `umbra disk COMMAND`: works on disk images; resolves to the exit status. Throws UmbraError. */
export async function disk(args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args;
  if (['help', '--help', '-h'].includes(name)) {
    process.stdout.write(overview());
    return args.length === 0 ? STATUS.USAGE : STATUS.OK;
  }
  const command = Object.hasOwn(DISK_COMMANDS, name) ? DISK_COMMANDS[name] : undefined;
  if (command === undefined) {
    const known = Object.keys(DISK_COMMANDS).join(', ');
    throw usage(`Unknown command "disk ${name}", expected ${known}`);
  }
  const table = { ...command.options, ...COMMON_OPTIONS };
  const parsed = parseOptions(table, rest, command.operands);
  const { operands } = parsed;
  // The command's own rows made the rest of these.
  const options: typeof parsed.options & DiskOptions = parsed.options;
  if (options.help === true) {
    process.stdout.write(commandHelp(name, command));
    return STATUS.OK;
  }
  try {
    const outcome = await runWatched((work) => command.run({ operands, options, work }));
    const isJson = options.json === true;
    process.stdout.write(isJson ? `${JSON.stringify(outcome.json, null, 2)}\n` : outcome.text);
    return outcome.status;
  } catch (error) {
    if (options.json === true && error instanceof StorageError) {
      const { code, message, context } = error;
      process.stdout.write(`${JSON.stringify({ error: { code, message, context } }, null, 2)}\n`);
    }
    throw error;
  }
}

/** Runs work with progress on stderr; a signal gives it up. */
async function runWatched(
  run: (work: { onProgress: Progress['onProgress']; signal: AbortSignal }) => Promise<Outcome>,
): Promise<Outcome> {
  const { stderr } = process;
  const output = { isTTY: stderr.isTTY, write: (text: string) => void stderr.write(text) };
  const progress = new Progress(output, () => performance.now());
  const controller = new AbortController();
  let status: number | undefined;
  const listeners = Object.entries(SIGNALS).map(([signal, number]) => {
    const listener = (): void => {
      status = 128 + number;
      controller.abort();
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  try {
    return await run({ onProgress: progress.onProgress, signal: controller.signal });
  } catch (error) {
    if (status === undefined || !(error instanceof StorageError) || error.code !== 'CANCELLED') {
      throw error;
    }
    return { text: '', json: { error: { code: error.code, message: error.message } }, status };
  } finally {
    progress.end();
    for (const stop of listeners) stop();
  }
}

function overview(): string {
  const rows = Object.entries(DISK_COMMANDS).map(
    ([name, { operands, help }]) => `  ${`${name} ${operands.join(' ')}`.padEnd(24)}${help}`,
  );
  return [
    'umbra disk COMMAND [OPTION...]  works on disk images',
    '',
    ...rows,
    '',
    'Every command has --help and --json. Ctrl-C gives a command up without damage.',
    'Status: 0 done; 1 damage or a difference was found; 2 it could not be done.',
    '',
  ].join('\n');
}

function commandHelp(name: string, { operands, help, options }: DiskCommand): string {
  const lines = helpLines({ ...options, ...COMMON_OPTIONS });
  return `umbra disk ${name} ${operands.join(' ')} [OPTION...]  ${help}\n\n${lines.join('\n')}\n`;
}
