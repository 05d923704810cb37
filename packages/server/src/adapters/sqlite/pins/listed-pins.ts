import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { ListedPins, ListedPinsPage } from "../../../pins/list/pin-list.ts";
import { cidOf, type PinColumns } from "./pin-rows.ts";

/** What the pin list claims, in the database of an open `SqliteRecordStore`, read through a connection of its own. */
export class SqliteListedPins implements ListedPins, Disposable {
  readonly #db: DatabaseSync;
  readonly #page: StatementSync;

  constructor(databasePath: string) {
    this.#db = new DatabaseSync(databasePath, { readOnly: true });
    this.#page = this.#db.prepare(
      `SELECT pins.id, multihash, codec, cid_version
       FROM pin_claims AS claim INDEXED BY pin_list_claims JOIN pins ON pins.id = claim.pin_id
       WHERE claim.source = 'pin-list' AND claim.pin_id > ? ORDER BY claim.pin_id LIMIT ?`,
    );
  }

  page({ after = 0, limit }: Parameters<ListedPins["page"]>[0]): ListedPinsPage {
    const rows = this.#page.all(after, limit) as unknown as PinColumns[];
    return { roots: rows.map(cidOf), next: rows.length === limit ? rows.at(-1)?.id : undefined };
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }
}
