import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type IpnsName, ipnsNameOfMultihash } from "@holdfast/core";
import type { WebhookDelivery, WebhookQueue } from "../../../records/webhooks/webhook-queue.ts";
import type { StoreClient } from "../store-client.ts";

/**
 * Deliveries in the database of an open `SqliteRecordStore`: queued by its store thread in the transaction that stores the
 * record, read through a connection of their own.
 */
export class SqliteWebhookQueue implements WebhookQueue, Disposable {
  readonly #client: Pick<StoreClient, "run">;
  readonly #db: DatabaseSync;
  readonly #next: StatementSync;
  readonly #count: StatementSync;

  constructor(client: Pick<StoreClient, "run">, databasePath: string) {
    this.#client = client;
    this.#db = new DatabaseSync(databasePath, { readOnly: true });
    const waiting =
      "FROM webhook_deliveries WHERE endpoint_id = (SELECT id FROM webhook_endpoints WHERE url = ?)";
    this.#next = this.#db.prepare(`SELECT change, name ${waiting} AND change > ? ORDER BY change LIMIT ?`);
    this.#count = this.#db.prepare(`SELECT count(*) AS waiting FROM (SELECT 1 ${waiting} LIMIT ?)`);
  }

  async watch(urls: readonly string[], names: readonly IpnsName[] | undefined): Promise<void> {
    const hasEndpoints = this.#db.prepare("SELECT 1 FROM webhook_endpoints LIMIT 1").get() !== undefined;
    if (urls.length === 0 && !hasEndpoints) return;
    await this.#client.run({
      kind: "watch-webhooks",
      urls,
      names: names?.map(({ multihash }) => new Uint8Array(multihash)),
    });
  }

  next(
    url: string,
    { after, limit }: { readonly after: number; readonly limit: number },
  ): readonly WebhookDelivery[] {
    const rows = this.#next.all(url, after, limit) as unknown as DeliveryRow[];
    return rows.map(({ change, name }) => ({ change, name: ipnsNameOfMultihash(name) }));
  }

  async remove(deliveries: readonly WebhookDelivery[]): Promise<void> {
    if (deliveries.length === 0) return;
    await this.#client.run({
      kind: "remove-webhook-deliveries",
      changes: deliveries.map(({ change }) => change),
    });
  }

  waiting(url: string, max: number): number {
    return Number(this.#count.get(url, max)?.["waiting"]);
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }
}

interface DeliveryRow {
  readonly change: number;
  readonly name: Uint8Array;
}
