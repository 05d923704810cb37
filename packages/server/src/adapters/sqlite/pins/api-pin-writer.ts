import type { DatabaseSync, StatementSync } from "node:sqlite";
import { apiPinHolder, type ApiPinState, apiPinStateOf } from "../../../pins/api/api-pin.ts";
import type { PinClaim, PinState } from "../../../pins/pin.ts";
import type { PinRules } from "../../../pins/pin-row.ts";
import type { AddedPin } from "../../../pins/pin-store.ts";
import type {
  AddApiPinJob,
  ApiPinAnswer,
  ApiPinJob,
  ReleaseOutlivedPinsJob,
  RemoveApiPinJob,
} from "./api-pin-messages.ts";
import type { PinKey } from "./pin-messages.ts";
import type { PinWriter } from "./pin-writer.ts";

/** The statements that change the orders of the Pinning Service API. Each job runs inside the caller's transaction. */
export class ApiPinWriter {
  readonly #pins: Pick<PinWriter, "run">;
  readonly #addOwner: StatementSync;
  readonly #owner: StatementSync;
  readonly #noteOrder: StatementSync;
  readonly #order: StatementSync;
  readonly #ordersOfPin: StatementSync;
  readonly #pinOfKey: StatementSync;
  readonly #pinOfId: StatementSync;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #outlived: StatementSync;
  readonly #keepNothing: StatementSync;

