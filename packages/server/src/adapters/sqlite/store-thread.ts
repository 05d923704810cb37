import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { checkpointAndClose } from "../threads/checkpoint-and-close.ts";
import { AnnouncementWriter } from "./announcements/announcement-writer.ts";
import { AnomalyWriter } from "./anomalies/anomaly-writer.ts";
import { ApiPinWriter } from "./pins/api-pin-writer.ts";
import { FollowWriter } from "./pins/follow-writer.ts";
import { messageOf, openForWriting } from "./open-database.ts";
import { OpenError } from "./open-error.ts";
import { PinWriter } from "./pins/pin-writer.ts";
import { PropagationWriter } from "./propagations/propagation-writer.ts";
import { RecordWriter } from "./record-writer.ts";
import type {
  FromStoreThread,
  StoreAnswer,
  StoreJob,
  StoreThreadOptions,
  ToStoreThread,
} from "./store-messages.ts";
import { WebhookWriter } from "./webhooks/webhook-writer.ts";

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
  const writers: Writers = {
    records: new RecordWriter(db),
    anomalies: new AnomalyWriter(db),
    apiPins: new ApiPinWriter(db, new PinWriter(db)),
    announcements: new AnnouncementWriter(db),
    follows: new FollowWriter(db),
    pins: new PinWriter(db),
    propagations: new PropagationWriter(db),
    webhooks: new WebhookWriter(db),
  };
  port.on("message", (first: ToStoreThread) => {
    const { jobs, isLast } = drainMessages(first);
    if (jobs.length > 0) post(commitGroup(db, writers, jobs));
    if (!isLast) return;
    checkpointAndClose(db);
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
  readonly anomalies: AnomalyWriter;
  readonly announcements: AnnouncementWriter;
  readonly follows: FollowWriter;
  readonly pins: PinWriter;
  readonly apiPins: ApiPinWriter;
  readonly webhooks: WebhookWriter;
  readonly propagations: PropagationWriter;
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

function runJob(
  { records, anomalies, apiPins, announcements, follows, pins, propagations, webhooks }: Writers,
  job: StoreJob,
): StoreAnswer {
  switch (job.kind) {
    case "put-record": {
      const answer = records.put(job);
      if (answer.outcome === "stored") propagations.noteStored(job);
      return answer;
    }
    case "confirm-records":
      return records.confirm(job);
    case "add-anomalies":
      return anomalies.add(job);
    case "announcement":
      return announcements.run(job);
    case "follow-names":
      return follows.run(job);
    case "add-pins":
    case "release-pin":
    case "settle-pins":
    case "wake-pins":
    case "set-pin-repository":
      return pins.run(job);
    case "add-api-pin":
    case "remove-api-pin":
    case "release-outlived-pins":
      return apiPins.run(job);
    case "watch-webhooks":
    case "remove-webhook-deliveries":
      return webhooks.run(job);
    case "set-propagation-targets":
    case "tend-propagations":
    case "settle-propagations":
    case "save-operation":
      return propagations.run(job);
  }
}

function post(message: FromStoreThread): void {
  port.postMessage(message);
}
