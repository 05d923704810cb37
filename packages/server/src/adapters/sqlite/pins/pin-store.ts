import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { CID } from "multiformats/cid";
import type { Pin, PinClaim, PinRequest, PinSource } from "../../../pins/pin.ts";
import { pinOfRow, type PinOutcome, type PinRules, type QueuedPin } from "../../../pins/pin-row.ts";
import {
  type AddedPin,
  CLAIMS_SHOWN_MAX,
  type PinsPage,
  type PinStore,
  type PinTotal,
} from "../../../pins/pin-store.ts";
import { cidOf, keyOf, type PinColumns, type QueuedColumns, queuedPinOf, rowOf } from "./pin-rows.ts";
import { PIN_READS } from "./pin-statements.ts";
import type { StoreClient } from "../store-client.ts";

/** A page that filters looks at so many rows at most: some milliseconds of the thread that reads. */
const ROWS_LOOKED_AT_MAX = 5_000;

/**
 * Pins in the database of an open `SqliteRecordStore`: written by its store thread in the same groups as records, read
 * through a connection of their own.
 */
export class SqlitePinStore implements PinStore, Disposable {
  readonly #client: Pick<StoreClient, "run">;
  readonly #db: DatabaseSync;
  readonly #pin: StatementSync;
  readonly #claim: StatementSync;
  readonly #claims: StatementSync;
  readonly #totals: StatementSync;
  readonly #nextWake: StatementSync;
  readonly #fact: StatementSync;
  readonly #lastId: StatementSync;
  readonly #page: StatementSync;
  readonly #unfinishedPage: StatementSync;
  readonly #unfinishedPageOfSource: StatementSync;
  readonly #ready: StatementSync;
  readonly #readyAfter: StatementSync;

  constructor(client: Pick<StoreClient, "run">, databasePath: string) {
    this.#client = client;
    const db = new DatabaseSync(databasePath, { readOnly: true });
    this.#db = db;
    this.#pin = db.prepare(PIN_READS.pin);
    this.#claim = db.prepare(PIN_READS.claim);
    this.#claims = db.prepare(PIN_READS.claims);
    this.#totals = db.prepare(PIN_READS.totals);
    this.#nextWake = db.prepare(PIN_READS.nextWake);
    this.#fact = db.prepare(PIN_READS.fact);
    this.#lastId = db.prepare(PIN_READS.lastId);
    this.#page = db.prepare(PIN_READS.page);
    this.#unfinishedPage = db.prepare(PIN_READS.unfinishedPage);
    this.#unfinishedPageOfSource = db.prepare(PIN_READS.unfinishedPageOfSource);
    this.#ready = db.prepare(PIN_READS.ready);
    this.#readyAfter = db.prepare(PIN_READS.readyAfter);
  }

  async add(requests: readonly PinRequest[], rules: PinRules): Promise<readonly AddedPin[]> {
    if (requests.length === 0) return [];
    const pins = requests.map(({ root, ...wish }) => ({
      key: keyOf(root),
      wish: { ...wish, cidVersion: root.version },
    }));
    return this.#client.run({ kind: "add-pins", pins, rules });
  }

  release(
    root: CID,
    { source, holder }: Pick<PinClaim, "source" | "holder">,
    atMs: number,
  ): Promise<boolean> {
    return this.#client.run({ kind: "release-pin", key: keyOf(root), claim: { source, holder }, atMs });
  }

  async settle(
    outcomes: readonly { readonly root: CID; readonly outcome: PinOutcome }[],
  ): Promise<readonly boolean[]> {
    if (outcomes.length === 0) return [];
    const keyed = outcomes.map(({ root, outcome }) => ({ key: keyOf(root), outcome }));
    return this.#client.run({ kind: "settle-pins", outcomes: keyed });
  }

  get(root: CID): Pin | undefined {
    const columns = this.#pin.get(root.multihash.bytes, root.code) as PinColumns | undefined;
    return columns === undefined ? undefined : pinOf(columns);
  }

  claim(root: CID, { source, holder }: Pick<PinClaim, "source" | "holder">): PinClaim | undefined {
    const { code, multihash } = root;
    const row = this.#claim.get(multihash.bytes, code, source, holder) as unknown as ClaimColumns | undefined;
    return row && claimOf(row);
  }

  claims(root: CID): readonly PinClaim[] {
    const rows = this.#claims.all(root.multihash.bytes, root.code, CLAIMS_SHOWN_MAX);
    return (rows as unknown as ClaimColumns[]).map(claimOf);
  }

  list({ state, source, limit, after = 0 }: Parameters<PinStore["list"]>[0]): PinsPage {
    if (state !== undefined && state !== "pinned" && state !== "provided") {
      const found =
        source === undefined
          ? this.#unfinishedPage.all(state, after, limit)
          : this.#unfinishedPageOfSource.all(state, source, after, limit);
      return pageOf(found as unknown as PinColumns[], limit, undefined);
    }
    const isFiltered = state !== undefined || source !== undefined;
    const lastId = Number((this.#lastId.get() as { readonly id: number | null }).id ?? 0);
    const end = isFiltered ? Math.min(lastId, after + ROWS_LOOKED_AT_MAX) : lastId;
    const found = this.#page.all(after, end, state ?? null, source ?? null, limit);
    return pageOf(found as unknown as PinColumns[], limit, end < lastId ? end : undefined);
  }

  totals(): readonly PinTotal[] {
    const rows = this.#totals.all() as unknown as TotalColumns[];
    return rows.map(({ source, state, pin_count, block_bytes }) => ({
      source,
      state,
      pins: pin_count,
      blockBytes: block_bytes,
    }));
  }

  ready({ step, source, afterHolder, limit }: Parameters<PinStore["ready"]>[0]): readonly QueuedPin[] {
    const found =
      afterHolder === undefined
        ? this.#ready.all(step, source, limit)
        : this.#readyAfter.all(step, source, afterHolder, limit);
    return (found as unknown as QueuedColumns[]).flatMap((columns) => queuedPinOf(columns) ?? []);
  }

  nextWakeAtMs(): number | undefined {
    return (this.#nextWake.get() as { readonly at_ms: number | null }).at_ms ?? undefined;
  }

  async wake(nowMs: number, limit: number): Promise<void> {
    await this.#client.run({ kind: "wake-pins", nowMs, limit });
  }

  repositoryId(): string | undefined {
    return (this.#fact.get("repository") as { readonly value: string } | undefined)?.value;
  }

  async setRepositoryId(id: string): Promise<void> {
    await this.#client.run({ kind: "set-pin-repository", id });
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }
}

interface ClaimColumns {
  readonly source: PinSource;
  readonly holder: string;
  readonly name: string | null;
  readonly created_at_ms: number;
}

function claimOf({ source, holder, name, created_at_ms }: ClaimColumns): PinClaim {
  return { source, holder, name: name ?? undefined, createdAtMs: created_at_ms };
}

interface TotalColumns {
  readonly source: PinSource;
  readonly state: PinTotal["state"];
  readonly pin_count: number;
  readonly block_bytes: number;
}

function pinOf(columns: PinColumns): Pin | undefined {
  return pinOfRow(cidOf(columns), rowOf(columns));
}

/** `next`: where a page goes on that is not full. */
function pageOf(rows: readonly PinColumns[], limit: number, next: number | undefined): PinsPage {
  const isFull = rows.length === limit;
  return { pins: rows.flatMap((columns) => pinOf(columns) ?? []), next: isFull ? rows.at(-1)?.id : next };
}
