import { UmbraError, unreachable } from '@umbra/base';
import {
  cacheFolder,
  type DiskEvents,
  fileLine,
  type HostLine,
  Machine,
  type PcEnd,
  socketLine,
} from '@umbra/machine';
import { ESCAPE_HELP, type EscapeAction } from './escape-filter.ts';
import { openDrives, swapMedia } from './open-drives.ts';
import { parseRunOptions, runHelp } from './options.ts';
import { type LineTarget, planRun } from './run-spec.ts';
import { openTerminal, type Terminal } from './terminal.ts';

const STATUS = { OK: 0, USAGE: 2, GUEST_FAILED: 3 } as const;
/** Signals that end a machine, by the number that makes the exit status. */
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

const SILENT: HostLine = {
  write: async () => undefined,
  listen: () => undefined,
  close: async () => undefined,
};

/** `umbra run`: one machine in the foreground; resolves to the exit status. Throws UmbraError. */
export async function run(args: readonly string[]): Promise<number> {
  const options = parseRunOptions(args);
  if (options.help === true) {
    process.stdout.write(runHelp());
    return STATUS.OK;
  }
  const plan = planRun(options);
  const terminals: Terminal[] = [];
  const running: { machine?: Machine } = {};
  const events = diskEvents(() => running.machine);
  const onAction = (action: EscapeAction): void => {
    const { machine } = running;
    if (machine === undefined) return;
    if (action === 'media') void swapMedia(machine, plan.drives, events);
    else perform(action, machine);
  };
  const open = (target: LineTarget): Promise<HostLine> | HostLine => {
    if (target.kind !== 'stdio') return openLine(target);
    const terminal = openTerminal(onAction);
    terminals.push(terminal);
    return terminal.line;
  };
  let signalStatus: number | undefined;
  const stopOn = Object.entries(SIGNALS).map(([signal, number]) => {
    const handler = (): void => {
      signalStatus = 128 + number;
      running.machine?.stop();
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  try {
    const serial = [];
    for (const target of plan.serial) serial.push(await open(target));
    const { debugConsole: target } = plan;
    const debugConsole = target === undefined ? undefined : await open(target);
    if (terminals.some(({ isInteractive }) => isInteractive)) {
      process.stderr.write('umbra: Ctrl-A h for help, Ctrl-A x to quit\r\n');
    }
    const drives = await openDrives(plan.drives, events);
    const spec = { ...plan.spec, drives: drives.map((drive) => drive.spec) };
    const disks = drives.map(({ disk }) => disk);
    running.machine = Machine.start({
      spec,
      serial,
      debugConsole,
      disks,
      cacheFolder: cacheFolder(),
    });
    const { end, stats } = await running.machine.ended;
    if (options.stats === true) process.stderr.write(`${JSON.stringify(stats)}\n`);
    return signalStatus ?? statusOf(end);
  } finally {
    for (const terminal of terminals) terminal.restore();
    for (const stop of stopOn) stop();
  }
}

/** A host disk that is full makes the machine stand still until there is room. */
function diskEvents(machine: () => Machine | undefined): DiskEvents {
  return {
    onStall: (reason) => {
      if (reason === undefined) machine()?.resume();
      else machine()?.pause();
      const state = reason === undefined ? 'the machine goes on' : `${reason.message}; it waits`;
      process.stderr.write(`umbra: ${state}\r\n`);
    },
    onError: (error) => void process.stderr.write(`umbra: ${error.message}\r\n`),
  };
}

function perform(action: Exclude<EscapeAction, 'media'>, machine: Machine): void {
  switch (action) {
    case 'help':
      process.stderr.write(ESCAPE_HELP);
      break;
    case 'quit':
      machine.stop();
      break;
    case 'reset':
      machine.reset();
      break;
    case 'power-button':
      machine.pressPowerButton();
      break;
    case 'nmi':
      machine.sendNmi();
      break;
    default:
      unreachable(action);
  }
}

function openLine(target: LineTarget): Promise<HostLine> | HostLine {
  switch (target.kind) {
    case 'file':
      return fileLine(target.path);
    case 'socket':
      return socketLine(target.path);
    case 'none':
      return SILENT;
    case 'stdio':
      throw new UmbraError('USAGE', 'Only one line can be stdio');
    default:
      return unreachable(target);
  }
}

function statusOf(end: PcEnd): number {
  switch (end.kind) {
    case 'power-off':
    case 'stopped':
      return STATUS.OK;
    case 'debug-exit':
      return ((end.value << 1) | 1) & 0xff;
    case 'shutdown':
      process.stderr.write(
        `umbra: the guest shut its processor down (triple fault)\n${end.dump}\n`,
      );
      return STATUS.GUEST_FAILED;
    case 'failure':
      process.stderr.write(`umbra: ${end.message}\n${end.dump}\n`);
      return STATUS.GUEST_FAILED;
    default:
      return unreachable(end);
  }
}
