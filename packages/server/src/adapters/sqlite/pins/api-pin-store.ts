import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { CID } from "multiformats/cid";
import { decode } from "multiformats/hashes/digest";
import { type ApiPin, type ApiPinOrder, type ApiPinState, foldedName } from "../../../pins/api/api-pin.ts";
import type {
  AddApiPin,
  ApiPinChanges,
  ApiPinsPage,
  ApiPinsQuery,
  ApiPinStore,
} from "../../../pins/api/api-pin-store.ts";
import type { ApiPinAnswer, ApiPinRow } from "./api-pin-messages.ts";
import { ApiPinScan, type SeqRange } from "./api-pin-query.ts";
import { apiPinOf, metaText, ORDER_COLUMNS, type OrderWithPinColumns } from "./api-pin-rows.ts";
import type { PinKey } from "./pin-messages.ts";
import { keyOf } from "./pin-rows.ts";
import type { StoreClient } from "../store-client.ts";

const OUTLIVED_AT_ONCE = 100;
/** As in the triggers of the table. */
const BUCKET_SEQS = 256;

/**
 * Orders of the Pinning Service API in the database of an open `SqliteRecordStore`: written by its store thread together with
 * their claims, read through a connection of their own.
 */
export class SqliteApiPinStore implements ApiPinStore, Disposable {
  readonly #client: Pick<StoreClient, "run">;
  readonly #db: DatabaseSync;
  readonly #owner: StatementSync;
  readonly #get: StatementSync;
  readonly #page: StatementSync;
  readonly #pinId: StatementSync;
  readonly #hasOutlived: StatementSync;
  readonly #seqFrom: StatementSync;
  readonly #seqUpTo: StatementSync;
  readonly #countOfBuckets: StatementSync;
  readonly #countInBucket: StatementSync;
  readonly #countAmong: StatementSync;
  readonly #idsOfState: StatementSync;
  readonly #idsOfStateNotAmong: StatementSync;
  readonly #idsAmong: StatementSync;

