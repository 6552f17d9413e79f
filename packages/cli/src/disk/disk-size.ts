import { GiB, KiB, MiB } from '@umbra/base';
import { usage } from '../option-table.ts';

const UNITS: Readonly<Record<string, number>> = { K: KiB, M: MiB, G: GiB, T: 1024 * GiB };

/** A disk's size such as `20G` or `1440K`, in bytes; throws UmbraError USAGE. */
export function parseDiskSize(what: string, text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,15})([KMGT])$/i.exec(text) ?? [];
  const factor = UNITS[unit.toUpperCase()];
  if (factor !== undefined) return Number(digits) * factor;
  throw usage(`${what} is "${text}", expected a number with K, M, G or T, such as 20G`);
}

/** Bytes for people: in the largest unit that has them whole, or with a decimal, and exactly. */
export function sizeText(bytes: number): string {
  const [name, unit] = (
    [
      ['TiB', 1024 * GiB],
      ['GiB', GiB],
      ['MiB', MiB],
      ['KiB', KiB],
    ] as const
  ).find(([, factor]) => bytes >= factor) ?? ['bytes', 1];
  const count = bytes / unit;
  const rounded = Number.isInteger(count) ? `${count}` : count.toFixed(1);
  return name === 'bytes' ? `${bytes} bytes` : `${rounded} ${name} (${bytes} bytes)`;
}
