/** Begins to queue what is stored from now on, for these endpoints only. Once for each run of the process. */
export interface WatchWebhooksJob {
  readonly kind: "watch-webhooks";
  readonly urls: readonly string[];
  /** Multihashes of the names that are wanted; undefined: all. */
  readonly names: readonly Uint8Array<ArrayBuffer>[] | undefined;
}

/** Forgets deliveries that were confirmed. */
interface RemoveWebhookDeliveriesJob {
  readonly kind: "remove-webhook-deliveries";
  readonly changes: readonly number[];
}

export type WebhookJob = WatchWebhooksJob | RemoveWebhookDeliveriesJob;
