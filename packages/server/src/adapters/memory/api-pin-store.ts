import type { CID } from "multiformats/cid";
import {
  type ApiPin,
  apiPinHolder,
  type ApiPinOrder,
  apiPinStateOf,
  foldedName,
} from "../../pins/api/api-pin.ts";
import type {
  AddApiPin,
  ApiPinChanges,
  ApiPinsPage,
  ApiPinsQuery,
  ApiPinStore,
} from "../../pins/api/api-pin-store.ts";
import type { Pin } from "../../pins/pin.ts";
import { pinKeyOf } from "../../pins/pin-key.ts";
import type { PinRules } from "../../pins/pin-row.ts";
import type { AddedPin, PinStore } from "../../pins/pin-store.ts";

interface Entry {
  readonly owner: string;
  readonly id: string;
  readonly createdAtMs: number;
  readonly order: ApiPinOrder;
  kept: CID | undefined;
}

/** Orders that live as long as the process, over the pins of a `MemoryPinStore`. For tests and for nodes that keep nothing. */
export class MemoryApiPinStore implements ApiPinStore {
  readonly #pins: Pick<PinStore, "add" | "release" | "get">;
  readonly #entries = new Map<string, Entry>();
  readonly #lastCreatedAtMs = new Map<string, number>();

  constructor(pins: Pick<PinStore, "add" | "release" | "get">) {
    this.#pins = pins;
  }

  async add(request: AddApiPin): Promise<ApiPinChanges> {
    return this.#add(request, undefined);
  }

  async replace({
    replacedId,
    ...request
  }: AddApiPin & { readonly replacedId: string }): Promise<ApiPinChanges> {
    const replaced = this.#find(request.owner, replacedId);
    return replaced === undefined ? NOTHING("absent") : this.#add(request, replaced);
  }

  async remove(owner: string, id: string, nowMs: number): Promise<ApiPinChanges> {
    const entry = this.#find(owner, id);
    if (entry === undefined) return NOTHING("absent");
    return { outcome: "done", added: [], released: await this.#end(entry, nowMs) };
  }

  hasOutlived(): boolean {
    return this.#outlived().length > 0;
  }

  async releaseOutlived(nowMs: number): Promise<ApiPinChanges> {
    const released: CID[] = [];
    for (const entry of this.#outlived()) {
      released.push(...(await this.#release(entry, [entry.kept], nowMs)));
      entry.kept = undefined;
    }
    return { outcome: "done", added: [], released };
  }

  get(owner: string, id: string): ApiPin | undefined {
    const entry = this.#find(owner, id);
    return entry && this.#viewOf(entry);
  }

  async list(query: ApiPinsQuery, { signal }: { readonly signal: AbortSignal }): Promise<ApiPinsPage> {
    signal.throwIfAborted();
    const found = [...this.#entries.values()]
      .filter(({ owner }) => owner === query.owner)
      .flatMap((entry) => this.#viewOf(entry) ?? [])
      .filter((pin) => isMatch(pin, query))
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs);
    return { count: found.length, pins: found.slice(0, query.limit) };
  }

  async #add(request: AddApiPin, replaced: Entry | undefined): Promise<ApiPinChanges> {
    const { owner, id, order, nowMs, rules } = request;
    if (this.#isExhausted(request, replaced)) return NOTHING("exhausted");
    const createdAtMs = Math.max(nowMs, (this.#lastCreatedAtMs.get(owner) ?? 0) + 1);
    const entry: Entry = {
      owner,
      id,
      createdAtMs,
      order,
      kept: replaced && this.#keptOf(replaced, order.root),
    };
    this.#lastCreatedAtMs.set(owner, createdAtMs);
    const added = await this.#claim(entry, order.root, rules);
    if (entry.kept !== undefined) await this.#claim(entry, entry.kept, rules);
    this.#entries.set(id, entry);
    const released = replaced === undefined ? [] : await this.#end(replaced, nowMs);
    return { outcome: "done", added: [{ root: order.root, ...added }], released };
  }

  #isExhausted({ owner, order, limits }: AddApiPin, replaced: Entry | undefined): boolean {
    const own = [...this.#entries.values()].filter((entry) => entry.owner === owner);
    if (own.length + (replaced === undefined ? 1 : 0) > limits.perOwnerMax) return true;
    const key = pinKeyOf(order.root);
    const ofRoot = own.filter((entry) => entry !== replaced && pinKeyOf(entry.order.root) === key);
    return ofRoot.length >= limits.perOwnerAndRootMax;
  }

  #keptOf({ order, kept }: Entry, root: CID): CID | undefined {
    const state = this.#pins.get(order.root)?.state;
    const isHeld = state === "pinned" || state === "provided" || state === "stored";
    const left = isHeld ? order.root : kept;
    return left === undefined || pinKeyOf(left) === pinKeyOf(root) ? undefined : left;
  }

  async #claim({ owner, id, order, createdAtMs }: Entry, root: CID, rules: PinRules): Promise<AddedPin> {
    const holder = apiPinHolder(owner, id);
    const claim = { source: "pins-api", holder, name: order.name, createdAtMs } as const;
    const [added] = await this.#pins.add([{ root, recursive: true, isStored: false, claim }], rules);
    return added ?? { isNew: false, isNewlyPinned: false };
  }

  async #end(entry: Entry, nowMs: number): Promise<readonly CID[]> {
    this.#entries.delete(entry.id);
    return this.#release(entry, [entry.order.root, entry.kept], nowMs);
  }

  async #release(
    { owner, id }: Entry,
    roots: readonly (CID | undefined)[],
    nowMs: number,
  ): Promise<readonly CID[]> {
    const released: CID[] = [];
    for (const root of roots) {
      if (root === undefined) continue;
      const claim = { source: "pins-api", holder: apiPinHolder(owner, id) } as const;
      if (await this.#pins.release(root, claim, nowMs)) released.push(root);
    }
    return released;
  }

  #outlived(): readonly Entry[] {
    return [...this.#entries.values()].filter((entry) => {
      const pin = this.#pins.get(entry.order.root);
      return entry.kept !== undefined && pin !== undefined && apiPinStateOf(pin) === "pinned";
    });
  }

  #find(owner: string, id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry?.owner === owner ? entry : undefined;
  }

