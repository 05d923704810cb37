import { DatabaseSync, type StatementSync } from "node:sqlite";
import { ipnsNameOfMultihash, NAME_SUBJECT_PREFIX } from "@holdfast/core";
import type { AnnouncementLog, AuthorUsage, SettledEvent } from "../../../announce/announcement-log.ts";
import type {
  AnnouncementOutbox,
  NewsItem,
  NewsScope,
  OutgoingAnnouncement,
  OutgoingProgress,
  Subject,
  SubjectKind,
  Walk,
} from "../../../announce/announcement-outbox.ts";
import { cidOf } from "../pins/pin-rows.ts";
import type { AnnouncementStep } from "./announcement-messages.ts";
import type { StoreClient } from "../store-client.ts";

/**
 * What came and went by announcements, in the database of an open `SqliteRecordStore`: written by its store thread in the same
 * groups as records, read through a connection of their own.
 */
export class SqliteAnnouncements implements AnnouncementLog, AnnouncementOutbox, Disposable {
  readonly #client: Pick<StoreClient, "run">;
  readonly #db: DatabaseSync;
  readonly #statements: Statements;

  constructor(client: Pick<StoreClient, "run">, databasePath: string) {
    this.#client = client;
    this.#db = new DatabaseSync(databasePath, { readOnly: true });
    this.#statements = prepareAll(this.#db);
  }

  hasSettled(eventId: string): boolean {
    return this.#statements.settled.get(Buffer.from(eventId, "hex")) !== undefined;
  }

