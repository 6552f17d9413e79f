import type { u8 } from '@umbra/base';
import type { PioHandlers } from '@umbra/core';
import * as z from 'zod';
import { byte } from './state.ts';

/** [PIIX4] §7.3. */
const REG = {
  SMBHSTSTS: 0x0,
  SMBSLVSTS: 0x1,
  SMBHSTCNT: 0x2,
  SMBHSTCMD: 0x3,
  SMBHSTADD: 0x4,
  SMBHSTDAT0: 0x5,
  SMBHSTDAT1: 0x6,
  COUNT: 16,
} as const;
const SMBHSTSTS = { SMB_INTR: 1 << 1, DEV_ERR: 1 << 2, CLEARABLE: 0x1e } as const;
const SMBHSTCNT = { START: 1 << 6 } as const;

export const SMBUS_PORTS = REG.COUNT;
export const SmbusState = z.array(byte).length(REG.COUNT);
export type SmbusState = z.infer<typeof SmbusState>;

/** The SMBus host of the PIIX4 on a bus with nobody on it: every transfer ends unanswered. */
export class Piix4Smbus implements PioHandlers {
  #registers: SmbusState = initialSmbus();

  in8(offset: number): u8 {
    return this.#registers[offset] ?? 0xff;
  }

  out8(offset: number, value: u8): void {
    switch (offset) {
      case REG.SMBHSTSTS: {
        const old = this.#registers[REG.SMBHSTSTS] ?? 0;
        this.#registers[REG.SMBHSTSTS] = old & ~(value & SMBHSTSTS.CLEARABLE);
        break;
      }
      case REG.SMBSLVSTS:
        break;
      case REG.SMBHSTCNT:
        this.#registers[REG.SMBHSTCNT] = value & ~SMBHSTCNT.START;
        if ((value & SMBHSTCNT.START) !== 0) {
          this.#registers[REG.SMBHSTSTS] = SMBHSTSTS.DEV_ERR | SMBHSTSTS.SMB_INTR;
        }
        break;
      default:
        if (offset <= REG.SMBHSTDAT1) this.#registers[offset] = value;
    }
  }

  reset(): void {
    this.#registers = initialSmbus();
  }

  save(): SmbusState {
    return [...this.#registers];
  }

  restore(state: SmbusState): void {
    this.#registers = [...state];
  }
}

function initialSmbus(): SmbusState {
  return Array.from({ length: REG.COUNT }, () => 0);
}
