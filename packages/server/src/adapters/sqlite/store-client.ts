import type { Worker } from "node:worker_threads";
import { HoldfastError } from "@holdfast/core";
import type { Logger } from "../../telemetry/logger.ts";
import { spawnThread } from "../threads/spawn-thread.ts";
import type {
  AnswerTo,
  FromStoreThread,
  StoreAnswer,
  StoreJob,
  StoreThreadOptions,
  ToStoreThread,
} from "./store-messages.ts";

export interface StoreClientParts {
  readonly logger: Logger;
  /** Called once when the thread dies. Nothing can be stored from then on, so the process should end. */
  readonly onFatal: (err: HoldfastError) => void;
  /** For tests that end the thread. */
  readonly spawn?: typeof spawnThread;
}

export interface StoreClientOptions extends StoreThreadOptions {
  readonly waitingMax: number;
}

/** One message stays small enough that a group, which takes whole messages, does not outgrow its bound by much. */
const MESSAGE_JOBS_MAX = 128;

/**
 * The main thread's side of the store thread: posts jobs in the order of the calls and settles them in that order, after
 * the commit.
 */
export class StoreClient implements AsyncDisposable {
  /** How many names had a record when the database was opened. */
  readonly recordCountAtOpen: number;

  readonly #worker: Worker;
  readonly #parts: StoreClientParts;
  readonly #waitingMax: number;
  readonly #exited: Promise<void>;
  /** Accepted jobs, oldest first; those before `#sentCount` are with the thread. */
  #waiting: WaitingJob[] = [];
  #sentCount = 0;
  #isSendScheduled = false;
  #isClosing = false;
  #isRefusing = false;
  #failure: HoldfastError | undefined;
  #drained: (() => void) | undefined;

  /** @throws HoldfastError `STORE_FAILED`; `details.reason` is the `OpenProblem`. */
  static async open(parts: StoreClientParts, options: StoreClientOptions): Promise<StoreClient> {
    const { databasePath, lockPath, databasePagesMax } = options;
    const workerData: StoreThreadOptions = {
      databasePath,
      lockPath,
      ...(databasePagesMax === undefined ? {} : { databasePagesMax }),
    };
    const worker = (parts.spawn ?? spawnThread)("./store-thread", import.meta.url, { workerData });
    const recordCount = await openedBy(worker);
    return new StoreClient(worker, recordCount, parts, options);
  }

  private constructor(
    worker: Worker,
    recordCount: number,
    parts: StoreClientParts,
    { waitingMax }: StoreClientOptions,
  ) {
    this.#worker = worker;
    this.recordCountAtOpen = recordCount;
    this.#parts = parts;
    this.#waitingMax = waitingMax;
    worker.on("message", (message: FromStoreThread) => this.#settle(message));
    worker.on("error", (err) => this.#fail(err));
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        if (!this.#isClosing || this.#waiting.length > 0) this.#fail(new Error("The store thread ended"));
        resolve();
      });
    });
  }

  /**
   * Settles after the job's commit.
   *
   * @throws HoldfastError `OVERLOADED` when too many jobs wait, `STORE_FAILED` when the commit failed or the thread died,
   * `SHUTTING_DOWN` after disposal began.
   */
  run<Job extends StoreJob>(job: Job): Promise<AnswerTo<Job>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#isClosing) return Promise.reject(new HoldfastError("SHUTTING_DOWN", "The store is closing"));
    if (this.#waiting.length >= this.#waitingMax) {
      return Promise.reject(new HoldfastError("OVERLOADED", "Too many writes wait for the disk"));
    }
    return new Promise((resolve, reject) => {
      // The thread answers job by job, so an answer's type is the one of its job.
      this.#waiting.push({ job, resolve: resolve as (answer: StoreAnswer) => void, reject });
      if (this.#isSendScheduled) return;
      this.#isSendScheduled = true;
      setImmediate(() => this.#send());
    });
  }

  /** Whether the last commit failed, e.g. because the disk is full. */
  get isRefusing(): boolean {
    return this.#isRefusing;
  }

  /** Waits for everything accepted, then checkpoints, closes the database and ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    if (this.#waiting.length > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    this.#worker.postMessage({ kind: "close" } satisfies ToStoreThread);
    await this.#exited;
  }

  /** Once per turn of the event loop: what one turn read from its sockets shares its messages. */
  #send(): void {
    this.#isSendScheduled = false;
    while (this.#sentCount < this.#waiting.length) {
      const jobs = this.#waiting.slice(this.#sentCount, this.#sentCount + MESSAGE_JOBS_MAX);
      this.#sentCount += jobs.length;
      const message: ToStoreThread = { kind: "jobs", jobs: jobs.map(({ job }) => job) };
      this.#worker.postMessage(message);
    }
  }

  #settle(message: FromStoreThread): void {
    if (message.kind === "committed") {
      const jobs = this.#takeSent(message.answers.length);
      // The lists have the same length: the thread answers whole groups, in order.
      message.answers.forEach((answer, index) => jobs[index]?.resolve(answer));
      this.#isRefusing = false;
    } else if (message.kind === "failed") {
      this.#isRefusing = true;
      this.#parts.logger.error({ jobs: message.jobCount, reason: message.message }, "commit failed");
      const cause = new Error(message.message);
      const err = new HoldfastError("STORE_FAILED", "The disk refused the write", { cause });
      for (const { reject } of this.#takeSent(message.jobCount)) reject(err);
    }
    if (this.#waiting.length === 0) this.#drained?.();
  }

  #takeSent(count: number): WaitingJob[] {
    const taken = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    this.#sentCount -= taken.length;
    return taken;
  }

  #fail(cause: Error): void {
    if (this.#failure !== undefined) return;
    const err = new HoldfastError("STORE_FAILED", "The store thread died", { cause });
    this.#failure = err;
    const lost = this.#waiting;
    this.#waiting = [];
    this.#sentCount = 0;
    for (const { reject } of lost) reject(err);
    this.#drained?.();
    this.#parts.logger.fatal({ err: cause, lost: lost.length }, "store thread died");
    this.#parts.onFatal(err);
  }
}

/** The number of names in the database, once the thread has opened it. */
function openedBy(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: FromStoreThread): void => {
      worker.off("error", onEnd).off("exit", onExit);
      if (message.kind === "opened") resolve(message.recordCount);
      if (message.kind === "refused") {
        reject(new HoldfastError("STORE_FAILED", message.message, { details: { reason: message.reason } }));
      }
    };
    const onEnd = (cause: Error): void => {
      reject(new HoldfastError("STORE_FAILED", "The store thread could not start", { cause }));
    };
    const onExit = (): void => onEnd(new Error("The store thread ended"));
    worker.once("message", onMessage).once("error", onEnd).once("exit", onExit);
  });
}

interface WaitingJob {
  readonly job: StoreJob;
  readonly resolve: (answer: StoreAnswer) => void;
  readonly reject: (err: HoldfastError) => void;
}
