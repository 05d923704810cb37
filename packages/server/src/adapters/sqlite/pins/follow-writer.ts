import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { FollowJob, FollowStep } from "./follow-messages.ts";

/** What changes the tables of followed names. Runs inside the caller's transaction. */
export class FollowWriter {
  readonly #follow: StatementSync;
  readonly #unfollow: StatementSync;
  readonly #noteVersion: StatementSync;
  readonly #forgetVersion: StatementSync;

  constructor(db: DatabaseSync) {
    this.#follow = db.prepare(
      `INSERT INTO followed_names VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET keep = excluded.keep, since_ms = excluded.since_ms`,
    );
    this.#unfollow = db.prepare("DELETE FROM followed_names WHERE name = ? AND origin = ?");
    this.#noteVersion = db.prepare(
      `INSERT INTO followed_versions VALUES (?1, ?2, ?3, ?4,
         (SELECT coalesce(max(turn), 0) + 1 FROM followed_versions WHERE name = ?1), ?5)
       ON CONFLICT DO UPDATE SET turn = excluded.turn, seen_at_ms = excluded.seen_at_ms`,
    );
    this.#forgetVersion = db.prepare(
      "DELETE FROM followed_versions WHERE name = ? AND multihash = ? AND codec = ?",
    );
  }

  run({ steps }: FollowJob): null {
    for (const step of steps) this.#runStep(step);
    return null;
  }

  #runStep(step: FollowStep): void {
    switch (step.step) {
      case "follow":
        this.#follow.run(step.name, step.origin, step.keep, step.sinceMs);
        return;
      case "unfollow":
        this.#unfollow.run(step.name, step.origin);
        return;
      case "note-version": {
        const { multihash, codec } = step.root;
        this.#noteVersion.run(step.name, multihash, codec, step.cidVersion, step.seenAtMs);
        return;
      }
      case "forget-version":
        this.#forgetVersion.run(step.name, step.root.multihash, step.root.codec);
        return;
    }
  }
}
