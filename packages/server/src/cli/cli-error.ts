/** Something the person at the keyboard can mend; printed without a stack trace. */
export class CliError extends Error {
  override readonly name = "CliError";
}
