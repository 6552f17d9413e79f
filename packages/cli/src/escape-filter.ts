/** What the escape key's next key asks for. */
export type EscapeAction = 'help' | 'quit' | 'reset' | 'power-button' | 'nmi' | 'media';

/** Ctrl-A, as in other terminal programs of this kind. */
const ESCAPE = 0x01;
const ACTIONS: Readonly<Record<string, EscapeAction>> = {
  h: 'help',
  '?': 'help',
  x: 'quit',
  r: 'reset',
  p: 'power-button',
  n: 'nmi',
  e: 'media',
};

/** The help text, for a terminal in raw mode. */
export const ESCAPE_HELP: string = [
  '',
  'Ctrl-A h   this help',
  'Ctrl-A x   end the machine at once',
  'Ctrl-A p   press the power button',
  'Ctrl-A r   reset',
  'Ctrl-A n   send a non-maskable interrupt',
  'Ctrl-A e   eject CDs and diskettes, or put them in again',
  'Ctrl-A a   send Ctrl-A itself to the guest',
  '',
].join('\r\n');

/** Splits what is typed into bytes for the guest and actions for us. */
export class EscapeFilter {
  #isEscaped = false;

  /** The bytes of `typed` that go to the guest; `onAction` hears the others. */
  filter(typed: Uint8Array, onAction: (action: EscapeAction) => void): Uint8Array {
    const passed: number[] = [];
    for (const byte of typed) {
      if (!this.#isEscaped && byte === ESCAPE) {
        this.#isEscaped = true;
      } else if (this.#isEscaped) {
        this.#isEscaped = false;
        const key = String.fromCharCode(byte);
        const action = ACTIONS[key];
        if (action !== undefined) onAction(action);
        else if (key === 'a' || byte === ESCAPE) passed.push(ESCAPE);
      } else {
        passed.push(byte);
      }
    }
    return Uint8Array.from(passed);
  }
}
