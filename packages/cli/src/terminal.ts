import { type HostLine, streamLine } from '@umbra/machine';
import { type EscapeAction, EscapeFilter } from './escape-filter.ts';

/**
 * The terminal (or the pipes) of this process as a serial line. A terminal is put in raw mode, so
 * that every key reaches the guest except those behind the escape key; `restore` undoes that and
 * is safe to call at any time, any number of times.
 */
export interface Terminal {
  readonly line: HostLine;
  /** Whether there is a person at a keyboard. */
  readonly isInteractive: boolean;
  restore(): void;
}

/** Takes over stdin and stdout; `onAction` hears what is asked for by the escape key. */
export function openTerminal(onAction: (action: EscapeAction) => void): Terminal {
  const { stdin, stdout } = process;
  const base = streamLine(stdin, stdout);
  if (!stdin.isTTY) return { line: base, isInteractive: false, restore: () => undefined };
  const filter = new EscapeFilter();
  const enter = (): void => void stdin.setRawMode(true);
  const restore = (): void => {
    process.off('SIGCONT', enter);
    stdin.setRawMode(false);
  };
  enter();
  // A shell that had stopped us took the terminal's mode back.
  process.on('SIGCONT', enter);
  process.once('exit', restore);
  return {
    isInteractive: true,
    restore,
    line: {
      ...base,
      listen: (onBytes) => {
        base.listen(async (typed) => {
          const bytes = filter.filter(typed, onAction);
          if (bytes.length > 0) await onBytes(bytes);
        });
      },
      close: async () => {
        await base.close();
        restore();
      },
    },
  };
}
