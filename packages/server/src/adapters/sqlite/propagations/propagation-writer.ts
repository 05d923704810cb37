import type { DatabaseSync, StatementSync } from "node:sqlite";
import { timesWhenStored } from "../../../records/keep-alive/keep-alive-times.ts";
import type {
  PropagationAnswers,
  PropagationChange,
  PropagationJob,
  SaveOperationJob,
  SetPropagationTargetsJob,
  SettlePropagationsJob,
} from "./propagation-messages.ts";
import { fractionOf, numberOfLane } from "./propagation-rows.ts";
import { PropagationTender } from "./propagation-tender.ts";
import type { PutRecordJob } from "../store-messages.ts";

/** So many operations that have ended can still be looked up. */
const OPERATIONS_KEPT = 100;

/** The statements that change propagations. Every method runs inside the caller's transaction. */
export class PropagationWriter {
  readonly #db: DatabaseSync;
  readonly #tender: PropagationTender;
  readonly #selectTargets: StatementSync;
  readonly #store: StatementSync;
  readonly #confirm: StatementSync;
  readonly #fail: StatementSync;
  readonly #drop: StatementSync;
  /** Undefined after a change: a transaction that is rolled back must not leave anything behind here. */
  #targets: readonly number[] | undefined;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#tender = new PropagationTender(db);
    this.#selectTargets = db.prepare("SELECT id FROM propagation_targets WHERE is_wanted = 1");
    this.#store = db.prepare(STORE);
    this.#confirm = db.prepare(
      `UPDATE propagations
       SET lane = ${numberOfLane("kept")}, due_at_ms = ?, dark_at_ms = ?, confirmed_at_ms = ?,
         confirmed_version = version, attempts = 0, problem = NULL
       WHERE name = ? AND target = ? AND version = ?`,
    );
    this.#fail = db.prepare(
      `UPDATE propagations SET lane = ${numberOfLane("retry")}, due_at_ms = ?, attempts = attempts + 1, problem = ?
       WHERE name = ? AND target = ? AND version = ?`,
    );
    this.#drop = db.prepare("DELETE FROM propagations WHERE name = ? AND target = ? AND version = ?");
  }

  /** To be called for each record that was stored, in the same transaction. */
  noteStored({ name, origin, receivedAtMs, eolMs }: PutRecordJob): void {
    const targets = this.#wantedTargets();
    if (targets.length === 0) return;
    const times = timesWhenStored({ origin, receivedAtMs, eolMs, fraction: fractionOf(name) });
    const lane = numberOfLane(times.lane);
    for (const target of targets) {
      this.#store.run(name, target, eolMs, lane, times.dueAtMs, times.darkAtMs ?? null);
    }
  }

  run(job: PropagationJob): PropagationAnswers[PropagationJob["kind"]] {
    switch (job.kind) {
      case "set-propagation-targets":
        return this.#setTargets(job);
      case "tend-propagations":
        return this.#tender.tend(job);
      case "settle-propagations":
        return this.#settle(job);
      case "save-operation":
        return this.#saveOperation(job);
    }
  }

  #wantedTargets(): readonly number[] {
    this.#targets ??= this.#selectTargets.all().map((row) => Number(row["id"]));
    return this.#targets;
  }

  #setTargets({ labels }: SetPropagationTargetsJob): PropagationAnswers["set-propagation-targets"] {
    this.#targets = undefined;
    this.#db.exec("UPDATE propagation_targets SET is_wanted = 0");
    // One that comes back while its rows are being deleted is filled from the beginning again.
    const add = this.#db.prepare(
      `INSERT INTO propagation_targets (label, is_wanted, filled_to) VALUES (?, 1, x'')
       ON CONFLICT (label) DO UPDATE SET is_wanted = 1`,
    );
    for (const label of labels) add.run(label);
    return this.#db
      .prepare("SELECT id, label FROM propagation_targets WHERE is_wanted = 1")
      .all()
      .map((row) => ({ id: Number(row["id"]), label: String(row["label"]) }));
  }

  #settle({ outcomes }: SettlePropagationsJob): null {
    for (const outcome of outcomes) this.#settleOne(outcome);
    return null;
  }

  #settleOne({ name, target, version, result }: PropagationChange): void {
    switch (result.kind) {
      case "confirmed":
        this.#confirm.run(result.dueAtMs, result.darkAtMs ?? null, result.atMs, name, target, version);
        return;
      case "failed":
        this.#fail.run(result.dueAtMs, result.problem, name, target, version);
        return;
      case "dropped":
        this.#drop.run(name, target, version);
    }
  }

  #saveOperation(job: SaveOperationJob): null {
    this.#db
      .prepare("INSERT OR REPLACE INTO operations VALUES (?, ?, ?, ?, ?, ?)")
      .run(job.id, job.operationKind, job.state, job.startedAtMs, job.endedAtMs, job.progress);
    this.#db
      .prepare(
        `DELETE FROM operations WHERE id IN (
           SELECT id FROM operations WHERE ended_at_ms IS NOT NULL ORDER BY ended_at_ms DESC LIMIT -1 OFFSET ?)`,
      )
      .run(OPERATIONS_KEPT);
    return null;
  }
}

/**
 * A newer record never makes a name due later, and never makes it go dark later: what the target holds until then is the old one,
 * which it forgets at its own EOL if that comes first.
 */
const STORE = `
  INSERT INTO propagations (name, target, version, eol_ms, lane, due_at_ms, dark_at_ms, attempts)
  VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, 0)
  ON CONFLICT DO UPDATE SET
    version = version + 1, eol_ms = ?3, lane = ?4, due_at_ms = min(due_at_ms, ?5), attempts = 0, problem = NULL,
    dark_at_ms = nullif(min(coalesce(dark_at_ms, eol_ms), ?3), ?3)`;
