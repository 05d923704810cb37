import { DatabaseSync, type StatementSync } from "node:sqlite";
import { CID } from "multiformats/cid";
import { decode } from "multiformats/hashes/digest";
import type { PinnedRoot, PinnedRoots, PinSource, PinTotals } from "../../content/pinned-roots.ts";
import type { StoreClient } from "./store-client.ts";

/**
 * Pins in the database of an open `SqliteRecordStore`: written by its store thread in the same groups as records, read
 * through a connection of their own.
 */
export class SqlitePinnedRoots implements PinnedRoots, Disposable {
  readonly #client: Pick<StoreClient, "run">;
  readonly #db: DatabaseSync;
  readonly #select: StatementSync;
  readonly #page: StatementSync;
  readonly #totals: StatementSync;

  constructor(client: Pick<StoreClient, "run">, databasePath: string) {
    this.#client = client;
    this.#db = new DatabaseSync(databasePath, { readOnly: true });
    this.#select = this.#db.prepare("SELECT * FROM pinned_roots WHERE multihash = ? AND codec = ?");
    this.#page = this.#db.prepare(
      "SELECT * FROM pinned_roots WHERE (multihash, codec) > (?, ?) ORDER BY multihash, codec LIMIT ?",
    );
    this.#totals = this.#db.prepare("SELECT * FROM pin_totals");
  }

  async add(pins: readonly PinnedRoot[]): Promise<void> {
    if (pins.length === 0) return;
    await this.#client.run({
      kind: "pin-roots",
      pins: pins.map(({ root, recursive, name, source, pinnedAtMs, blockBytes }) => ({
        // A copy: a posted view would clone the whole buffer behind it.
        multihash: new Uint8Array(root.multihash.bytes),
        codec: root.code,
        cidVersion: root.version,
        recursive,
        name: name ?? null,
        source,
        pinnedAtMs,
        blockBytes: blockBytes ?? null,
      })),
    });
  }

  get(root: CID): PinnedRoot | undefined {
    const row = this.#select.get(root.multihash.bytes, root.code) as PinRow | undefined;
    return row === undefined ? undefined : pinOf(row);
  }

  list({ limit, after }: { readonly limit: number; readonly after?: CID }): readonly PinnedRoot[] {
    const [multihash, codec] =
      after === undefined ? [new Uint8Array(), -1] : [after.multihash.bytes, after.code];
    return (this.#page.all(multihash, codec, limit) as unknown as PinRow[]).map(pinOf);
  }

  totals(): ReadonlyMap<PinSource, PinTotals> {
    const rows = this.#totals.all() as unknown as TotalsRow[];
    return new Map(
      rows.map((row) => [row.source, { pins: row.pin_count, blockBytes: row.block_bytes }] as const),
    );
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }
}

interface PinRow {
  readonly multihash: Uint8Array;
  readonly codec: number;
  readonly cid_version: number;
  readonly is_recursive: number;
  readonly name: string | null;
  readonly source: PinSource;
  readonly pinned_at_ms: number;
  readonly block_bytes: number | null;
}

interface TotalsRow {
  readonly source: PinSource;
  readonly pin_count: number;
  readonly block_bytes: number;
}

function pinOf(row: PinRow): PinnedRoot {
  return {
    root: CID.create(row.cid_version === 0 ? 0 : 1, row.codec, decode(row.multihash)),
    recursive: row.is_recursive === 1,
    name: row.name ?? undefined,
    source: row.source,
    pinnedAtMs: row.pinned_at_ms,
    ...(row.block_bytes === null ? {} : { blockBytes: row.block_bytes }),
  };
}
