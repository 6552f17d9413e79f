// A lock between processes: a folder that only one of them can make. Plain JavaScript, because the
// bootstrap needs it before anything is installed.

import { mkdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { dirname } from 'node:path';

const LOCK_WAIT_MS_MAX = 15 * 60 * 1000;
/** A lock whose owner has not touched it for so long belongs to a process that died. */
const LOCK_STALE_MS = 30 * 1000;
const POLL_MS = 200;

export async function withLock(path, onWait, action) {
  mkdirSync(dirname(path), { recursive: true });
  const deadline = Date.now() + LOCK_WAIT_MS_MAX;
  let told = false;
  while (!tryLock(path)) {
    if (!told) onWait();
    told = true;
    if (Date.now() > deadline) {
      throw new Error(`${path} was held for 15 minutes; remove it if no other process works there`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const touch = () => utimesSync(path, new Date(), new Date());
  const beat = setInterval(touch, LOCK_STALE_MS / 5);
  try {
    return await action();
  } finally {
    clearInterval(beat);
    rmSync(path, { recursive: true, force: true });
  }
}

function tryLock(path) {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  if (age > LOCK_STALE_MS) rmSync(path, { recursive: true, force: true });
  return false;
}
