import type { NostrEvent } from "@holdfast/core";
import type { PublishAnswer, RelayReader, Relays, RelayStatus } from "../../announce/relays.ts";
import {
  RelayConnection,
  type RelayConnectionOptions,
  type RelayConnectionParts,
} from "./relay-connection.ts";

/** Several relays, each on its own: one that hangs or floods costs the others nothing. */
export class RelayPool implements Relays {
  readonly urls: readonly string[];
  readonly #connections: ReadonlyMap<string, RelayConnection>;

  constructor(
    parts: RelayConnectionParts,
    options: RelayConnectionOptions & { readonly urls: readonly string[] },
  ) {
    this.urls = [...new Set(options.urls)];
    this.#connections = new Map(this.urls.map((url) => [url, new RelayConnection(url, parts, options)]));
  }

  get hasConnection(): boolean {
    return this.status().some(({ isConnected }) => isConnected);
  }

  start(reader: RelayReader | undefined, onConnected: () => void): void {
    for (const connection of this.#connections.values()) connection.start(reader, onConnected);
  }

  async publish(relayUrl: string, event: NostrEvent): Promise<PublishAnswer> {
    const connection = this.#connections.get(relayUrl);
    return connection?.publish(event) ?? { outcome: "unknown", message: "no such relay" };
  }

  status(): readonly RelayStatus[] {
    return [...this.#connections.values()].map((connection) => connection.status());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#connections.values()].map((connection) => connection[Symbol.asyncDispose]()));
  }
}
