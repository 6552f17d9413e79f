/** Thrown when the program itself is wrong; ends the machine's process, never the service. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws AssertionError unless `condition` holds; `what` says what must hold. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionError(`Must hold: ${what}`);
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`Unreachable value: ${String(value)}`);
}
