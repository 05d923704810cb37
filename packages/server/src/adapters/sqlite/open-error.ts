import type { OpenProblem } from "./store-messages.ts";

/** Why the store thread could not open the database; crosses to the main thread as a message. */
export class OpenError extends Error {
  override readonly name = "OpenError";
  readonly reason: OpenProblem;

  constructor(reason: OpenProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
