import type { u8 } from '@umbra/base';
import type { Device, IrqLine, PioBus } from '@umbra/core';
import * as z from 'zod';
import { KeyboardState, Ps2Keyboard } from './ps2-keyboard.ts';
import { MouseState, Ps2Mouse } from './ps2-mouse.ts';
import { translate } from './ps2-scancodes.ts';
import { byte, fromHex, hexBytes, stateSchema, toHex } from './state.ts';

const PORT = { DATA: 0x60, COMMAND: 0x64 } as const;
/** [I8042] "Status Register", with the PS/2 meaning of bit 5. */
const STATUS = {
  OBF: 1 << 0,
  SYS: 1 << 2,
  CMD: 1 << 3,
  UNLOCKED: 1 << 4,
  AUX_OBF: 1 << 5,
} as const;
/** Byte 0 of the controller's RAM. */
const COMMAND_BYTE = {
  INT: 1 << 0,
  INT2: 1 << 1,
  SYS: 1 << 2,
  DISABLE_KEYBOARD: 1 << 4,
  DISABLE_AUX: 1 << 5,
  XLATE: 1 << 6,
} as const;
const OUTPUT_PORT = { NO_RESET: 1 << 0, A20: 1 << 1, IRQ1: 1 << 4, IRQ12: 1 << 5 } as const;
/** [PS2REF] "Keyboard and Auxiliary Device Controller: Commands". */
const COMMAND = {
  READ_RAM: 0x20,
  WRITE_RAM: 0x60,
  DISABLE_AUX: 0xa7,
  ENABLE_AUX: 0xa8,
  TEST_AUX: 0xa9,
  SELF_TEST: 0xaa,
  TEST_KEYBOARD: 0xab,
  DISABLE_KEYBOARD: 0xad,
  ENABLE_KEYBOARD: 0xae,
  READ_INPUT_PORT: 0xc0,
  READ_OUTPUT_PORT: 0xd0,
  WRITE_OUTPUT_PORT: 0xd1,
  WRITE_KEYBOARD_BUFFER: 0xd2,
  WRITE_AUX_BUFFER: 0xd3,
  WRITE_AUX: 0xd4,
  PULSE_OUTPUT: 0xf0,
} as const;
const SELF_TEST_OK = 0x55;
const RAM_BYTES = 32;
/** Keyboard lock open, manufacturing jumper absent, colour display. */
const INPUT_PORT = 0xb0;

const Source = z.enum(['none', 'keyboard', 'aux']);
type Source = z.infer<typeof Source>;
const State = z.strictObject({
  ram: hexBytes(RAM_BYTES),
  isA20Enabled: z.boolean(),
  /** Command that waits for its parameter at port 60, -1 when none. */
  command: z.int().min(-1).max(0xff),
  wasCommand: z.boolean(),
  data: byte,
  source: Source,
  isTranslatingBreak: z.boolean(),
  keyboard: KeyboardState,
  mouse: MouseState,
});
type State = z.infer<typeof State>;

