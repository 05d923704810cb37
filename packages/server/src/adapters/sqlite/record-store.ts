import { join } from "node:path";
import { HoldfastError, type IpnsName, restoreRecord, type ValidatedRecord } from "@holdfast/core";
import { sequenceConflict } from "../../records/expected-sequence.ts";
import type { PutFacts, PutResult, RecordStore, StoredRecord } from "../../records/record-store.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { spawnThread } from "../threads/spawn-thread.ts";
import { SqliteAnnouncements } from "./announcements/announcements.ts";
import { SqliteAnomalyStore } from "./anomalies/anomaly-store.ts";
import { ConfirmBuffer } from "./confirm-buffer.ts";
import { SqliteFollowStore } from "./pins/follow-store.ts";
import { SqliteListedPins } from "./pins/listed-pins.ts";
import { SqliteApiPinStore } from "./pins/api-pin-store.ts";
import { SqlitePinStore } from "./pins/pin-store.ts";
import { SqlitePropagations } from "./propagations/propagations.ts";
import { openRecordReader, type RecordReader } from "./record-reader.ts";
import { StoreClient } from "./store-client.ts";
import type { PutRecordAnswer } from "./store-messages.ts";
import { SqliteWebhookQueue } from "./webhooks/webhook-queue.ts";

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
  /** Anomalies that are kept, by name and kind; about 350 bytes each. */
  readonly anomaliesMax?: number;
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
  readonly pins: SqlitePinStore;
  /** In the same database, through the same thread. Ends with this store. */
  readonly apiPins: SqliteApiPinStore;
  /** In the same database, through the same thread. Ends with this store. */
  readonly anomalies: SqliteAnomalyStore;
  /** In the same database, through the same thread. Ends with this store. */
  readonly webhooks: SqliteWebhookQueue;
  /** In the same database, through the same thread. Ends with this store. */
  readonly propagations: SqlitePropagations;
  /** In the same database, through the same thread. Ends with this store. */
  readonly announcements: SqliteAnnouncements;
  /** In the same database, through the same thread. Ends with this store. */
  readonly follows: SqliteFollowStore;
  /** In the same database. Ends with this store. */
  readonly listedPins: SqliteListedPins;
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
    { confirmDelayMs = 1_000, confirmNamesMax = 8192, anomaliesMax = 10_000 }: SqliteRecordStoreOptions,
  ) {
    this.#client = client;
    this.databasePath = databasePath;
    this.#reader = openRecordReader(databasePath, {
      onUnreadable: (err) => logger.error({ err }, "stored record is unreadable"),
    });
    this.pins = new SqlitePinStore(client, databasePath);
    this.apiPins = new SqliteApiPinStore(client, databasePath);
    this.anomalies = new SqliteAnomalyStore(client, databasePath, { anomaliesMax });
    this.webhooks = new SqliteWebhookQueue(client, databasePath);
    this.propagations = new SqlitePropagations(client, databasePath);
    this.announcements = new SqliteAnnouncements(client, databasePath);
    this.follows = new SqliteFollowStore(client, databasePath);
    this.listedPins = new SqliteListedPins(databasePath);
    this.#recordCount = client.recordCountAtOpen;
    this.#confirms = new ConfirmBuffer({ namesMax: confirmNamesMax });
    this.#confirmDelayMs = confirmDelayMs;
    this.#logger = logger;
  }

  get(name: IpnsName): StoredRecord | undefined {
    const stored = this.#reader.get(name);
    return stored === undefined ? undefined : this.#withConfirmation(stored);
  }

  async put(record: ValidatedRecord, facts: PutFacts): Promise<PutResult> {
    this.#writeConfirms();
    const answer = await this.#client.run({
      kind: "put-record",
      // Copies: a posted view would clone the whole buffer behind it, such as a request's body.
      name: new Uint8Array(record.name.multihash),
      bytes: new Uint8Array(record.bytes),
      eolMs: record.eolMs,
      ...facts,
    });
    if (answer.outcome === "conflict") {
      const stored = answer.bytes === undefined ? undefined : restoreRecord(answer.bytes, record.name);
      throw sequenceConflict(stored, facts.receivedAtMs);
    }
    if (answer.isNewName) this.#recordCount += 1;
    const { outcome, replaced } = answer;
    const current = this.#withConfirmation(storedFrom(answer, record));
    return replaced === undefined ? { outcome, current } : { outcome, current, replaced };
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

  /** Whether the last commit, of whatever kind, failed: true until one succeeds. */
  get isRefusingWrites(): boolean {
    return this.#client.isRefusing;
  }

  /** Settles all that was accepted, writes the confirmations, checkpoints and ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    // One write of confirmations is outstanding at a time; what was noted since goes with a second one.
    await this.#confirmsWritten;
    this.#writeConfirms();
    await this.#client[Symbol.asyncDispose]();
    clearTimeout(this.#confirmTimer);
    this.#reader[Symbol.dispose]();
    this.pins[Symbol.dispose]();
    this.apiPins[Symbol.dispose]();
    this.anomalies[Symbol.dispose]();
    this.webhooks[Symbol.dispose]();
    this.propagations[Symbol.dispose]();
    this.announcements[Symbol.dispose]();
    this.follows[Symbol.dispose]();
    this.listedPins[Symbol.dispose]();
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
