import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../../', import.meta.url));

/** Where built guests and other things made once are kept: $UMBRA_CACHE, else `.cache` here. */
export function cacheFolder(): string {
  const own = process.env['UMBRA_CACHE'];
  if (own !== undefined && own !== '') return own;
  return join(repository, '.cache');
}
