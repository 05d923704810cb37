import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { WatchWebhooksJob, WebhookJob } from "./webhook-messages.ts";

/**
 * Queues each stored record for the webhooks, in the transaction that stores it. Triggers of this connection alone do it:
 * without webhooks there are none, and a put costs what it costs.
 */
export class WebhookWriter {
  readonly #db: DatabaseSync;
  readonly #remove: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#remove = db.prepare("DELETE FROM webhook_deliveries WHERE change = ?");
  }

  /** Runs inside the caller's transaction. */
  run(job: WebhookJob): null {
    if (job.kind === "watch-webhooks") this.#watch(job);
    else for (const change of job.changes) this.#remove.run(change);
    return null;
  }

  #watch({ urls, names }: WatchWebhooksJob): void {
    const db = this.#db;
    const urlsJson = JSON.stringify(urls);
    db.prepare("DELETE FROM webhook_endpoints WHERE url NOT IN (SELECT value FROM json_each(?))").run(
      urlsJson,
    );
    db.exec("DELETE FROM webhook_deliveries WHERE endpoint_id NOT IN (SELECT id FROM webhook_endpoints)");
    db.prepare(
      "INSERT INTO webhook_endpoints (url) SELECT value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING",
    ).run(urlsJson);
    if (urls.length === 0) return;
    if (names !== undefined) this.#filterBy(names);
    const condition = names === undefined ? "" : "WHEN webhooks_want(new.name)";
    // The new row has a change of its own, so that a confirmation of the old one, which is on its way, does not remove it.
    const body = `BEGIN
      DELETE FROM webhook_deliveries WHERE name = new.name;
      INSERT INTO webhook_deliveries (endpoint_id, name) SELECT id, new.name FROM webhook_endpoints;
    END`;
    db.exec(`
      CREATE TEMP TRIGGER queue_first_record AFTER INSERT ON main.records ${condition} ${body};
      CREATE TEMP TRIGGER queue_next_record AFTER UPDATE OF bytes ON main.records ${condition} ${body};
    `);
  }

  #filterBy(names: readonly Uint8Array[]): void {
    const wanted = new Set(names.map(keyOf));
    this.#db.function("webhooks_want", { deterministic: true }, (name) =>
      name instanceof Uint8Array && wanted.has(keyOf(name)) ? 1 : 0,
    );
  }
}

function keyOf(multihash: Uint8Array): string {
  return Buffer.from(multihash).toString("latin1");
}
