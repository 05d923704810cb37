import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type IpnsName, ipnsNameOfMultihash } from "@holdfast/core";
import type {
  Follow,
  FollowChange,
  FollowedName,
  FollowOrigin,
  FollowStore,
} from "../../../pins/follow/follow-store.ts";
import type { FollowStep } from "./follow-messages.ts";
import { cidOf, keyOf, type PinColumns } from "./pin-rows.ts";
import type { StoreClient } from "../store-client.ts";

/**
 * Followed names in the database of an open `SqliteRecordStore`: written by its store thread in the same groups as records, read
 * through a connection of their own.
 */
export class SqliteFollowStore implements FollowStore, Disposable {
  readonly #client: Pick<StoreClient, "run">;
  readonly #db: DatabaseSync;
  readonly #names: StatementSync;
  readonly #follows: StatementSync;
  readonly #versions: StatementSync;

  constructor(client: Pick<StoreClient, "run">, databasePath: string) {
    this.#client = client;
    this.#db = new DatabaseSync(databasePath, { readOnly: true });
    this.#names = this.#db.prepare(
      `SELECT name FROM followed_names WHERE name > ?1
       UNION SELECT name FROM followed_versions WHERE name > ?1 ORDER BY name LIMIT ?2`,
    );
    this.#follows = this.#db.prepare("SELECT * FROM followed_names WHERE name = ? ORDER BY origin");
    this.#versions = this.#db.prepare("SELECT * FROM followed_versions WHERE name = ? ORDER BY turn DESC");
  }

  async write(changes: readonly FollowChange[]): Promise<void> {
    if (changes.length === 0) return;
    await this.#client.run({ kind: "follow-names", steps: changes.map(stepOf) });
  }

  page({ after, limit }: Parameters<FollowStore["page"]>[0]): readonly FollowedName[] {
    const rows = this.#names.all(after?.multihash ?? new Uint8Array(), limit) as unknown as NameRow[];
    return rows.map(({ name }) => {
      const follows = this.#follows.all(name) as unknown as FollowRow[];
      const versions = this.#versions.all(name) as unknown as VersionRow[];
      return {
        name: ipnsNameOfMultihash(name),
        follows: follows.map(followOf),
        versions: versions.map((row) => ({ root: cidOf(row), seenAtMs: row.seen_at_ms })),
      };
    });
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }
}

interface NameRow {
  readonly name: Uint8Array;
}

interface FollowRow {
  readonly origin: FollowOrigin;
  readonly keep: number;
  readonly since_ms: number;
}

interface VersionRow extends Pick<PinColumns, "multihash" | "codec" | "cid_version"> {
  readonly seen_at_ms: number;
}

function followOf({ origin, keep, since_ms }: FollowRow): Follow {
  return { origin, keep, sinceMs: since_ms };
}

function stepOf(change: FollowChange): FollowStep {
  const name = multihashOf(change.name);
  switch (change.kind) {
    case "follow": {
      const { origin, keep, sinceMs } = change;
      return { step: "follow", name, origin, keep, sinceMs };
    }
    case "unfollow":
      return { step: "unfollow", name, origin: change.origin };
    case "note-version": {
      const { root, seenAtMs } = change;
      return { step: "note-version", name, root: keyOf(root), cidVersion: root.version, seenAtMs };
    }
    case "forget-version":
      return { step: "forget-version", name, root: keyOf(change.root) };
  }
}

// A copy: a posted view would clone the whole buffer behind it.
function multihashOf({ multihash }: IpnsName): Uint8Array<ArrayBuffer> {
  return new Uint8Array(multihash);
}
