import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where built guests live: $UMBRA_CACHE, else `.cache` in the repository. */
export function cacheFolder(): string {
  const own = process.env['UMBRA_CACHE'];
  if (own !== undefined && own !== '') return own;
  return join(dirname(dirname(fileURLToPath(import.meta.url))), '.cache');
}
