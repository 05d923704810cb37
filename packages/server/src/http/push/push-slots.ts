import { HoldfastError } from "@holdfast/core";

export interface PushSlotsOptions {
  readonly connectionsMax: number;
  readonly connectionsPerClientMax: number;
}

const RETRY_AFTER_S = 5;

/** Who may have how many connections on which updates are pushed, WebSockets and event streams together. */
export class PushSlots {
  readonly #options: PushSlotsOptions;
  readonly #perClient = new Map<string, number>();
  #taken = 0;

  constructor(options: PushSlotsOptions) {
    this.#options = options;
  }

  /** @returns why not, or undefined. */
  refusalOf(clientKey: string): HoldfastError | undefined {
    const { connectionsMax, connectionsPerClientMax } = this.#options;
    const details = { retryAfterS: RETRY_AFTER_S };
    if (this.#taken >= connectionsMax)
      return new HoldfastError("OVERLOADED", "too many connections for updates", { details });
    if ((this.#perClient.get(clientKey) ?? 0) >= connectionsPerClientMax)
      return new HoldfastError("RATE_LIMITED", "too many connections for updates from this client", {
        details,
      });
    return undefined;
  }

  take(clientKey: string): void {
    this.#taken++;
    this.#perClient.set(clientKey, (this.#perClient.get(clientKey) ?? 0) + 1);
  }

  giveBack(clientKey: string): void {
    this.#taken--;
    const left = (this.#perClient.get(clientKey) ?? 1) - 1;
    if (left > 0) this.#perClient.set(clientKey, left);
    else this.#perClient.delete(clientKey);
  }
}
