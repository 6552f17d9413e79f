// A small encoder for the ACPI machine language: each function returns the bytes of one term.
// [ACPI] ch. 20.

import { assert } from '@umbra/base';

/** Encoded bytes of an AML term, or of a list of terms. */
export type Aml = readonly number[];

/** Opcodes. [ACPI] §20.3, "AML Byte Stream Byte Values". */
const OP = {
  ZERO: [0x00],
  ONE: [0x01],
  NAME: [0x08],
  BYTE: [0x0a],
  WORD: [0x0b],
  DWORD: [0x0c],
  STRING: [0x0d],
  SCOPE: [0x10],
  BUFFER: [0x11],
  PACKAGE: [0x12],
  METHOD: [0x14],
  DUAL_NAME: [0x2e],
  MULTI_NAME: [0x2f],
  ARG0: [0x68],
  STORE: [0x70],
  AND: [0x7b],
  OR: [0x7d],
  CREATE_DWORD_FIELD: [0x8a],
  IF: [0xa0],
  ELSE: [0xa1],
  RETURN: [0xa4],
  REGION: [0x5b, 0x80],
  FIELD: [0x5b, 0x81],
  DEVICE: [0x5b, 0x82],
} as const;

const ROOT = 0x5c;
const PARENT = 0x5e;
const NULL_NAME = 0x00;
/** Address spaces of operation regions. [ACPI] §20.2.5.2. */
export const REGION_SPACE = { SYSTEM_IO: 1, PCI_CONFIG: 2 } as const;
/** ByteAcc, NoLock, Preserve. [ACPI] §20.2.5.2, "FieldFlags". */
const FIELD_BYTE_ACCESS = 1;
/** [ACPI] §20.2.5.2, "MethodFlags". */
const METHOD_SERIALIZED = 1 << 3;

export const arg0: Aml = OP.ARG0;

/** An integer in its shortest form, 0 to 2^32-1. */
export function integer(value: number): Aml {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, 'an AML integer is a u32');
  if (value === 0) return OP.ZERO;
  if (value === 1) return OP.ONE;
  if (value <= 0xff) return [...OP.BYTE, value];
  if (value <= 0xffff) return [...OP.WORD, ...word(value)];
  return [...OP.DWORD, ...dword(value)];
}

export function string(text: string): Aml {
  return [...OP.STRING, ...Buffer.from(text, 'latin1'), 0];
}

/** A name path such as `\\_SB.PCI0.ISA` or `^PRQ0`; segments are padded with underscores. */
export function name(path: string): Aml {
  const [, prefix = '', rest = ''] = /^(\\|\^*)(.*)$/.exec(path) ?? [];
  const segments = rest === '' ? [] : rest.split('.').map(segment);
  const head = [...prefix].map((character) => (character === '^' ? PARENT : ROOT));
  const body = segments.flat();
  if (segments.length === 0) return [...head, NULL_NAME];
  if (segments.length === 1) return [...head, ...body];
  if (segments.length === 2) return [...head, ...OP.DUAL_NAME, ...body];
  return [...head, ...OP.MULTI_NAME, segments.length, ...body];
}

/** A seven-character identifier such as PNP0A03 as the compressed integer. [ACPI] §6.1.5. */
export function eisaId(id: string): Aml {
  const [, letters = '', digits = ''] = /^([A-Z]{3})([0-9A-F]{4})$/.exec(id) ?? [];
  assert(letters !== '', `${id} is three letters and four hexadecimal digits`);
  const [a = 0, b = 0, c = 0] = [...letters].map((letter) => letter.charCodeAt(0) - 0x40);
  const vendor = (a << 10) | (b << 5) | c;
  const product = Number.parseInt(digits, 16);
  const bytes = [vendor >> 8, vendor & 0xff, product >> 8, product & 0xff];
  return [...OP.DWORD, ...bytes];
}

export function buffer(bytes: readonly number[]): Aml {
  return [...OP.BUFFER, ...withLength([...integer(bytes.length), ...bytes])];
}

/** Elements are encoded terms: integers, strings, names, packages. */
export function packageOf(elements: readonly Aml[]): Aml {
  assert(elements.length <= 0xff, 'a package has at most 255 elements');
  return [...OP.PACKAGE, ...withLength([elements.length, ...elements.flat()])];
}

/** Defines an object: Name(path, value). */
export function define(path: string, value: Aml): Aml {
  return [...OP.NAME, ...name(path), ...value];
}

export function scope(path: string, terms: readonly Aml[]): Aml {
  return [...OP.SCOPE, ...withLength([...name(path), ...terms.flat()])];
}

export function device(path: string, terms: readonly Aml[]): Aml {
  return [...OP.DEVICE, ...withLength([...name(path), ...terms.flat()])];
}

/** A method that one thread at a time may run, as those that make objects must be. */
export function method(path: string, argumentCount: number, terms: readonly Aml[]): Aml {
  const flags = argumentCount | METHOD_SERIALIZED;
  return [...OP.METHOD, ...withLength([...name(path), flags, ...terms.flat()])];
}

export function returnValue(value: Aml): Aml {
  return [...OP.RETURN, ...value];
}

/** If(condition) { then } Else { otherwise }; without `otherwise` there is no Else. */
export function ifElse(condition: Aml, then: readonly Aml[], otherwise: readonly Aml[] = []): Aml {
  const head = [...OP.IF, ...withLength([...condition, ...then.flat()])];
  return otherwise.length === 0 ? head : [...head, ...OP.ELSE, ...withLength(otherwise.flat())];
}

export function store(source: Aml, target: Aml): Aml {
  return [...OP.STORE, ...source, ...target];
}

/** The value `left & right`. */
export function and(left: Aml, right: Aml): Aml {
  return [...OP.AND, ...left, ...right, NULL_NAME];
}

/** The value `left | right`. */
export function or(left: Aml, right: Aml): Aml {
  return [...OP.OR, ...left, ...right, NULL_NAME];
}

/** CreateDWordField(source, offset, path). */
export function createDwordField(source: Aml, offset: number, path: string): Aml {
  return [...OP.CREATE_DWORD_FIELD, ...source, ...integer(offset), ...name(path)];
}

export function operationRegion(path: string, space: number, offset: number, length: number): Aml {
  return [...OP.REGION, ...name(path), space, ...integer(offset), ...integer(length)];
}

/** Fields of one byte each, in order, in the region `path`. */
export function byteFields(path: string, names: readonly string[]): Aml {
  const fields = names.flatMap((field) => [...segment(field), 8]);
  return [...OP.FIELD, ...withLength([...name(path), FIELD_BYTE_ACCESS, ...fields])];
}

export function word(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

export function dword(value: number): number[] {
  return [...word(value), ...word(value >>> 16)];
}

function segment(text: string): number[] {
  assert(/^[A-Z_][A-Z0-9_]{0,3}$/.test(text), `${text} is an AML name segment`);
  return [...Buffer.from(text.padEnd(4, '_'), 'latin1')];
}

/** Prefixes a PkgLength, which counts itself. [ACPI] §20.2.4. */
function withLength(content: readonly number[]): number[] {
  const short = content.length + 1;
  if (short <= 0x3f) return [short, ...content];
  for (let extra = 1; extra <= 3; extra += 1) {
    const length = content.length + 1 + extra;
    if (length >= 1 << (4 + 8 * extra)) continue;
    const bytes = Array.from({ length: extra }, (_, index) => (length >> (4 + 8 * index)) & 0xff);
    return [(extra << 6) | (length & 0x0f), ...bytes, ...content];
  }
  assert(false, 'an AML package is shorter than 256 MiB');
}