  /** @param pins the writer of the claims, on the same connection. */
  constructor(db: DatabaseSync, pins: Pick<PinWriter, "run">) {
    this.#pins = pins;
    this.#addOwner = db.prepare(
      "INSERT INTO pin_request_owners VALUES (NULL, ?, 0, 0, 0) ON CONFLICT DO NOTHING",
    );
    this.#owner = db.prepare("SELECT * FROM pin_request_owners WHERE name = ?");
    this.#noteOrder = db.prepare(
      `UPDATE pin_request_owners SET request_count = request_count + ?, last_seq = max(last_seq, ?),
         last_created_at_ms = max(last_created_at_ms, ?) WHERE id = ?`,
    );
    const orders =
      "SELECT request.*, owner.name AS owner FROM pin_requests AS request JOIN pin_request_owners AS owner ON owner.id = owner_id";
    this.#order = db.prepare(`${orders} WHERE request_id = ? AND owner.name = ?`);
    this.#outlived = db.prepare(`${orders} WHERE kept_pin_id IS NOT NULL AND state = 'pinned' LIMIT ?`);
    this.#ordersOfPin = db.prepare(
      `SELECT count(*) AS orders FROM pin_requests JOIN pins ON pins.id = pin_id
       WHERE multihash = ? AND codec = ? AND owner_id = ? AND pin_requests.id IS NOT ?`,
    );
    this.#pinOfKey = db.prepare(
      "SELECT id, multihash, codec, cid_version, state FROM pins WHERE multihash = ? AND codec = ?",
    );
    this.#pinOfId = db.prepare("SELECT id, multihash, codec, cid_version, state FROM pins WHERE id = ?");
    this.#insert = db.prepare(`INSERT INTO pin_requests VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#delete = db.prepare("DELETE FROM pin_requests WHERE id = ?");
    this.#keepNothing = db.prepare("UPDATE pin_requests SET kept_pin_id = NULL WHERE id = ?");
  }

  run(job: ApiPinJob): ApiPinAnswer {
    switch (job.kind) {
      case "add-api-pin":
        return this.#add(job);
      case "remove-api-pin":
        return this.#remove(job);
      case "release-outlived-pins":
        return this.#releaseOutlived(job);
    }
  }

  #add(job: AddApiPinJob): ApiPinAnswer {
    const replaced = job.replacedId === undefined ? undefined : this.#find(job.owner, job.replacedId);
    if (job.replacedId !== undefined && replaced === undefined) return { outcome: "absent", released: [] };
    this.#addOwner.run(job.owner);
    const owner = this.#owner.get(job.owner) as unknown as OwnerColumns;
    if (this.#isExhausted(owner, job, replaced)) return { outcome: "exhausted", released: [] };

    const createdAtMs = Math.max(job.nowMs, owner.last_created_at_ms + 1);
    const claim = claimOf(job.owner, job.id, { name: job.row.name ?? undefined, createdAtMs });
    const added = this.#claim(job.row.key, job.row.cidVersion, claim, job.rules);
    const pin = this.#pinOfKey.get(job.row.key.multihash, job.row.key.codec) as unknown as PinColumns;
    const kept = replaced && this.#keptOf(replaced, pin);
    if (kept !== undefined) this.#claim(keyOf(kept), kept.cid_version, claim, job.rules);
    const seq = owner.last_seq + 1;
    const { cid, name, foldedName, meta, origins } = job.row;
    const state: ApiPinState = apiPinStateOf({ state: pin.state });
    const texts = [state, cid, name, foldedName, meta, origins];
    this.#insert.run(job.id, owner.id, seq, createdAtMs, pin.id, kept?.id ?? null, ...texts);
    this.#noteOrder.run(1, seq, createdAtMs, owner.id);
    return { outcome: "done", added, released: replaced === undefined ? [] : this.#end(replaced, job.nowMs) };
  }

  #remove({ owner, id, nowMs }: RemoveApiPinJob): ApiPinAnswer {
    const order = this.#find(owner, id);
    return order === undefined
      ? { outcome: "absent", released: [] }
      : { outcome: "done", released: this.#end(order, nowMs) };
  }

  #releaseOutlived({ nowMs, limit }: ReleaseOutlivedPinsJob): ApiPinAnswer {
    const orders = this.#outlived.all(limit) as unknown as OrderColumns[];
    const released = orders.flatMap((order) => {
      this.#keepNothing.run(order.id);
      return this.#release(order, [order.kept_pin_id], nowMs);
    });
    return { outcome: "done", released };
  }

  #isExhausted(
    owner: OwnerColumns,
    { row, limits }: AddApiPinJob,
    replaced: OrderColumns | undefined,
  ): boolean {
    const { multihash, codec } = row.key;
    const left = replaced === undefined ? 1 : 0;
    if (owner.request_count + left > limits.perOwnerMax) return true;
    const { orders } = this.#ordersOfPin.get(multihash, codec, owner.id, replaced?.id ?? null) as {
      readonly orders: number;
    };
    return orders >= limits.perOwnerAndRootMax;
  }

  /** What an order that is replaced leaves to the one in its place. */
  #keptOf(replaced: OrderColumns, pin: PinColumns): PinColumns | undefined {
    const own = this.#pinOfId.get(replaced.pin_id) as unknown as PinColumns;
    const isHeld = own.state === "pinned" || own.state === "provided" || own.state === "stored";
    const id = isHeld ? own.id : replaced.kept_pin_id;
    if (id === null || id === pin.id) return undefined;
    return this.#pinOfId.get(id) as PinColumns | undefined;
  }

  /** Deletes the order and releases its claims. */
  #end(order: OrderColumns, nowMs: number): readonly PinKey[] {
    this.#delete.run(order.id);
    this.#noteOrder.run(-1, 0, 0, order.owner_id);
    return this.#release(order, [order.pin_id, order.kept_pin_id], nowMs);
  }

  #claim(key: PinKey, cidVersion: number, claim: PinClaim, rules: PinRules): AddedPin {
    const wish = { cidVersion, recursive: true, isStored: false, claim };
    const answer = this.#pins.run({ kind: "add-pins", pins: [{ key, wish }], rules });
    const [added] = answer as readonly AddedPin[];
    return added ?? { isNew: false, isNewlyPinned: false };
  }

  #release(order: OrderColumns, pinIds: readonly (number | null)[], atMs: number): readonly PinKey[] {
    const { source, holder } = claimOf(order.owner, order.request_id, { name: undefined, createdAtMs: 0 });
    return pinIds.flatMap((id) => {
      const pin = id === null ? undefined : (this.#pinOfId.get(id) as PinColumns | undefined);
      if (pin === undefined) return [];
      const key = keyOf(pin);
      const isReleased = this.#pins.run({ kind: "release-pin", key, claim: { source, holder }, atMs });
      return isReleased === true ? [key] : [];
    });
  }

  #find(owner: string, id: string): OrderColumns | undefined {
    return this.#order.get(id, owner) as OrderColumns | undefined;
  }
}

interface OwnerColumns {
  readonly id: number;
  readonly request_count: number;
  readonly last_seq: number;
  readonly last_created_at_ms: number;
}

interface OrderColumns {
  readonly id: number;
  readonly request_id: string;
  readonly owner: string;
  readonly owner_id: number;
  readonly pin_id: number;
  readonly kept_pin_id: number | null;
}

interface PinColumns {
  readonly id: number;
  readonly multihash: Uint8Array;
  readonly codec: number;
  readonly cid_version: number;
  readonly state: PinState;
}

function claimOf(owner: string, id: string, rest: Pick<PinClaim, "name" | "createdAtMs">): PinClaim {
  return { source: "pins-api", holder: apiPinHolder(owner, id), ...rest };
}

function keyOf({ multihash, codec }: PinColumns): PinKey {
  return { multihash: new Uint8Array(multihash), codec };
}
