import type { DatabaseSync, StatementSync } from "node:sqlite";
import { interestOf, mergeAnomalies } from "../../../records/anomalies/anomaly-store.ts";
import type { AddAnomaliesJob, AnomalyRow } from "./anomaly-messages.ts";
import { anomalyOf, rowOf } from "./anomaly-rows.ts";

/** Rows are dropped some at a time: to find those that tell least takes a look at all of them. */
const SLACK = 1 / 16;

/** The statements that change anomalies. Every method runs inside the caller's transaction. */
export class AnomalyWriter {
  readonly #select: StatementSync;
  readonly #replace: StatementSync;
  readonly #count: StatementSync;
  readonly #drop: StatementSync;

  constructor(db: DatabaseSync) {
    this.#select = db.prepare("SELECT * FROM anomalies WHERE name = ? AND kind = ?");
    this.#replace = db.prepare(
      "INSERT OR REPLACE INTO anomalies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    this.#count = db.prepare("SELECT count(*) AS anomalies FROM anomalies");
    this.#drop = db.prepare(
      `DELETE FROM anomalies WHERE rowid IN (
         SELECT rowid FROM anomalies ORDER BY interest, last_seen_ms LIMIT ?)`,
    );
  }

  add({ notes, anomaliesMax }: AddAnomaliesJob): null {
    for (const note of notes) this.#add(note);
    const count = Number(this.#count.get()?.["anomalies"]);
    if (count > anomaliesMax) this.#drop.run(count - Math.floor(anomaliesMax * (1 - SLACK)));
    return null;
  }

  #add(note: AnomalyRow): void {
    const known = this.#select.get(note.name, note.kind) as AnomalyRow | undefined;
    const anomaly = known === undefined ? anomalyOf(note) : mergeAnomalies(anomalyOf(known), anomalyOf(note));
    const row = rowOf(note.name, anomaly);
    this.#replace.run(
      row.name,
      row.kind,
      interestOf(anomaly),
      row.first_seen_ms,
      row.last_seen_ms,
      row.client_count,
      row.network_count,
      row.peer_push_count,
      row.sequence,
      row.stored_sequence,
      row.value_sha256,
      row.via,
    );
  }
}
