import type { IpnsName } from "@holdfast/core";

/** A name that changed, and an endpoint that has not confirmed to know of it. */
export interface WebhookDelivery {
  /** Rises with each change; never used twice. */
  readonly change: number;
  readonly name: IpnsName;
}

/** What has to be told to whom. Durable: what was stored is in it, whatever becomes of the process. */
export interface WebhookQueue {
  /**
   * From now on each stored record is queued for each of these endpoints, in the transaction that stores it. What waits for
   * others is forgotten. Once for each run of the process.
   *
   * @param names undefined: of every name.
   */
  watch(urls: readonly string[], names: readonly IpnsName[] | undefined): Promise<void>;

  /**
   * What waits for an endpoint behind a change, oldest first. A name is in it once: later changes take the place of earlier ones.
   * Whoever sees a delivery also sees its record, or a better one, in the store.
   */
  next(url: string, options: { readonly after: number; readonly limit: number }): readonly WebhookDelivery[];

  /** Forgets deliveries that were confirmed. A name that has changed since stays, with its new change. */
  remove(deliveries: readonly WebhookDelivery[]): Promise<void>;

  /** How many names wait for an endpoint; counts up to `max`. */
  waiting(url: string, max: number): number;
}
