import { DatabaseSync, type StatementSync } from "node:sqlite";
import { decodeRecord, HoldfastError, type IpnsRecord } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { ipfsRootOf, type RecordRoots } from "../../pins/sweep/record-roots.ts";

/** Decoding this many takes some milliseconds less than anybody would notice. */
const PAGE_RECORDS = 50;

interface RecordRow {
  readonly rowid: number;
  readonly bytes: Uint8Array;
}

/** What the records in the database of an open `SqliteRecordStore` point to, read through a connection of its own. */
export class SqliteRecordRoots implements RecordRoots, Disposable {
  readonly #db: DatabaseSync;
  readonly #pages: readonly StatementSync[];

  constructor(databasePath: string) {
    this.#db = new DatabaseSync(databasePath, { readOnly: true });
    // The history second: what is superseded between the two is seen there.
    this.#pages = ["records", "superseded_records"].map((table) =>
      this.#db.prepare(
        `SELECT rowid, bytes FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ${PAGE_RECORDS}`,
      ),
    );
  }

  async *ipfsRoots({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<readonly CID[]> {
    for (const page of this.#pages) {
      let afterRow = -1;
      for (;;) {
        signal.throwIfAborted();
        const rows = this.#read(page, afterRow);
        const last = rows.at(-1);
        if (last === undefined) break;
        afterRow = last.rowid;
        yield rows.flatMap(({ bytes }) => ipfsRootOf(readable(bytes)) ?? []);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }

  #read(page: StatementSync, afterRow: number): readonly RecordRow[] {
    try {
      return page.all(afterRow) as unknown as readonly RecordRow[];
    } catch (cause) {
      throw new HoldfastError("STORE_FAILED", "the records cannot be read", { cause });
    }
  }
}

function readable(bytes: Uint8Array): IpnsRecord {
  try {
    return decodeRecord(bytes);
  } catch (cause) {
    throw new HoldfastError("STORE_FAILED", "a stored record is unreadable", { cause });
  }
}
