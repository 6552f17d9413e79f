import type { StateSchema } from '@umbra/core';
import * as z from 'zod';

/** Building blocks of saved states. */
export const byte = z.int().min(0).max(0xff);
export const word = z.int().min(0).max(0xffff);
export const dword = z.int().min(0).max(0xffff_ffff);
export const count = z.int().min(0);
export const integer = z.int();
/** An unsigned 64-bit value as a decimal string, because JSON has no such number. */
export const qword = z.string().regex(/^\d{1,20}$/);
/** Bytes as a hexadecimal string of exactly `sizeBytes` bytes. */
export const hexBytes = (sizeBytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${sizeBytes * 2}}$`));

/** The schema a device publishes. */
export function stateSchema<S>(kind: string, version: number, type: z.ZodType<S>): StateSchema<S> {
  return { kind, version, parse: (raw) => type.parse(raw) };
}

/** Bytes to the text form of `hexBytes`. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const value of bytes) text += value.toString(16).padStart(2, '0');
  return text;
}

/** Writes the text form of `hexBytes` into `target`. */
export function fromHex(text: string, target: Uint8Array): void {
  for (let i = 0; i < target.length; i++)
    target[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
}
