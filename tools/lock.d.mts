/**
 * Runs `action` while holding the lock folder `path`; `onWait` is called once when another process
 * holds it. Throws an Error when that lasts longer than 15 minutes. `action` must not block the
 * event loop for more than half a minute, or the lock looks abandoned.
 */
export function withLock<T>(path: string, onWait: () => void, action: () => Promise<T>): Promise<T>;
