import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { messageOf, openForWriting } from "./open-database.ts";
import { OpenError } from "./open-error.ts";
import { PinWriter } from "./pin-writer.ts";
import { RecordWriter } from "./record-writer.ts";
import type {
  FromStoreThread,
  StoreAnswer,
  StoreJob,
  StoreThreadOptions,
  ToStoreThread,
} from "./store-messages.ts";

/** Keeps a commit short: the first job of a group waits for the whole group. */
const GROUP_JOBS_MAX = 512;

assert(parentPort !== null, "store-thread runs as a worker only");
const port = parentPort;
serve(workerData as StoreThreadOptions);

/** Everything that writes to the database, on the only connection that can. */
function serve(options: StoreThreadOptions): void {
  let opened: ReturnType<typeof openForWriting>;
  try {
    opened = openForWriting(options);
  } catch (err) {
    const reason = err instanceof OpenError ? err.reason : "unusable";
    post({ kind: "refused", reason, message: messageOf(err) });
    port.close();
    return;
  }
  const { db, lock } = opened;
  const writers: Writers = { records: new RecordWriter(db), pins: new PinWriter(db) };
  port.on("message", (first: ToStoreThread) => {
    const { jobs, isLast } = drainMessages(first);
    if (jobs.length > 0) post(commitGroup(db, writers, jobs));
    if (!isLast) return;
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    db.close();
    lock.close();
    port.close();
  });
  const row = db.prepare("SELECT count(*) AS record_count FROM records").get();
  post({ kind: "opened", recordCount: Number(row?.["record_count"]) });
}

/** What arrived while the last commit ran shares the next one: the more load, the larger the groups. */
function drainMessages(first: ToStoreThread): { jobs: StoreJob[]; isLast: boolean } {
  const jobs: StoreJob[] = [];
  let message: ToStoreThread | undefined = first;
  while (message?.kind === "jobs") {
    jobs.push(...message.jobs);
    if (jobs.length >= GROUP_JOBS_MAX) break;
    message = (receiveMessageOnPort(port) as { message: ToStoreThread } | undefined)?.message;
  }
  return { jobs, isLast: message?.kind === "close" };
}

interface Writers {
  readonly records: RecordWriter;
  readonly pins: PinWriter;
}

function commitGroup(db: DatabaseSync, writers: Writers, jobs: readonly StoreJob[]): FromStoreThread {
  try {
    db.exec("BEGIN IMMEDIATE");
    const answers = jobs.map((job) => runJob(writers, job));
    db.exec("COMMIT");
    return { kind: "committed", answers };
  } catch (err) {
    // SQLite has rolled back by itself after some errors (a full disk) and not after others.
    if (db.isTransaction) db.exec("ROLLBACK");
    return { kind: "failed", jobCount: jobs.length, message: messageOf(err) };
  }
}

function runJob({ records, pins }: Writers, job: StoreJob): StoreAnswer {
  switch (job.kind) {
    case "put-record":
      return records.put(job);
    case "confirm-records":
      return records.confirm(job);
    case "pin-roots":
      return pins.pin(job);
  }
}

function post(message: FromStoreThread): void {
  port.postMessage(message);
}
