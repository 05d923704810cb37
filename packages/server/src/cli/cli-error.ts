/** Something the person at the keyboard can mend; printed without a stack trace. */
export class CliError extends Error {
  override readonly name = "CliError";
  /** 2: no node answered. */
  readonly exitCode: 1 | 2;

  constructor(
    message: string,
    { exitCode = 1, ...options }: ErrorOptions & { readonly exitCode?: 1 | 2 } = {},
  ) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