  settle(event: SettledEvent): Promise<void> {
    const { id, charge, ...facts } = event;
    return this.#run([
      // A copy: small buffers are views of a pool, which would be posted as a whole.
      { step: "settle-event", id: new Uint8Array(Buffer.from(id, "hex")), ...facts },
      ...(charge === undefined ? [] : [{ step: "charge", ...charge, bytes: 0 } as const]),
    ]);
  }

  usageOf(author: string, day: number): AuthorUsage {
    const row = this.#statements.usage.get(day, author);
    return { subjects: numberOf(row?.["subjects"]), bytes: numberOf(row?.["bytes"]) };
  }

  subjectsOf(day: number): number {
    return this.usageOf("", day).subjects;
  }

  chargeBytes(author: string, day: number, bytes: number): Promise<void> {
    return this.#run([{ step: "charge", author, day, subjects: 0, bytes: Math.round(bytes) }]);
  }

  highWaterS(relay: string, scope: string): number | undefined {
    const row = this.#statements.highWater.get(relay, scope);
    return row === undefined ? undefined : numberOf(row["high_water_s"]);
  }

  saveHighWater(relay: string, scope: string, highWaterS: number): Promise<void> {
    return this.#run([{ step: "save-high-water", relay, scope, highWaterS }]);
  }

  totals(): { readonly cids: number; readonly names: number } {
    const row = this.#statements.totals.get();
    return { cids: numberOf(row?.["cids"]), names: numberOf(row?.["names"]) };
  }

  forgetEvents(before: {
    readonly settledBeforeS: number;
    readonly createdBeforeS: number;
    readonly day: number;
  }): Promise<void> {
    return this.#run([{ step: "forget-events", ...before }]);
  }

  queue(subjects: readonly Subject[], nowMs: number): Promise<void> {
    return this.#run([{ step: "queue", subjects, nowMs }]);
  }

  saveEvent(event: {
    readonly d: string;
    readonly turn: number;
    readonly eventJson: string;
    readonly createdAtS: number;
  }): Promise<void> {
    return this.#run([{ step: "save-event", ...event }]);
  }

  settleOutgoing(progress: OutgoingProgress): Promise<void> {
    return this.#run([{ step: "settle-outgoing", progress }]);
  }

  due(nowMs: number, limit: number): readonly OutgoingAnnouncement[] {
    return (this.#statements.due.all(nowMs, limit) as unknown as OutgoingRow[]).map(outgoingOf);
  }

  nextAttemptAtMs(): number | undefined {
    const row = this.#statements.next.get();
    return row === undefined ? undefined : numberOf(row["next_attempt_at_ms"]);
  }

  waiting(): number {
    return numberOf(this.#statements.waiting.get()?.["waiting"]);
  }

  unheardPages(ofNewest: number): number {
    return numberOf(this.#statements.unheardPages.get(ofNewest)?.["unheard"]);
  }

  newest(kind: "cid" | "name", limit: number): readonly string[] {
    const rows = this.#statements.newest.all(kind, limit);
    return rows.map((row) => String(row["items"])).reverse();
  }

  names(after: string, limit: number): readonly Subject[] {
    const from = after === "" ? NAME_SUBJECT_PREFIX : after;
    return (this.#statements.names.all(from, NAME_SUBJECTS_END, limit) as unknown as OutgoingRow[]).map(
      subjectOf,
    );
  }

  forgetOutgoing(doneBeforeMs: number, keep: number): Promise<void> {
    return this.#run([{ step: "forget-outgoing", doneBeforeMs, keep }]);
  }

  saveNewsScope(scope: NewsScope): Promise<void> {
    return this.#run([{ step: "save-news-scope", scope }]);
  }

  news(limit: number): readonly NewsItem[] {
    return (this.#statements.news.all(limit) as unknown as NewsRow[]).map(newsOf);
  }

  forgetNews(throughId: number): Promise<void> {
    return this.#run([{ step: "forget-news", throughId }]);
  }

  walk(): Walk | undefined {
    const row = this.#statements.walk.get() as WalkRow | undefined;
    if (row === undefined) return undefined;
    const { started_at_ms: startedAtMs, after_pin: after, pages, cids } = row;
    return { startedAtMs, after: after ?? undefined, pages, cids };
  }

  saveWalk(walk: Walk | undefined): Promise<void> {
    return this.#run([{ step: "save-walk", walk }]);
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }

  async #run(steps: readonly AnnouncementStep[]): Promise<void> {
    await this.#client.run({ kind: "announcement", steps });
  }
}

/** Behind every `d` of a name: those are ASCII. */
const NAME_SUBJECTS_END = `${NAME_SUBJECT_PREFIX}\u{10ffff}`;

type Statements = ReturnType<typeof prepareAll>;

function prepareAll(db: DatabaseSync) {
  const prepare = (sql: string): StatementSync => db.prepare(sql);
  const outgoing = "FROM outgoing_announcements";
  return {
    settled: prepare("SELECT 1 FROM settled_events WHERE id = ?"),
    usage: prepare("SELECT subjects, bytes FROM author_usage WHERE day = ? AND author = ?"),
    highWater: prepare("SELECT high_water_s FROM relay_cursors WHERE relay = ? AND scope = ?"),
    totals: prepare("SELECT cids, names FROM announcement_totals"),
    due: prepare(
      `SELECT * ${outgoing} WHERE next_attempt_at_ms <= ? ORDER BY next_attempt_at_ms, turn LIMIT ?`,
    ),
    next: prepare(
      `SELECT next_attempt_at_ms ${outgoing} WHERE next_attempt_at_ms IS NOT NULL ORDER BY next_attempt_at_ms LIMIT 1`,
    ),
    waiting: prepare(`SELECT count(*) AS waiting ${outgoing} WHERE next_attempt_at_ms IS NOT NULL`),
    unheardPages: prepare(
      `SELECT count(*) AS unheard FROM (
         SELECT next_attempt_at_ms, confirmations ${outgoing} WHERE kind = 'page' ORDER BY turn DESC LIMIT ?
       ) WHERE next_attempt_at_ms IS NOT NULL AND confirmations = 0`,
    ),
    newest: prepare(`SELECT items ${outgoing} WHERE kind = ? ORDER BY turn DESC LIMIT ?`),
    // By the `d` alone: with the kind, each page would sort all names there are.
    names: prepare(`SELECT * ${outgoing} WHERE d > ? AND d < ? ORDER BY d LIMIT ?`),
    news: prepare(
      `SELECT news.id, news.name, pins.multihash, pins.codec, pins.cid_version
       FROM announcement_news AS news
       LEFT JOIN pins ON pins.id = news.pin_id AND pins.state IN ('pinned', 'provided') ORDER BY news.id LIMIT ?`,
    ),
    walk: prepare("SELECT * FROM announcement_walk"),
  };
}

interface OutgoingRow {
  readonly d: string;
  readonly kind: SubjectKind;
  readonly items: string;
  readonly turn: number;
  readonly event: string | null;
  readonly created_at_s: number;
  readonly settled_relays: string;
  readonly confirmations: number;
  readonly attempts: number;
}

interface WalkRow {
  readonly started_at_ms: number;
  readonly after_pin: number | null;
  readonly pages: number;
  readonly cids: number;
}

interface NewsRow {
  readonly id: number;
  readonly name: Uint8Array | null;
  readonly multihash: Uint8Array | null;
  readonly codec: number | null;
  readonly cid_version: number | null;
}

function newsOf({ id, name, multihash, codec, cid_version }: NewsRow): NewsItem {
  if (name !== null) return { id, news: { name: ipnsNameOfMultihash(name) } };
  if (multihash === null || codec === null || cid_version === null) return { id, news: undefined };
  return { id, news: { root: cidOf({ multihash, codec, cid_version }) } };
}

function subjectOf({ kind, d, items }: OutgoingRow): Subject {
  return { kind, d, items: wordsOf(items) };
}

function outgoingOf(row: OutgoingRow): OutgoingAnnouncement {
  return {
    ...subjectOf(row),
    turn: row.turn,
    eventJson: row.event ?? undefined,
    createdAtS: row.created_at_s,
    settledRelays: wordsOf(row.settled_relays),
    confirmations: row.confirmations,
    attempts: row.attempts,
  };
}

function wordsOf(text: string): readonly string[] {
  return text === "" ? [] : text.split(" ");
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
