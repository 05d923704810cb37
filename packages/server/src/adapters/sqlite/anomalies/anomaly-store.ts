import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { IpnsName } from "@holdfast/core";
import type { Anomaly, AnomalyNote, AnomalyStore } from "../../../records/anomalies/anomaly-store.ts";
import type { AnomalyRow } from "./anomaly-messages.ts";
import { anomalyOf, rowOf } from "./anomaly-rows.ts";
import type { StoreClient } from "../store-client.ts";

/**
 * Anomalies in the database of an open `SqliteRecordStore`: written by its store thread in the same groups as records, read
 * through a connection of their own.
 */
export class SqliteAnomalyStore implements AnomalyStore, Disposable {
  readonly #client: Pick<StoreClient, "run">;
  readonly #anomaliesMax: number;
  readonly #db: DatabaseSync;
  readonly #select: StatementSync;

  constructor(
    client: Pick<StoreClient, "run">,
    databasePath: string,
    { anomaliesMax }: { readonly anomaliesMax: number },
  ) {
    this.#client = client;
    this.#anomaliesMax = anomaliesMax;
    this.#db = new DatabaseSync(databasePath, { readOnly: true });
    this.#select = this.#db.prepare("SELECT * FROM anomalies WHERE name = ? ORDER BY kind");
  }

  async add(notes: readonly AnomalyNote[]): Promise<void> {
    if (notes.length === 0) return;
    await this.#client.run({
      kind: "add-anomalies",
      // A copy: a posted view would clone the whole buffer behind it.
      notes: notes.map((note) => rowOf(new Uint8Array(note.name.multihash), note)),
      anomaliesMax: this.#anomaliesMax,
    });
  }

  of(name: IpnsName): readonly Anomaly[] {
    return (this.#select.all(name.multihash) as unknown as AnomalyRow[]).map(anomalyOf);
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }
}
