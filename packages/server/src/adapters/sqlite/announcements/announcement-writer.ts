import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { NewsScope, OutgoingProgress, Subject, Walk } from "../../../announce/announcement-outbox.ts";
import type { AnnouncementJob, AnnouncementStep } from "./announcement-messages.ts";

/** What changes the tables of announcements. Runs inside the caller's transaction. */
export class AnnouncementWriter {
  readonly #settle: StatementSync;
  readonly #count: StatementSync;
  readonly #charge: StatementSync;
  readonly #saveHighWater: StatementSync;
  readonly #forgetEvents: StatementSync;
  readonly #forgetDays: StatementSync;
  readonly #lastTurn: StatementSync;
  readonly #queue: StatementSync;
  readonly #saveEvent: StatementSync;
  readonly #settleOutgoing: StatementSync;
  readonly #forgetOutgoing: StatementSync;
  readonly #dropScope: StatementSync;
  readonly #saveScope: StatementSync;
  readonly #forgetNews: StatementSync;
  readonly #endWalk: StatementSync;
  readonly #saveWalk: StatementSync;

  constructor(db: DatabaseSync) {
    this.#settle = db.prepare("INSERT INTO settled_events VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
    this.#count = db.prepare("UPDATE announcement_totals SET cids = cids + ?, names = names + ?");
    this.#charge = db.prepare(
      `INSERT INTO author_usage VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET subjects = subjects + excluded.subjects, bytes = bytes + excluded.bytes`,
    );
    this.#saveHighWater = db.prepare(
      `INSERT INTO relay_cursors VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET high_water_s = max(high_water_s, excluded.high_water_s)`,
    );
    this.#forgetEvents = db.prepare("DELETE FROM settled_events WHERE settled_at_s < ? AND created_at_s < ?");
    this.#forgetDays = db.prepare("DELETE FROM author_usage WHERE day < ?");
    this.#lastTurn = db.prepare(
      "SELECT coalesce(max(turn), 0) AS turn FROM outgoing_announcements WHERE kind = ?",
    );
    this.#queue = db.prepare(
      `INSERT INTO outgoing_announcements VALUES (?, ?, ?, ?, NULL, 0, '', 0, 0, ?5, ?5)
       ON CONFLICT DO UPDATE SET
         items = excluded.items, turn = excluded.turn, event = NULL, settled_relays = '', confirmations = 0,
         attempts = 0, next_attempt_at_ms = excluded.next_attempt_at_ms, queued_at_ms = excluded.queued_at_ms`,
    );
    this.#saveEvent = db.prepare(
      `UPDATE outgoing_announcements
       SET created_at_s = max(created_at_s, ?3), event = CASE WHEN turn = ?2 THEN ?4 ELSE event END
       WHERE d = ?1`,
    );
    this.#settleOutgoing = db.prepare(
      `UPDATE outgoing_announcements
       SET settled_relays = ?, confirmations = ?, attempts = ?, next_attempt_at_ms = ? WHERE d = ? AND turn = ?`,
    );
    this.#forgetOutgoing = db.prepare(
      `DELETE FROM outgoing_announcements
       WHERE kind = 'cid' AND next_attempt_at_ms IS NULL AND queued_at_ms < ?1 AND turn <= (
         SELECT turn FROM outgoing_announcements WHERE kind = 'cid' ORDER BY turn DESC LIMIT 1 OFFSET ?2)`,
    );
    this.#dropScope = db.prepare("DELETE FROM announcement_scope");
    this.#saveScope = db.prepare("INSERT INTO announcement_scope VALUES (?)");
    this.#forgetNews = db.prepare("DELETE FROM announcement_news WHERE id <= ?");
    this.#endWalk = db.prepare("DELETE FROM announcement_walk");
    this.#saveWalk = db.prepare("INSERT INTO announcement_walk VALUES (?, ?, ?, ?)");
  }

  run({ steps }: AnnouncementJob): null {
    for (const step of steps) this.#runStep(step);
    return null;
  }

  #runStep(step: AnnouncementStep): void {
    switch (step.step) {
      case "settle-event":
        if (this.#settle.run(step.id, step.createdAtS, step.settledAtS).changes === 1)
          this.#count.run(step.cids, step.names);
        return;
      case "charge":
        this.#charge.run(step.day, step.author, step.subjects, step.bytes);
        this.#charge.run(step.day, "", step.subjects, step.bytes);
        return;
      case "save-high-water":
        this.#saveHighWater.run(step.relay, step.scope, step.highWaterS);
        return;
      case "forget-events":
        this.#forgetEvents.run(step.settledBeforeS, step.createdBeforeS);
        this.#forgetDays.run(step.day);
        return;
      case "queue":
        this.#queueAll(step.subjects, step.nowMs);
        return;
      case "save-event":
        this.#saveEvent.run(step.d, step.turn, step.createdAtS, step.eventJson);
        return;
      case "settle-outgoing":
        this.#settleProgress(step.progress);
        return;
      case "forget-outgoing":
        this.#forgetOutgoing.run(step.doneBeforeMs, step.keep);
        return;
      case "save-news-scope":
        this.#replaceScope(step.scope);
        return;
      case "forget-news":
        this.#forgetNews.run(step.throughId);
        return;
      case "save-walk":
        this.#replaceWalk(step.walk);
        return;
    }
  }

  #queueAll(subjects: readonly Subject[], nowMs: number): void {
    for (const { kind, d, items } of subjects) {
      const turn = Number(this.#lastTurn.get(kind)?.["turn"]) + 1;
      this.#queue.run(d, kind, items.join(" "), turn, nowMs);
    }
  }

  #settleProgress(progress: OutgoingProgress): void {
    const { d, turn, settledRelays, confirmations, attempts, nextAttemptAtMs } = progress;
    const relays = settledRelays.join(" ");
    this.#settleOutgoing.run(relays, confirmations, attempts, nextAttemptAtMs ?? null, d, turn);
  }

  #replaceScope(scope: NewsScope): void {
    this.#dropScope.run();
    if (scope !== "none") this.#saveScope.run(scope);
  }

  #replaceWalk(walk: Walk | undefined): void {
    this.#endWalk.run();
    if (walk !== undefined) this.#saveWalk.run(walk.startedAtMs, walk.after ?? null, walk.pages, walk.cids);
  }
}
