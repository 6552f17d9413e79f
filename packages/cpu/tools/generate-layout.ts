import { writeFileSync } from 'node:fs';
import {
  ACCESS_STACK,
  BLOCK_MODE,
  FIELDS,
  JUMP_MODE,
  SHADOW,
  SHARED_CONSTANTS,
  STATE_SIZE,
} from '../src/state-layout.ts';

const LOAD_TYPE: Record<string, string> = {
  u8: 'u8',
  u16: 'u16',
  u32: 'u32',
  i32: 'i32',
  u64: 'u64',
  v128: 'v128',
};

/** The AssemblyScript face of state-layout.ts: constants, and two accessors for each field. */
export function layoutSource(): string {
  const lines = [
    '// Generated from src/state-layout.ts by tools/generate-layout.ts; do not edit.',
    '// @ts-ignore: decorator',
    '@external("env", "cpuBase") declare const cpuBase: usize;',
    '// @ts-ignore: decorator',
    '@inline export function base(): usize { return cpuBase; }',
    `export const STATE_SIZE: usize = ${STATE_SIZE};`,
  ];
  for (const [prefix, object] of Object.entries(SHARED_CONSTANTS))
    for (const [name, value] of Object.entries(object as Record<string, number>))
      lines.push(`export const ${prefix}_${name}: u32 = ${value >>> 0};`);
  lines.push(
    `export const BLOCK_MODE_MASK: u32 = ${BLOCK_MODE};`,
    `export const JUMP_MODE_MASK: u32 = ${JUMP_MODE};`,
    `export const ACCESS_STACK: u32 = ${ACCESS_STACK};`,
  );
  for (const [name, value] of Object.entries(SHADOW))
    if (typeof value === 'number') lines.push(`export const SHADOW_${name}: u32 = ${value};`);
  for (const [name, value] of Object.entries(SHADOW.TABLE))
    lines.push(`export const TABLE_${name}: u32 = ${value};`);
  for (const { name, type, count, offset } of FIELDS) {
    const cap = name.charAt(0).toUpperCase() + name.slice(1);
    const t = LOAD_TYPE[type] as string;
    const shift = { u8: 0, u16: 1, u32: 2, i32: 2, u64: 3, v128: 4 }[type];
    lines.push(`export const OFFSET_${name}: usize = ${offset};`);
    if (count === 1) {
      lines.push(
        `// @ts-ignore: decorator\n@inline export function ${name}(): ${t} { return load<${t}>(cpuBase, ${offset}); }`,
        `// @ts-ignore: decorator\n@inline export function set${cap}(v: ${t}): void { store<${t}>(cpuBase, v, ${offset}); }`,
      );
    } else {
      lines.push(
        `// @ts-ignore: decorator\n@inline export function ${name}(i: u32): ${t} { return load<${t}>(cpuBase + (<usize>i << ${shift}), ${offset}); }`,
        `// @ts-ignore: decorator\n@inline export function set${cap}(i: u32, v: ${t}): void { store<${t}>(cpuBase + (<usize>i << ${shift}), v, ${offset}); }`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

if (import.meta.main) {
  writeFileSync(new URL('../assembly/generated/layout.ts', import.meta.url), layoutSource());
}
