/**
 * An operating error: something outside the program is not as it must be.
 * `message` is one sentence with its own values; `code` is stable; `cause` keeps the origin.
 */
export class UmbraError extends Error {
  override readonly name: string = 'UmbraError';
  readonly code: string;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    context: Readonly<Record<string, unknown>> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.context = context;
  }
}