/** Keyboard controller, Intel 8042 with PS/2 firmware, and the devices on it. [I8042] [PS2REF] */
export class I8042 implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('i8042', 1, State);
  readonly #keyboardIrq: IrqLine;
  readonly #mouseIrq: IrqLine;
  readonly #onA20: (isEnabled: boolean) => void;
  readonly #onReset: () => void;
  readonly #keyboard = new Ps2Keyboard();
  readonly #mouse = new Ps2Mouse();
  readonly #ram = new Uint8Array(RAM_BYTES);
  #isA20Enabled = true;
  #command = -1;
  #wasCommand = false;
  #data = 0;
  #source: Source = 'none';
  #isTranslatingBreak = false;

  constructor(options: {
    name: string;
    pio: PioBus;
    keyboardIrq: IrqLine;
    mouseIrq: IrqLine;
    onA20: (isEnabled: boolean) => void;
    onReset: () => void;
  }) {
    this.name = options.name;
    this.#keyboardIrq = options.keyboardIrq;
    this.#mouseIrq = options.mouseIrq;
    this.#onA20 = options.onA20;
    this.#onReset = options.onReset;
    this.#initialize();
    options.pio.register(this.name, PORT.DATA, 1, {
      in8: () => this.#readData(),
      out8: (_offset, value) => this.#writeData(value),
    });
    options.pio.register(this.name, PORT.COMMAND, 1, {
      in8: () => this.#status(),
      out8: (_offset, value) => this.#writeCommand(value),
    });
  }

  /** A key, by its KeyboardEvent.code; false when the keyboard has no such key. */
  pressKey(code: string, isDown: boolean): boolean {
    const isKnown = this.#keyboard.press(code, isDown);
    this.#fill();
    return isKnown;
  }

  /** Movement right and down, wheel towards the user; buttons: bit 0 left, 1 right, 2 middle. */
  moveMouse(dx: number, dy: number, wheel: number, buttons: number): void {
    this.#mouse.move(dx, dy, wheel, buttons);
    this.#fill();
  }

  /** The keyboard's lights: bit 0 scroll lock, 1 num lock, 2 caps lock. */
  get leds(): u8 {
    return this.#keyboard.leds;
  }

  reset(): void {
    this.#keyboard.reset();
    this.#mouse.reset();
    this.#mouse.state.buttons = 0;
    this.#initialize();
    this.#onA20(true);
    this.#syncIrq();
  }

  save(): State {
    const { state: keyboard } = this.#keyboard;
    const { state: mouse } = this.#mouse;
    return {
      ram: toHex(this.#ram),
      isA20Enabled: this.#isA20Enabled,
      command: this.#command,
      wasCommand: this.#wasCommand,
      data: this.#data,
      source: this.#source,
      isTranslatingBreak: this.#isTranslatingBreak,
      keyboard: { ...keyboard, queue: [...keyboard.queue] },
      mouse: { ...mouse, queue: [...mouse.queue], sampleRates: [...mouse.sampleRates] },
    };
  }

  restore(state: State): void {
    fromHex(state.ram, this.#ram);
    this.#isA20Enabled = state.isA20Enabled;
    this.#command = state.command;
    this.#wasCommand = state.wasCommand;
    this.#data = state.data;
    this.#source = state.source;
    this.#isTranslatingBreak = state.isTranslatingBreak;
    this.#keyboard.state = { ...state.keyboard, queue: [...state.keyboard.queue] };
    this.#mouse.state = { ...state.mouse, queue: [...state.mouse.queue] };
  }

  #initialize(): void {
    this.#ram.fill(0);
    this.#commandByte =
      COMMAND_BYTE.SYS | COMMAND_BYTE.INT | COMMAND_BYTE.INT2 | COMMAND_BYTE.XLATE;
    this.#isA20Enabled = true;
    this.#command = -1;
    this.#wasCommand = false;
    this.#data = 0;
    this.#source = 'none';
    this.#isTranslatingBreak = false;
  }

  get #commandByte(): u8 {
    return this.#ram[0] ?? 0;
  }

  set #commandByte(value: u8) {
    this.#ram[0] = value;
  }

  #status(): u8 {
    let status: number = STATUS.UNLOCKED | (this.#commandByte & STATUS.SYS);
    if (this.#source !== 'none') status |= STATUS.OBF;
    if (this.#source === 'aux') status |= STATUS.AUX_OBF;
    if (this.#wasCommand) status |= STATUS.CMD;
    return status;
  }

  #readData(): u8 {
    const value = this.#data;
    this.#source = 'none';
    this.#syncIrq();
    this.#fill();
    return value;
  }

  #writeData(value: u8): void {
    const command = this.#command;
    this.#command = -1;
    this.#wasCommand = false;
    if (command < 0) {
      // Talking to the keyboard switches its interface on.
      this.#commandByte &= ~COMMAND_BYTE.DISABLE_KEYBOARD;
      this.#keyboard.receive(value);
    } else if (command >= COMMAND.WRITE_RAM && command < COMMAND.WRITE_RAM + RAM_BYTES) {
      this.#ram[command - COMMAND.WRITE_RAM] = value;
      this.#syncIrq();
    } else if (command === COMMAND.WRITE_OUTPUT_PORT) {
      this.#writeOutputPort(value);
    } else if (command === COMMAND.WRITE_AUX) {
      this.#commandByte &= ~COMMAND_BYTE.DISABLE_AUX;
      this.#mouse.receive(value);
    } else {
      this.#answer(value, command === COMMAND.WRITE_AUX_BUFFER ? 'aux' : 'keyboard');
    }
    this.#fill();
  }

  #writeCommand(value: u8): void {
    this.#wasCommand = true;
    this.#command = -1;
    if (value >= COMMAND.PULSE_OUTPUT) {
      if ((value & OUTPUT_PORT.NO_RESET) === 0) this.#onReset();
    } else if (value >= COMMAND.READ_RAM && value < COMMAND.READ_RAM + RAM_BYTES) {
      this.#answer(this.#ram[value - COMMAND.READ_RAM] ?? 0);
    } else if (value >= COMMAND.WRITE_RAM && value < COMMAND.WRITE_RAM + RAM_BYTES) {
      this.#command = value;
    } else {
      this.#simpleCommand(value);
    }
    this.#fill();
  }

  #simpleCommand(value: u8): void {
    switch (value) {
      case COMMAND.DISABLE_AUX:
        this.#commandByte |= COMMAND_BYTE.DISABLE_AUX;
        break;
      case COMMAND.ENABLE_AUX:
        this.#commandByte &= ~COMMAND_BYTE.DISABLE_AUX;
        break;
      case COMMAND.DISABLE_KEYBOARD:
        this.#commandByte |= COMMAND_BYTE.DISABLE_KEYBOARD;
        break;
      case COMMAND.ENABLE_KEYBOARD:
        this.#commandByte &= ~COMMAND_BYTE.DISABLE_KEYBOARD;
        break;
      case COMMAND.TEST_AUX:
      case COMMAND.TEST_KEYBOARD:
        this.#answer(0);
        break;
      case COMMAND.SELF_TEST:
        this.#commandByte |= COMMAND_BYTE.SYS;
        this.#answer(SELF_TEST_OK);
        break;
      case COMMAND.READ_INPUT_PORT:
        this.#answer(INPUT_PORT);
        break;
      case COMMAND.READ_OUTPUT_PORT:
        this.#answer(this.#outputPort());
        break;
      case COMMAND.WRITE_OUTPUT_PORT:
      case COMMAND.WRITE_KEYBOARD_BUFFER:
      case COMMAND.WRITE_AUX_BUFFER:
      case COMMAND.WRITE_AUX:
        this.#command = value;
        break;
    }
  }

  #outputPort(): u8 {
    return (
      OUTPUT_PORT.NO_RESET |
      (this.#isA20Enabled ? OUTPUT_PORT.A20 : 0) |
      (this.#source === 'keyboard' ? OUTPUT_PORT.IRQ1 : 0) |
      (this.#source === 'aux' ? OUTPUT_PORT.IRQ12 : 0)
    );
  }

  #writeOutputPort(value: u8): void {
    this.#isA20Enabled = (value & OUTPUT_PORT.A20) !== 0;
    this.#onA20(this.#isA20Enabled);
    if ((value & OUTPUT_PORT.NO_RESET) === 0) this.#onReset();
  }

  /** The controller's own answer replaces whatever waits, as the firmware does. */
  #answer(value: u8, source: Source = 'keyboard'): void {
    this.#data = value;
    this.#source = 'none';
    this.#syncIrq();
    this.#source = source;
    this.#syncIrq();
  }

  /** Clocks the next byte in from a device when the output buffer is free. */
  #fill(): void {
    while (this.#source === 'none') {
      const commandByte = this.#commandByte;
      if ((commandByte & COMMAND_BYTE.DISABLE_KEYBOARD) === 0 && this.#keyboard.hasOutput()) {
        this.#takeFromKeyboard((commandByte & COMMAND_BYTE.XLATE) !== 0);
      } else if ((commandByte & COMMAND_BYTE.DISABLE_AUX) === 0 && this.#mouse.hasOutput()) {
        this.#data = this.#mouse.take();
        this.#source = 'aux';
      } else {
        break;
      }
    }
    this.#syncIrq();
  }

  #takeFromKeyboard(isTranslating: boolean): void {
    const value = this.#keyboard.take();
    const translated = isTranslating
      ? translate(value, this.#isTranslatingBreak)
      : { byte: value, isBreak: false };
    this.#isTranslatingBreak = translated.isBreak;
    if (translated.byte === undefined) return;
    this.#data = translated.byte;
    this.#source = 'keyboard';
  }

  #syncIrq(): void {
    const commandByte = this.#commandByte;
    this.#keyboardIrq.set(this.#source === 'keyboard' && (commandByte & COMMAND_BYTE.INT) !== 0);
    this.#mouseIrq.set(this.#source === 'aux' && (commandByte & COMMAND_BYTE.INT2) !== 0);
  }
}
