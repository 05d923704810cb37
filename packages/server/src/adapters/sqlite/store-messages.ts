import type { PinSource } from "../../content/pinned-roots.ts";
import type { PutResult, RecordOrigin } from "../../records/record-store.ts";

/** Puts one validated record in place of the current one of its name, if it is better. */
export interface PutRecordJob {
  readonly kind: "put-record";
  /** The name's multihash. */
  readonly name: Uint8Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly origin: RecordOrigin;
  readonly receivedAtMs: number;
}

export interface PutRecordAnswer {
  readonly outcome: PutResult["outcome"];
  readonly isNewName: boolean;
  /** What is stored now. `bytes` only when they are not those of the job. */
  readonly bytes?: Uint8Array;
  readonly origin: RecordOrigin;
  readonly receivedAtMs: number;
  readonly checkedAtMs: number;
}

export interface ConfirmRecordsJob {
  readonly kind: "confirm-records";
  readonly confirmations: readonly Confirmation[];
}

export interface Confirmation {
  readonly name: Uint8Array<ArrayBuffer>;
  readonly checkedAtMs: number;
}

export interface PinRootsJob {
  readonly kind: "pin-roots";
  readonly pins: readonly {
    readonly multihash: Uint8Array<ArrayBuffer>;
    readonly codec: number;
    readonly cidVersion: number;
    readonly recursive: boolean;
    readonly name: string | null;
    readonly source: PinSource;
    readonly pinnedAtMs: number;
    readonly blockBytes: number | null;
  }[];
}

/**
 * What the store thread can be asked to do, each as one step of a transaction. A new kind is one more member here, its
 * answer below, and a case in `store-thread.ts`.
 */
export type StoreJob = PutRecordJob | ConfirmRecordsJob | PinRootsJob;

interface StoreAnswers {
  readonly "put-record": PutRecordAnswer;
  readonly "confirm-records": null;
  readonly "pin-roots": null;
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
