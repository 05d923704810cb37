import type { ExpectedSequence } from "../../records/expected-sequence.ts";
import type { PutResult, RecordOrigin, ReplacedRecord } from "../../records/record-store.ts";
import type { AnnouncementJob } from "./announcements/announcement-messages.ts";
import type { AddAnomaliesJob } from "./anomalies/anomaly-messages.ts";
import type { FollowJob } from "./pins/follow-messages.ts";
import type { ApiPinAnswers, ApiPinJob } from "./pins/api-pin-messages.ts";
import type { PinAnswers, PinJob } from "./pins/pin-messages.ts";
import type { PropagationAnswers, PropagationJob } from "./propagations/propagation-messages.ts";
import type { WebhookJob } from "./webhooks/webhook-messages.ts";

/** Puts one validated record in place of the current one of its name, if it is better. */
export interface PutRecordJob {
  readonly kind: "put-record";
  /** The name's multihash. */
  readonly name: Uint8Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly origin: RecordOrigin;
  readonly receivedAtMs: number;
  readonly eolMs: number;
  readonly expected?: ExpectedSequence | undefined;
}

/** Nothing was stored, because something else was expected. `bytes` are those of the stored record, if there is one. */
export interface PutConflictAnswer {
  readonly outcome: "conflict";
  readonly bytes?: Uint8Array;
}

export interface PutRecordAnswer {
  readonly outcome: PutResult["outcome"];
  readonly isNewName: boolean;
  /** What is stored now. `bytes` only when they are not those of the job. */
  readonly bytes?: Uint8Array;
  readonly origin: RecordOrigin;
  readonly receivedAtMs: number;
  readonly checkedAtMs: number;
  readonly replaced?: ReplacedRecord;
}

export interface ConfirmRecordsJob {
  readonly kind: "confirm-records";
  readonly confirmations: readonly Confirmation[];
}

export interface Confirmation {
  readonly name: Uint8Array<ArrayBuffer>;
  readonly checkedAtMs: number;
}

/**
 * What the store thread can be asked to do, each as one step of a transaction. A new kind is one more member here, its
 * answer below, and a case in `store-thread.ts`.
 */
export type StoreJob =
  | PutRecordJob
  | ConfirmRecordsJob
  | PinJob
  | ApiPinJob
  | AddAnomaliesJob
  | AnnouncementJob
  | FollowJob
  | PropagationJob
  | WebhookJob;

interface StoreAnswers extends PropagationAnswers, PinAnswers, ApiPinAnswers {
  readonly "put-record": PutRecordAnswer | PutConflictAnswer;
  readonly "confirm-records": null;
  readonly "add-anomalies": null;
  readonly announcement: null;
  readonly "follow-names": null;
  readonly "watch-webhooks": null;
  readonly "remove-webhook-deliveries": null;
}

export type StoreAnswer = StoreAnswers[StoreJob["kind"]];
export type AnswerTo<Job extends StoreJob> = StoreAnswers[Job["kind"]];

export type ToStoreThread =
  | { readonly kind: "jobs"; readonly jobs: readonly StoreJob[] }
  /** The last message: the thread checkpoints, closes the database and ends. */
  | { readonly kind: "close" };

export type FromStoreThread =
  | { readonly kind: "opened"; readonly recordCount: number }
  | { readonly kind: "refused"; readonly reason: OpenProblem; readonly message: string }
  /** The answers to the next jobs in the order in which they were posted; their commit has reached the disk. */
  | { readonly kind: "committed"; readonly answers: readonly StoreAnswer[] }
  /** Nothing of the next `jobCount` jobs was written. */
  | { readonly kind: "failed"; readonly jobCount: number; readonly message: string };

export type OpenProblem = "locked" | "newer-schema" | "unusable";

/** The thread's `workerData`. */
export interface StoreThreadOptions {
  readonly databasePath: string;
  readonly lockPath: string;
  readonly databasePagesMax?: number;
}
