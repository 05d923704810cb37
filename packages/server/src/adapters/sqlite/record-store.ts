import { join } from "node:path";
import { HoldfastError, type IpnsName, restoreRecord, type ValidatedRecord } from "@holdfast/core";
import type { PutResult, RecordOrigin, RecordStore, StoredRecord } from "../../records/record-store.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { spawnThread } from "../threads/spawn-thread.ts";
import { ConfirmBuffer } from "./confirm-buffer.ts";
import { SqlitePinnedRoots } from "./pinned-roots.ts";
import { openRecordReader, type RecordReader } from "./record-reader.ts";
import { StoreClient } from "./store-client.ts";
import type { PutRecordAnswer } from "./store-messages.ts";

export interface SqliteRecordStoreParts {
  readonly logger: Logger;
  /** Called once when the store thread dies: nothing can be stored from then on. Reads still work. */
  readonly onFatal?: (err: HoldfastError) => void;
  /** For tests that end the thread. */
  readonly spawn?: typeof spawnThread;
}

export interface SqliteRecordStoreOptions {
  /** Made when missing. Belongs to one process at a time. */
  readonly dataDir: string;
  /** Writes accepted and not answered yet; one more is refused with `OVERLOADED`. */
  readonly waitingMax?: number;
  /** How long a confirmation may wait for a put to share its commit with. */
  readonly confirmDelayMs?: number;
  /** Names with a confirmation not written yet; those of further names are dropped, which costs a lookup each. */
  readonly confirmNamesMax?: number;
  /** A bound on the database file, in pages of 4 KiB; past it every put fails as on a full disk. */
  readonly databasePagesMax?: number;
}

/**
 * Records in one SQLite file. The store thread is the only writer and commits in groups; this side reads through a read-only
 * connection of its own, so no commit and no fsync ever runs on the calling thread.
 */
export class SqliteRecordStore implements RecordStore {
  /** For `openRecordReader` on other threads. */
  readonly databasePath: string;
  /** In the same database, through the same thread. Ends with this store. */
  readonly pinnedRoots: SqlitePinnedRoots;
  readonly #client: StoreClient;
  readonly #reader: RecordReader;
  readonly #confirms: ConfirmBuffer;
  readonly #confirmDelayMs: number;
  readonly #logger: Logger;
  #confirmTimer: NodeJS.Timeout | undefined;
  #confirmsWritten: Promise<void> = Promise.resolve();
  #recordCount: number;

  /**
   * @throws HoldfastError `STORE_FAILED`; `details.reason` says why: `locked` (another process has the data directory),
   * `newer-schema` (a later version wrote it), `unusable` (not a database, no permission, …).
   */
  static async open(
    parts: SqliteRecordStoreParts,
    options: SqliteRecordStoreOptions,
  ): Promise<SqliteRecordStore> {
    const { dataDir, waitingMax = 8192, databasePagesMax } = options;
    const databasePath = join(dataDir, "holdfast.db");
    const client = await StoreClient.open(
      { onFatal: () => undefined, ...parts },
      {
        databasePath,
        lockPath: join(dataDir, "holdfast.lock"),
        waitingMax,
        ...(databasePagesMax === undefined ? {} : { databasePagesMax }),
      },
    );
    try {
      return new SqliteRecordStore(client, databasePath, parts, options);
    } catch (cause) {
      await client[Symbol.asyncDispose]();
      throw new HoldfastError("STORE_FAILED", "The database cannot be read", {
        cause,
        details: { reason: "unusable" },
      });
    }
  }

  private constructor(
    client: StoreClient,
    databasePath: string,
    { logger }: SqliteRecordStoreParts,
    { confirmDelayMs = 1_000, confirmNamesMax = 8192 }: SqliteRecordStoreOptions,
  ) {
    this.#client = client;
    this.databasePath = databasePath;
    this.#reader = openRecordReader(databasePath, {
      onUnreadable: (err) => logger.error({ err }, "stored record is unreadable"),
    });
    this.pinnedRoots = new SqlitePinnedRoots(client, databasePath);
    this.#recordCount = client.recordCountAtOpen;
    this.#confirms = new ConfirmBuffer({ namesMax: confirmNamesMax });
    this.#confirmDelayMs = confirmDelayMs;
    this.#logger = logger;
  }

  get(name: IpnsName): StoredRecord | undefined {
    const stored = this.#reader.get(name);
    return stored === undefined ? undefined : this.#withConfirmation(stored);
  }

  async put(
    record: ValidatedRecord,
    facts: { readonly origin: RecordOrigin; readonly receivedAtMs: number },
  ): Promise<PutResult> {
    this.#writeConfirms();
    const answer = await this.#client.run({
      kind: "put-record",
      // Copies: a posted view would clone the whole buffer behind it, such as a request's body.
      name: new Uint8Array(record.name.multihash),
      bytes: new Uint8Array(record.bytes),
      ...facts,
    });
    if (answer.isNewName) this.#recordCount += 1;
    return { outcome: answer.outcome, current: this.#withConfirmation(storedFrom(answer, record)) };
  }

  confirm(name: IpnsName, checkedAtMs: number): void {
    if (!this.#confirms.note(name, checkedAtMs)) {
      this.#logger.debug("confirmation dropped, too many wait");
      return;
    }
    this.#scheduleConfirms();
  }

  history(name: IpnsName): readonly Omit<StoredRecord, "checkedAtMs">[] {
    return this.#reader.history(name);
  }

  count(): number {
    return this.#recordCount;
  }

  /** Settles all that was accepted, writes the confirmations, checkpoints and ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    // One write of confirmations is outstanding at a time; what was noted since goes with a second one.
    await this.#confirmsWritten;
    this.#writeConfirms();
    await this.#client[Symbol.asyncDispose]();
    clearTimeout(this.#confirmTimer);
    this.#reader[Symbol.dispose]();
    this.pinnedRoots[Symbol.dispose]();
  }

  #withConfirmation(stored: StoredRecord): StoredRecord {
    const checkedAtMs = this.#confirms.checkedAtMsOf(stored.record.name);
    return checkedAtMs > stored.checkedAtMs ? { ...stored, checkedAtMs } : stored;
  }

  #scheduleConfirms(): void {
    if (this.#confirmTimer !== undefined || this.#confirms.isEmpty) return;
    this.#confirmTimer = setTimeout(() => {
      this.#confirmTimer = undefined;
      this.#writeConfirms();
    }, this.#confirmDelayMs);
    this.#confirmTimer.unref();
  }

  #writeConfirms(): void {
    const confirmations = this.#confirms.take();
    if (confirmations.length === 0) return;
    const settle = (isWritten: boolean): void => {
      this.#confirms.settle({ isWritten });
      this.#scheduleConfirms();
    };
    this.#confirmsWritten = this.#client.run({ kind: "confirm-records", confirmations }).then(
      () => settle(true),
      // The client has logged why. The confirmations go with a later commit, or cost a lookup each.
      () => settle(false),
    );
  }
}

function storedFrom(answer: PutRecordAnswer, incoming: ValidatedRecord): StoredRecord {
  const { bytes, origin, receivedAtMs, checkedAtMs } = answer;
  const record = bytes === undefined ? incoming : restoreRecord(bytes, incoming.name);
  return { record, origin, receivedAtMs, checkedAtMs };
}
