import type { DatabaseSync, StatementSync } from "node:sqlite";
import { decodeRecord, type IpnsRecord } from "@holdfast/core";
import { isAsExpected } from "../../records/expected-sequence.ts";
import { HISTORY_RECORDS_MAX, type RecordOrigin } from "../../records/record-store.ts";
import { takesPlaceOf } from "../../records/takes-place-of.ts";
import type {
  ConfirmRecordsJob,
  PutConflictAnswer,
  PutRecordAnswer,
  PutRecordJob,
} from "./store-messages.ts";

/** The statements that change records. Every method runs inside the caller's transaction. */
export class RecordWriter {
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #replace: StatementSync;
  readonly #keepSuperseded: StatementSync;
  readonly #dropOldest: StatementSync;
  readonly #confirm: StatementSync;

  constructor(db: DatabaseSync) {
    this.#select = db.prepare(
      "SELECT bytes, origin, received_at_ms, checked_at_ms, superseded_count FROM records WHERE name = ?",
    );
    this.#insert = db.prepare("INSERT INTO records VALUES (?, ?, ?, ?, ?, 0)");
    this.#replace = db.prepare(
      `UPDATE records SET bytes = ?, origin = ?, received_at_ms = ?, checked_at_ms = ?, superseded_count = superseded_count + 1
       WHERE name = ?`,
    );
    this.#keepSuperseded = db.prepare("INSERT INTO superseded_records VALUES (?, ?, ?, ?, ?)");
    this.#dropOldest = db.prepare("DELETE FROM superseded_records WHERE name = ? AND position <= ?");
    // The condition keeps the instant from moving back, and spares the page when nothing would change.
    this.#confirm = db.prepare(
      "UPDATE records SET checked_at_ms = ?1 WHERE name = ?2 AND checked_at_ms < ?1",
    );
  }

  /** Which of two records wins is decided by core alone: the table has no second copy of the rule. */
  put(job: PutRecordJob): PutRecordAnswer | PutConflictAnswer {
    const current = this.#select.get(job.name) as RecordRow | undefined;
    const stored = current === undefined ? undefined : decodeStored(current.bytes);
    const isSame = current !== undefined && Buffer.compare(current.bytes, job.bytes) === 0;
    if (job.expected !== undefined && !isSame && !isAsExpected(job.expected, stored, job.receivedAtMs)) {
      return { outcome: "conflict", ...(stored === undefined ? {} : { bytes: stored.bytes }) };
    }
    if (current === undefined) return this.#putFirst(job);
    if (stored === undefined || takesPlaceOf(decodeRecord(job.bytes), stored, job.receivedAtMs)) {
      const answer = this.#supersede(job, current);
      if (stored === undefined) return answer;
      return { ...answer, replaced: { sequence: stored.sequence, value: new Uint8Array(stored.value) } };
    }
    return {
      outcome: isSame ? "unchanged" : "superseded",
      isNewName: false,
      bytes: current.bytes,
      origin: current.origin,
      receivedAtMs: current.received_at_ms,
      checkedAtMs: current.checked_at_ms,
    };
  }

  confirm({ confirmations }: ConfirmRecordsJob): null {
    for (const { name, checkedAtMs } of confirmations) this.#confirm.run(checkedAtMs, name);
    return null;
  }

  #putFirst({ name, bytes, origin, receivedAtMs }: PutRecordJob): PutRecordAnswer {
    this.#insert.run(name, bytes, origin, receivedAtMs, receivedAtMs);
    return { outcome: "stored", isNewName: true, origin, receivedAtMs, checkedAtMs: receivedAtMs };
  }

  #supersede({ name, bytes, origin, receivedAtMs }: PutRecordJob, current: RecordRow): PutRecordAnswer {
    const position = current.superseded_count;
    this.#keepSuperseded.run(name, position, current.bytes, current.origin, current.received_at_ms);
    // The current record is a part of the history, so one less is kept beside it.
    if (position >= HISTORY_RECORDS_MAX - 1) this.#dropOldest.run(name, position - (HISTORY_RECORDS_MAX - 1));
    const checkedAtMs = Math.max(current.checked_at_ms, receivedAtMs);
    this.#replace.run(bytes, origin, receivedAtMs, checkedAtMs, name);
    return { outcome: "stored", isNewName: false, origin, receivedAtMs, checkedAtMs };
  }
}

/** Stored bytes that are no record any more (a damaged file) are undefined: they must not lock the owner out. */
function decodeStored(bytes: Uint8Array): IpnsRecord | undefined {
  try {
    return decodeRecord(bytes);
  } catch {
    return undefined;
  }
}

interface RecordRow {
  readonly bytes: Uint8Array;
  readonly origin: RecordOrigin;
  readonly received_at_ms: number;
  readonly checked_at_ms: number;
  readonly superseded_count: number;
}
