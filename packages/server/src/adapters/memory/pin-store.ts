import type { CID } from "multiformats/cid";
import type { Pin, PinClaim, PinRequest } from "../../pins/pin.ts";
import { pinKeyOf } from "../../pins/pin-key.ts";
import {
  pinOfRow,
  type PinOutcome,
  type PinRow,
  type PinRules,
  queuedPinOf,
  type QueuedPin,
} from "../../pins/pin-row.ts";
import {
  type AddedPin,
  CLAIMS_SHOWN_MAX,
  type PinsPage,
  type PinStore,
  type PinTotal,
} from "../../pins/pin-store.ts";
import { admitPin, ownLaneOf, releasePin, settlePin } from "../../pins/pin-transitions.ts";

interface Entry {
  readonly id: number;
  readonly root: CID;
  row: PinRow;
  claims: PinClaim[];
}

/** Pins that live as long as the process. For tests and for nodes that keep nothing. */
export class MemoryPinStore implements PinStore {
  readonly #entries = new Map<string, Entry>();
  #lastId = 0;
  #repositoryId: string | undefined;

  // Writes settle later, as in any store, although nothing has to be waited for: callers must not rely on the same turn.
  async add(requests: readonly PinRequest[], rules: PinRules): Promise<readonly AddedPin[]> {
    return requests.map((request) => this.#addOne(request, rules));
  }

  async release(root: CID, claim: Pick<PinClaim, "source" | "holder">, atMs: number): Promise<boolean> {
    const entry = this.#entries.get(pinKeyOf(root));
    const left = entry?.claims.filter((one) => !isSameClaim(one, claim)) ?? [];
    if (entry === undefined || left.length === entry.claims.length) return false;
    entry.claims = left;
    const { lane } = entry.row;
    const isLaneClaimed = left.some((one) => isSameClaim(ownLaneOf(one), lane));
    entry.row = releasePin(entry.row, { first: left[0], isLaneClaimed }, atMs);
    return true;
  }

  async settle(
    outcomes: readonly { readonly root: CID; readonly outcome: PinOutcome }[],
  ): Promise<readonly boolean[]> {
    return outcomes.map(({ root, outcome }) => {
      const entry = this.#entries.get(pinKeyOf(root));
      const row = entry === undefined ? undefined : settlePin(entry.row, outcome);
      if (entry === undefined || row === undefined) return false;
      if (row === "gone") this.#entries.delete(pinKeyOf(root));
      else entry.row = row;
      return true;
    });
  }

  get(root: CID): Pin | undefined {
    const entry = this.#entries.get(pinKeyOf(root));
    return entry && pinOfRow(entry.root, entry.row);
  }

  claim(root: CID, claim: Pick<PinClaim, "source" | "holder">): PinClaim | undefined {
    return this.#entries.get(pinKeyOf(root))?.claims.find((one) => isSameClaim(one, claim));
  }

  claims(root: CID): readonly PinClaim[] {
    return this.#entries.get(pinKeyOf(root))?.claims.slice(0, CLAIMS_SHOWN_MAX) ?? [];
  }

  list({ limit, after = 0, state, source }: Parameters<PinStore["list"]>[0]): PinsPage {
    const found = [...this.#entries.values()].filter(
      ({ id, row }) =>
        id > after &&
        row.state !== "released" &&
        (state === undefined || row.state === state) &&
        (source === undefined || row.source === source),
    );
    const page = found.slice(0, limit);
    const pins = page.flatMap(({ root, row }) => pinOfRow(root, row) ?? []);
    return { pins, next: page.length === limit ? page.at(-1)?.id : undefined };
  }

  totals(): readonly PinTotal[] {
    const totals = new Map<string, PinTotal>();
    const counted = new Set<string>();
    for (const { root, row } of this.#entries.values()) {
      const { source, state, blockBytes } = row;
      const key = `${source} ${state}`;
      const block = Buffer.from(root.multihash.bytes).toString("latin1");
      const { pins, blockBytes: sum } = totals.get(key) ?? { pins: 0, blockBytes: 0 };
      const added = blockBytes === undefined || counted.has(block) ? 0 : blockBytes;
      if (blockBytes !== undefined) counted.add(block);
      totals.set(key, { source, state, pins: pins + 1, blockBytes: sum + added });
    }
    return [...totals.values()];
  }

  ready({ step, source, afterHolder, limit }: Parameters<PinStore["ready"]>[0]): readonly QueuedPin[] {
    return [...this.#entries.values()]
      .filter(({ row }) => row.step === step && !row.isResting && row.lane.source === source)
      .filter(({ row }) => afterHolder === undefined || row.lane.holder > afterHolder)
      .toSorted((a, b) => compareTurns(a, b))
      .slice(0, limit)
      .flatMap(({ root, row }) => queuedPinOf(root, row) ?? []);
  }

  nextWakeAtMs(): number | undefined {
    const resting = [...this.#entries.values()].filter(({ row }) => row.isResting);
    return resting.length === 0 ? undefined : Math.min(...resting.map(({ row }) => row.nextAttemptAtMs));
  }

  async wake(nowMs: number, limit: number): Promise<void> {
    const due = [...this.#entries.values()]
      .filter(({ row }) => row.isResting && row.nextAttemptAtMs <= nowMs)
      .toSorted((a, b) => a.row.nextAttemptAtMs - b.row.nextAttemptAtMs);
    for (const entry of due.slice(0, limit)) entry.row = { ...entry.row, isResting: false };
  }

  repositoryId(): string | undefined {
    return this.#repositoryId;
  }

  async setRepositoryId(id: string): Promise<void> {
    this.#repositoryId = id;
  }

  #addOne({ root, ...wish }: PinRequest, rules: PinRules): AddedPin {
    const before = this.#entries.get(pinKeyOf(root));
    const claims = before?.claims ?? [];
    const isNewClaim = !claims.some((one) => isSameClaim(one, wish.claim));
    const row = admitPin(before?.row, { ...wish, cidVersion: root.version }, { ...rules, isNewClaim });
    const merged = claims.map((one) =>
      isSameClaim(one, wish.claim) ? { ...one, name: wish.claim.name ?? one.name } : one,
    );
    const entry = {
      id: before?.id ?? ++this.#lastId,
      root: before?.root ?? root,
      row,
      claims: (isNewClaim ? [...merged, wish.claim] : merged).toSorted(compareClaims),
    };
    this.#entries.set(pinKeyOf(root), entry);
    const isNew = before === undefined || before.row.state === "released";
    return { isNew, isNewlyPinned: row.state === "pinned" && before?.row.state !== "pinned" };
  }
}

function isSameClaim(
  a: Pick<PinClaim, "source" | "holder">,
  b: Pick<PinClaim, "source" | "holder">,
): boolean {
  return a.source === b.source && a.holder === b.holder;
}

function compareClaims(a: PinClaim, b: PinClaim): number {
  const names = compareText(a.source, b.source) || compareText(a.holder, b.holder);
  return a.createdAtMs - b.createdAtMs || names;
}

function compareTurns(a: Entry, b: Entry): number {
  const holders = compareText(a.row.lane.holder, b.row.lane.holder);
  const waits = a.row.nextAttemptAtMs - b.row.nextAttemptAtMs;
  return holders || b.row.priority - a.row.priority || waits || a.id - b.id;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
