import type { Work } from '@umbra/storage';

const BAR_WIDTH = 30;
const REDRAW_MS = 100;
/** Without a terminal, a line each time so much more is done, but not more often than this. */
const LINE_SHARE = 0.1;
const LINE_MS = 1000;

/** Where progress goes: a terminal, or a log. */
export interface ProgressOutput {
  readonly isTTY: boolean;
  write(text: string): void;
}

/** Long work as a bar in a terminal, else as lines; nothing at all for short work. */
export class Progress {
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  #shownAt: number;
  #shownShare = 0;
  #hasBar = false;

  constructor(output: ProgressOutput, now: () => number) {
    this.#output = output;
    this.#now = now;
    this.#shownAt = now();
  }

  readonly onProgress: NonNullable<Work['onProgress']> = (done, total) => {
    const share = total === 0 ? 1 : done / total;
    const elapsed = this.#now() - this.#shownAt;
    const percent = `${Math.floor(share * 100)} %`;
    if (this.#output.isTTY) {
      if (elapsed < REDRAW_MS) return;
      const filled = Math.floor(share * BAR_WIDTH);
      const bar = '#'.repeat(filled).padEnd(BAR_WIDTH, '.');
      this.#output.write(`\r[${bar}] ${percent.padStart(5)}`);
      this.#hasBar = true;
    } else {
      if (share < this.#shownShare + LINE_SHARE || elapsed < LINE_MS) return;
      this.#output.write(`umbra: ${percent}\n`);
    }
    this.#shownAt = this.#now();
    this.#shownShare = share;
  };

  /** Takes the bar away, so that a message can follow. */
  end(): void {
    if (this.#hasBar) this.#output.write('\r\x1b[K');
    this.#hasBar = false;
  }
}
