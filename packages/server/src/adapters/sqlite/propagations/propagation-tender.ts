import type { DatabaseSync, StatementSync } from "node:sqlite";
import { decodeRecord } from "@holdfast/core";
import { timesWhenStored } from "../../../records/keep-alive/keep-alive-times.ts";
import type { TendPropagationsJob } from "./propagation-messages.ts";
import { fractionOf, numberOfLane } from "./propagation-rows.ts";

/**
 * Makes the rows of names that were stored before a target was configured, and deletes those of targets that no longer are. In small
 * pieces: a million names must not keep a put waiting. Every method runs inside the caller's transaction.
 */
export class PropagationTender {
  readonly #selectTarget: StatementSync;
  readonly #selectRecords: StatementSync;
  readonly #insert: StatementSync;
  readonly #setFilledTo: StatementSync;
  readonly #deleteRows: StatementSync;
  readonly #deleteTarget: StatementSync;

  constructor(db: DatabaseSync) {
    this.#selectTarget = db.prepare(
      "SELECT id, is_wanted, filled_to FROM propagation_targets WHERE is_wanted = 0 OR filled_to IS NOT NULL LIMIT 1",
    );
    this.#selectRecords = db.prepare("SELECT name, bytes FROM records WHERE name > ? ORDER BY name LIMIT ?");
    this.#insert = db.prepare(
      `INSERT OR IGNORE INTO propagations (name, target, version, eol_ms, lane, due_at_ms, dark_at_ms, attempts)
       VALUES (?, ?, 0, ?, ?, ?, ?, 0)`,
    );
    this.#setFilledTo = db.prepare("UPDATE propagation_targets SET filled_to = ? WHERE id = ?");
    this.#deleteRows = db.prepare(
      `DELETE FROM propagations WHERE (name, target) IN (
         SELECT name, target FROM propagations INDEXED BY propagations_due WHERE target = ? LIMIT ?)`,
    );
    this.#deleteTarget = db.prepare("DELETE FROM propagation_targets WHERE id = ?");
  }

  /** @returns whether there is more to do. */
  tend(job: TendPropagationsJob): boolean {
    const target = this.#selectTarget.get() as TargetRow | undefined;
    if (target === undefined) return false;
    if (target.is_wanted === 0) this.#delete(target, job);
    else this.#fill(target, job);
    return true;
  }

  #delete({ id }: TargetRow, { namesMax }: TendPropagationsJob): void {
    const { changes } = this.#deleteRows.run(id, namesMax);
    if (Number(changes) < namesMax) this.#deleteTarget.run(id);
    // If it is configured again meanwhile, its first names have no rows any more.
    else this.#setFilledTo.run(new Uint8Array(), id);
  }

  #fill({ id, filled_to: filledTo }: TargetRow, { nowMs, namesMax }: TendPropagationsJob): void {
    const rows = this.#selectRecords.all(filledTo, namesMax) as unknown as RecordRow[];
    for (const row of rows) this.#insertRow(id, row, nowMs);
    this.#setFilledTo.run(rows.length < namesMax ? null : (rows.at(-1)?.name ?? null), id);
  }

  #insertRow(target: number, { name, bytes }: RecordRow, nowMs: number): void {
    const eolMs = eolMsOf(bytes);
    if (eolMs === undefined || nowMs > eolMs) return;
    const facts = { origin: "network", receivedAtMs: nowMs, eolMs, fraction: fractionOf(name) } as const;
    const { lane, dueAtMs, darkAtMs } = timesWhenStored(facts);
    this.#insert.run(name, target, eolMs, numberOfLane(lane), dueAtMs, darkAtMs ?? null);
  }
}

/** Undefined for stored bytes that are no record any more: there is nothing to be put. */
function eolMsOf(bytes: Uint8Array): number | undefined {
  try {
    return decodeRecord(bytes).eolMs;
  } catch {
    return undefined;
  }
}

interface TargetRow {
  readonly id: number;
  readonly is_wanted: number;
  readonly filled_to: Uint8Array;
}

interface RecordRow {
  readonly name: Uint8Array;
  readonly bytes: Uint8Array;
}