  #viewOf({ id, createdAtMs, order }: Entry): ApiPin | undefined {
    const pin: Pin | undefined = this.#pins.get(order.root);
    if (pin === undefined) return undefined;
    const { root: _root, ...rest } = order;
    return { id, createdAtMs, ...rest, pin };
  }
}

const NOTHING = (outcome: ApiPinChanges["outcome"]): ApiPinChanges => ({ outcome, added: [], released: [] });

function isMatch(pin: ApiPin, query: ApiPinsQuery): boolean {
  const { states, roots, name, meta = {}, beforeMs = Infinity, afterMs = -Infinity } = query;
  return (
    states.includes(apiPinStateOf(pin.pin)) &&
    isAmongOpen(pin, query) &&
    (roots === undefined || roots.some((root) => pinKeyOf(root) === pinKeyOf(pin.pin.root))) &&
    (name === undefined || (pin.name !== undefined && isNamed(pin.name, name))) &&
    Object.entries(meta).every(([key, value]) => Object.hasOwn(pin.meta, key) && pin.meta[key] === value) &&
    pin.createdAtMs < beforeMs &&
    pin.createdAtMs > afterMs
  );
}

function isAmongOpen({ pin }: ApiPin, { openAmong }: ApiPinsQuery): boolean {
  if (openAmong === undefined || apiPinStateOf(pin) !== "open") return true;
  return openAmong.roots.some((root) => pinKeyOf(root) === pinKeyOf(pin.root)) === openAmong.isAmong;
}

function isNamed(name: string, { text, match }: NonNullable<ApiPinsQuery["name"]>): boolean {
  switch (match) {
    case "exact":
      return name === text;
    case "iexact":
      return foldedName(name) === foldedName(text);
    case "partial":
      return name.includes(text);
    case "ipartial":
      return foldedName(name).includes(foldedName(text));
  }
}