  constructor(client: Pick<StoreClient, "run">, databasePath: string) {
    this.#client = client;
    const db = new DatabaseSync(databasePath, { readOnly: true });
    this.#db = db;
    this.#owner = db.prepare("SELECT id FROM pin_request_owners WHERE name = ?");
    const orders = `SELECT ${ORDER_COLUMNS} FROM pin_requests AS request JOIN pins ON pins.id = request.pin_id`;
    this.#get = db.prepare(`${orders} WHERE request.request_id = ? AND request.owner_id = ?`);
    this.#page = db.prepare(
      `${orders} WHERE request.id IN (SELECT value FROM json_each(?)) ORDER BY request.seq DESC`,
    );
    this.#pinId = db.prepare("SELECT id FROM pins WHERE multihash = ? AND codec = ?");
    this.#hasOutlived = db.prepare(
      "SELECT 1 FROM pin_requests WHERE kept_pin_id IS NOT NULL AND state = 'pinned' LIMIT 1",
    );
    const byTime = "FROM pin_requests WHERE owner_id = ? AND created_at_ms";
    this.#seqFrom = db.prepare(`SELECT seq ${byTime} >= ? ORDER BY created_at_ms LIMIT 1`);
    this.#seqUpTo = db.prepare(`SELECT seq ${byTime} <= ? ORDER BY created_at_ms DESC LIMIT 1`);
    this.#countOfBuckets = db.prepare(
      `SELECT coalesce(sum(request_count), 0) AS orders FROM pin_request_counts
       WHERE owner_id = ? AND state = ? AND bucket < ?`,
    );
    const ofState = "FROM pin_requests INDEXED BY pin_requests_by_state WHERE owner_id = ? AND state = ?";
    this.#countInBucket = db.prepare(`SELECT count(*) AS orders ${ofState} AND seq >= ? AND seq < ?`);
    const among = `FROM pin_requests INDEXED BY pin_requests_of_pin
      WHERE pin_id IN (SELECT value FROM json_each(?)) AND owner_id = ? AND state = 'open' AND seq > ? AND seq < ?`;
    this.#countAmong = db.prepare(`SELECT count(*) AS orders ${among}`);
    const page = "ORDER BY seq DESC LIMIT ?";
    this.#idsOfState = db.prepare(`SELECT id, seq ${ofState} AND seq > ? AND seq < ? ${page}`);
    this.#idsOfStateNotAmong = db.prepare(
      `SELECT id, seq ${ofState} AND seq > ? AND seq < ? AND pin_id NOT IN (SELECT value FROM json_each(?)) ${page}`,
    );
    this.#idsAmong = db.prepare(`SELECT id, seq ${among} ${page}`);
  }

  add(request: AddApiPin): Promise<ApiPinChanges> {
    return this.#add(request, undefined);
  }

  replace({ replacedId, ...request }: AddApiPin & { readonly replacedId: string }): Promise<ApiPinChanges> {
    return this.#add(request, replacedId);
  }

  async remove(owner: string, id: string, nowMs: number): Promise<ApiPinChanges> {
    return changesOf(await this.#client.run({ kind: "remove-api-pin", owner, id, nowMs }));
  }

  hasOutlived(): boolean {
    return this.#hasOutlived.get() !== undefined;
  }

  async releaseOutlived(nowMs: number): Promise<ApiPinChanges> {
    const job = { kind: "release-outlived-pins", nowMs, limit: OUTLIVED_AT_ONCE } as const;
    return changesOf(await this.#client.run(job));
  }

  get(owner: string, id: string): ApiPin | undefined {
    const ownerId = this.#ownerId(owner);
    if (ownerId === undefined) return undefined;
    const columns = this.#get.get(id, ownerId) as OrderWithPinColumns | undefined;
    return columns && apiPinOf(columns);
  }

  async list(query: ApiPinsQuery, { signal }: { readonly signal: AbortSignal }): Promise<ApiPinsPage> {
    signal.throwIfAborted();
    const ownerId = this.#ownerId(query.owner);
    if (ownerId === undefined) return { count: 0, pins: [] };
    const { roots, name, meta } = query;
    const isScan = roots !== undefined || name !== undefined || Object.keys(meta ?? {}).length > 0;
    return isScan ? this.#scan(ownerId, query, signal) : this.#listByState(ownerId, query);
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }

  async #add({ owner, id, order, nowMs, limits, rules }: AddApiPin, replacedId: string | undefined) {
    const row = rowOf(order);
    const job = { kind: "add-api-pin", owner, id, row, replacedId, nowMs, limits, rules } as const;
    return changesOf(await this.#client.run(job), order.root);
  }

  #ownerId(owner: string): number | undefined {
    return (this.#owner.get(owner) as { readonly id: number } | undefined)?.id;
  }

  #pinIds(roots: readonly CID[]): readonly number[] {
    return roots.flatMap(({ multihash, code }) => {
      const found = this.#pinId.get(multihash.bytes, code) as { readonly id: number } | undefined;
      return found?.id ?? [];
    });
  }

  #rangeOf(ownerId: number, { beforeMs, afterMs }: ApiPinsQuery): SeqRange {
    const before = beforeMs === undefined ? undefined : seqOf(this.#seqFrom.get(ownerId, beforeMs));
    const after = afterMs === undefined ? undefined : seqOf(this.#seqUpTo.get(ownerId, afterMs));
    return { afterSeq: after ?? 0, beforeSeq: before ?? Number.MAX_SAFE_INTEGER };
  }

  /** In one transaction: an order that changes its state meanwhile must be there once. */
  #listByState(ownerId: number, query: ApiPinsQuery): ApiPinsPage {
    this.#db.exec("BEGIN");
    try {
      const range = this.#rangeOf(ownerId, query);
      const slices = query.states.map((state) => this.#slice(ownerId, state, range, query));
      const newest = slices.flatMap(({ newestIds }) => newestIds).toSorted((a, b) => b.seq - a.seq);
      const count = slices.reduce((sum, slice) => sum + slice.count, 0);
      return { count, pins: this.#pinsOf(newest.slice(0, query.limit).map(({ id }) => id)) };
    } finally {
      this.#db.exec("COMMIT");
    }
  }

  #slice(
    ownerId: number,
    state: ApiPinState,
    range: SeqRange,
    { limit, openAmong }: ApiPinsQuery,
  ): { readonly count: number; readonly newestIds: readonly OrderId[] } {
    const { afterSeq, beforeSeq } = range;
    if (state !== "open" || openAmong === undefined) {
      const rows = this.#idsOfState.all(ownerId, state, afterSeq, beforeSeq, limit);
      return { count: this.#count(ownerId, state, range), newestIds: rows as unknown as OrderId[] };
    }
    const pinIds = JSON.stringify(this.#pinIds(openAmong.roots));
    const count = ordersOf(this.#countAmong.get(pinIds, ownerId, afterSeq, beforeSeq));
    if (openAmong.isAmong) {
      const rows = this.#idsAmong.all(pinIds, ownerId, afterSeq, beforeSeq, limit);
      return { count, newestIds: rows as unknown as OrderId[] };
    }
    const rows = this.#idsOfStateNotAmong.all(ownerId, state, afterSeq, beforeSeq, pinIds, limit);
    return { count: this.#count(ownerId, state, range) - count, newestIds: rows as unknown as OrderId[] };
  }

  #count(ownerId: number, state: ApiPinState, { afterSeq, beforeSeq }: SeqRange): number {
    const counted =
      this.#countBelow(ownerId, state, beforeSeq) - this.#countBelow(ownerId, state, afterSeq + 1);
    // Negative when the range ends before it begins.
    return Math.max(0, counted);
  }

  /** Adds up whole buckets and counts one part of one, whatever the number of orders. */
  #countBelow(ownerId: number, state: ApiPinState, seq: number): number {
    const bucket = Math.floor(seq / BUCKET_SEQS);
    const whole = ordersOf(this.#countOfBuckets.get(ownerId, state, bucket));
    return whole + ordersOf(this.#countInBucket.get(ownerId, state, bucket * BUCKET_SEQS, seq));
  }

  async #scan(ownerId: number, query: ApiPinsQuery, signal: AbortSignal): Promise<ApiPinsPage> {
    const { roots, openAmong, limit } = query;
    const scan = new ApiPinScan(this.#db, query, {
      ownerId,
      pinIds: roots && this.#pinIds(roots),
      openAmongPinIds: this.#pinIds(openAmong?.roots ?? []),
    });
    const { afterSeq, beforeSeq } = this.#rangeOf(ownerId, query);
    const ids: number[] = [];
    let count = 0;
    for (let before: number | undefined = beforeSeq; before !== undefined;) {
      const { hits, nextBeforeSeq } = scan.next({ afterSeq, beforeSeq: before });
      const left = Math.min(limit - ids.length, hits);
      const slice = {
        afterSeq: nextBeforeSeq === undefined ? afterSeq : nextBeforeSeq - 1,
        beforeSeq: before,
      };
      if (left > 0) ids.push(...scan.ids(slice, left));
      count += hits;
      before = nextBeforeSeq;
      if (before !== undefined) await setImmediate();
      signal.throwIfAborted();
    }
    return { count, pins: this.#pinsOf(ids) };
  }

  #pinsOf(ids: readonly number[]): readonly ApiPin[] {
    const rows = this.#page.all(JSON.stringify(ids)) as unknown as OrderWithPinColumns[];
    return rows.flatMap((columns) => apiPinOf(columns) ?? []);
  }
}

interface OrderId {
  readonly id: number;
  readonly seq: number;
}

function rowOf({ root, cid, name, meta, origins }: ApiPinOrder): ApiPinRow {
  return {
    key: keyOf(root),
    cidVersion: root.version,
    cid,
    name: name ?? null,
    foldedName: name === undefined ? null : foldedName(name),
    meta: metaText(meta),
    origins: JSON.stringify(origins),
  };
}

function changesOf({ outcome, added, released }: ApiPinAnswer, root?: CID): ApiPinChanges {
  return {
    outcome,
    added: added === undefined || root === undefined ? [] : [{ root, ...added }],
    released: released.map((key) => rootOf(key)),
  };
}

function rootOf({ multihash, codec }: PinKey): CID {
  return CID.createV1(codec, decode(multihash));
}

function ordersOf(row: unknown): number {
  return (row as { readonly orders: number }).orders;
}

function seqOf(row: unknown): number | undefined {
  return (row as { readonly seq: number } | undefined)?.seq;
}
