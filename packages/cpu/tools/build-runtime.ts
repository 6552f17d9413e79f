import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { layoutSource } from './generate-layout.ts';

const ASSEMBLY = fileURLToPath(new URL('../assembly', import.meta.url));
const OPTIONS = [
  '-O3',
  '--debug',
  '--runtime',
  'stub',
  '--importMemory',
  '--sharedMemory',
  '--importTable',
  '--noExportMemory',
  '--initialMemory',
  '1000',
  '--maximumMemory',
  '65536',
  '--memoryBase',
  '65536',
  '--enable',
  'simd',
  '--enable',
  'threads',
];

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) =>
      entry.isDirectory() ? sources(join(folder, entry.name)) : join(folder, entry.name),
    )
    .filter((path) => path.endsWith('.ts'))
    .sort();
}

/**
 * The AssemblyScript runtime, compiled: from the cache folder when its sources have not changed,
 * else by the compiler (a few seconds). Throws with the compiler's words when it does not compile.
 */
export function runtimeBytes(cacheFolder: string): Uint8Array {
  const layout = layoutSource();
  const layoutPath = join(ASSEMBLY, 'generated', 'layout.ts');
  if (!existsSync(layoutPath) || readFileSync(layoutPath, 'utf8') !== layout) {
    mkdirSync(join(ASSEMBLY, 'generated'), { recursive: true });
    writeFileSync(layoutPath, layout);
  }
  const hash = createHash('sha256').update(OPTIONS.join(' '));
  for (const path of sources(ASSEMBLY)) hash.update(readFileSync(path));
  const output = join(cacheFolder, `runtime-${hash.digest('hex').slice(0, 16)}.wasm`);
  if (!existsSync(output)) compile(output);
  return readFileSync(output);
}

function compile(output: string): void {
  const entry = fileURLToPath(import.meta.resolve('assemblyscript'));
  const bin = join(entry, '..', '..', 'bin', 'asc.js');
  mkdirSync(join(output, '..'), { recursive: true });
  const partial = `${output}.${process.pid}`;
  const run = spawnSync(
    process.execPath,
    [bin, join(ASSEMBLY, 'index.ts'), ...OPTIONS, '-o', partial],
    {
      encoding: 'utf8',
    },
  );
  if (run.status !== 0) throw new Error(`The processor's runtime does not compile:\n${run.stderr}`);
  renameSync(partial, output);
}
