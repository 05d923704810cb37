import type { WebhookOptions, WebhookParts, WebhookStatus } from "./webhook.ts";
import { WebhookEndpoint } from "./webhook-endpoint.ts";
import type { Records } from "../records.ts";

/**
 * Tells HTTP endpoints of each stored change (R10): at least once, in the order of the changes of a name, through restarts of
 * either side. While an endpoint is away, only the latest change of a name waits for it.
 */
export class Webhooks {
  readonly #endpoints: readonly WebhookEndpoint[];
  readonly #stopListening: () => void;

  /** The queue watches these endpoints already. Begins with what earlier runs left. */
  constructor(
    parts: WebhookParts & { readonly records: Pick<Records, "onStored"> },
    options: WebhookOptions & { readonly urls: readonly string[] },
  ) {
    this.#endpoints = options.urls.map((url) => new WebhookEndpoint(url, parts, options));
    const wake = (): void => {
      for (const endpoint of this.#endpoints) endpoint.wake();
    };
    this.#stopListening = this.#endpoints.length === 0 ? () => undefined : parts.records.onStored(wake);
    wake();
  }

  status(): readonly WebhookStatus[] {
    return this.#endpoints.map((endpoint) => endpoint.status());
  }

  async close(): Promise<void> {
    this.#stopListening();
    await Promise.all(this.#endpoints.map(async (endpoint) => endpoint.close()));
  }
}
