import { UmbraError } from '@umbra/base';
import { disk } from './disk/disk.ts';
import { run } from './run.ts';

const STATUS = { OK: 0, USAGE: 2, INTERNAL: 70 } as const;

const HELP = `umbra COMMAND [OPTION...]

  run     runs one machine in the foreground (umbra run --help)
  disk    makes, examines and changes disk images (umbra disk help)
  help    this help
`;

/** The `umbra` command with its arguments; resolves to the exit status, never rejects. */
export async function umbra(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    return report(error);
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case 'run':
      return await run(rest);
    case 'disk':
      return await disk(rest);
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(HELP);
      return command === undefined ? STATUS.USAGE : STATUS.OK;
    default:
      throw new UmbraError('USAGE', `Unknown command "${command}", expected run, disk or help`);
  }
}

/** One sentence for what is wrong outside; errors of the program itself show more when asked. */
function report(error: unknown): number {
  if (error instanceof UmbraError) {
    const code = error.code === 'USAGE' ? '' : ` [${error.code}]`;
    process.stderr.write(`umbra: ${error.message}${code}\n`);
    return STATUS.USAGE;
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const detail = process.env['UMBRA_DEBUG'] === undefined ? message : (stack ?? message);
  process.stderr.write(`umbra: internal error (UMBRA_DEBUG=1 shows more): ${detail}\n`);
  return STATUS.INTERNAL;
}
