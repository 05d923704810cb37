import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { PinClaim } from "../../../pins/pin.ts";
import type { PinRow } from "../../../pins/pin-row.ts";
import { admitPin, releasePin, settlePin } from "../../../pins/pin-transitions.ts";
import type { AddPinsJob, PinAnswers, PinJob, PinKey, ReleasePinJob, SettlePinsJob } from "./pin-messages.ts";
import { type PinColumns, rowOf, valuesOf } from "./pin-rows.ts";
import { PIN_WRITES } from "./pin-statements.ts";

/** The statements that change pins. Each job runs inside the caller's transaction. */
export class PinWriter {
  readonly #pin: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #count: StatementSync;
  readonly #upsertClaim: StatementSync;
  readonly #hasClaim: StatementSync;
  readonly #firstClaim: StatementSync;
  readonly #claimOfLane: StatementSync;
  readonly #deleteClaim: StatementSync;
  readonly #wake: StatementSync;
  readonly #setFact: StatementSync;

  constructor(db: DatabaseSync) {
    this.#pin = db.prepare(PIN_WRITES.pin);
    this.#insert = db.prepare(PIN_WRITES.insert);
    this.#update = db.prepare(PIN_WRITES.update);
    this.#delete = db.prepare(PIN_WRITES.delete);
    this.#count = db.prepare(PIN_WRITES.count);
    this.#upsertClaim = db.prepare(PIN_WRITES.upsertClaim);
    this.#hasClaim = db.prepare(PIN_WRITES.hasClaim);
    this.#firstClaim = db.prepare(PIN_WRITES.firstClaim);
    this.#claimOfLane = db.prepare(PIN_WRITES.claimOfLane);
    this.#deleteClaim = db.prepare(PIN_WRITES.deleteClaim);
    this.#wake = db.prepare(PIN_WRITES.wake);
    this.#setFact = db.prepare(PIN_WRITES.setFact);
  }

  run(job: PinJob): PinAnswers[PinJob["kind"]] {
    switch (job.kind) {
      case "add-pins":
        return this.#add(job);
      case "release-pin":
        return this.#release(job);
      case "settle-pins":
        return this.#settle(job);
      case "wake-pins":
        this.#wake.run(job.nowMs, job.limit);
        return null;
      case "set-pin-repository":
        this.#setFact.run("repository", job.id);
        return null;
    }
  }

  #add({ pins, rules }: AddPinsJob): PinAnswers["add-pins"] {
    return pins.map(({ key, wish }) => {
      const before = this.#find(key);
      const { source, holder, name, createdAtMs } = wish.claim;
      const isNewClaim = before === undefined || this.#hasClaim.get(before.id, source, holder) === undefined;
      const row = before === undefined ? undefined : rowOf(before);
      const after = admitPin(row, wish, { ...rules, isNewClaim });
      const id = before === undefined ? this.#insertPin(key, after) : this.#updatePin(before, after);
      this.#upsertClaim.run(id, source, holder, name ?? null, createdAtMs);
      const isPinned = after.state === "pinned" && row?.state !== "pinned";
      return { isNew: row === undefined || row.state === "released", isNewlyPinned: isPinned };
    });
  }

  #release({ key, claim, atMs }: ReleasePinJob): boolean {
    const before = this.#find(key);
    if (before === undefined) return false;
    if (this.#deleteClaim.run(before.id, claim.source, claim.holder).changes === 0) return false;
    const first = this.#firstClaim.get(before.id) as unknown as StoredClaim | undefined;
    const claimLeft: PinClaim | undefined = first && { ...first, name: first.name ?? undefined };
    const left = { first: claimLeft, isLaneClaimed: this.#isLaneClaimed(before) };
    this.#updatePin(before, releasePin(rowOf(before), left, atMs));
    return true;
  }

  #isLaneClaimed({ id, lane_source, lane_holder }: PinColumns): boolean {
    const bounds = [`${lane_holder} `, `${lane_holder}!`];
    return this.#claimOfLane.get(id, lane_source, lane_holder, ...bounds) !== undefined;
  }

  #settle({ outcomes }: SettlePinsJob): readonly boolean[] {
    return outcomes.map(({ key, outcome }) => {
      const before = this.#find(key);
      const after = before === undefined ? undefined : settlePin(rowOf(before), outcome);
      if (before === undefined || after === undefined) return false;
      if (after === "gone") this.#delete.run(before.id);
      else this.#updatePin(before, after);
      return true;
    });
  }

  #find({ multihash, codec }: PinKey): PinColumns | undefined {
    return this.#pin.get(multihash, codec) as PinColumns | undefined;
  }

  #insertPin({ multihash, codec }: PinKey, row: PinRow): number {
    const { lastInsertRowid } = this.#insert.run(multihash, codec, ...valuesOf(row));
    if (row.blockBytes !== undefined) this.#count.run(lastInsertRowid);
    return Number(lastInsertRowid);
  }

  #updatePin({ id, block_bytes }: PinColumns, row: PinRow): number {
    this.#update.run(...valuesOf(row), id);
    if (row.blockBytes !== undefined && block_bytes === null) this.#count.run(id);
    return id;
  }
}

interface StoredClaim extends Omit<PinClaim, "name"> {
  readonly name: string | null;
}
