import { setImmediate } from "node:timers/promises";
import { HoldfastError, type IpnsName, isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Follow, FollowedName, FollowedVersion, FollowOrigin } from "./follow-store.ts";
import { FollowTender, type FollowTenderParts, type TendedName } from "./follow-tender.ts";
import type { FollowedRecords } from "./followed-records.ts";
import { NameIndex } from "./name-index.ts";
import { pinKeyOf } from "../pin-key.ts";
import type { Pins, PinView } from "../pins.ts";

export interface FollowsParts extends FollowTenderParts {
  readonly records: FollowedRecords;
  readonly pins: FollowTenderParts["pins"] & Pick<Pins, "onPinned" | "view">;
  readonly timers: Timers;
  readonly logger: Logger;
}

export interface FollowsOptions {
  readonly namesMax: number;
  /** How many versions are kept where nobody says, and at most. */
  readonly keepDefault: number;
  readonly keepMax: number;
  /** Versions of one name beyond those to be kept that may wait for their content. */
  readonly waitingMax: number;
  /** Names that are tended at once. */
  readonly tendedMax: number;
  /** Each name is looked at so often, whatever was heard. */
  readonly lookMs: number;
  /** Names are looked at in slices, so that nobody waits for a long list. */
  readonly tickMs: number;
  readonly namesPerTick: number;
}

export interface FollowWish {
  readonly name: IpnsName;
  readonly keep: number;
}

export interface FollowView {
  readonly name: IpnsName;
  /** The most that anybody wants. */
  readonly keep: number;
  readonly follows: readonly Follow[];
  /** Newest first. */
  readonly versions: readonly (FollowedVersion & { readonly stage: PinView["stage"] | undefined })[];
  readonly problem: string | undefined;
}

const PAGE_NAMES = 100;

/**
 * Follows names: pins what they point to as that changes, keeps the last versions of each, and lets older ones go when the newer ones are
 * confirmed. Whatever is not known for certain releases nothing (R33).
 */
export class Follows implements AsyncDisposable {
  readonly #parts: FollowsParts;
  readonly #options: FollowsOptions;
  readonly #tender: FollowTender;
  readonly #entries = new Map<string, Entry>();
  readonly #byRoot = new NameIndex();
  readonly #byVia = new NameIndex();
  /** What the lists say now, by origin. */
  readonly #listed = new Map<FollowOrigin, ReadonlySet<string>>();
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #endings: readonly (() => void)[] = [];
  #cancelTick: () => void = () => undefined;
  #round: string[] = [];
  #ticksToNextRound = 0;
  #isStarted = false;

  /** Reads which names are followed. Nothing is done for them before {@link start}. @throws HoldfastError `STORE_FAILED`. */
  static async open(parts: FollowsParts, options: FollowsOptions): Promise<Follows> {
    const follows = new Follows(parts, options);
    for (let after: IpnsName | undefined; ;) {
      const page = parts.store.page({ after, limit: PAGE_NAMES });
      for (const followed of page) follows.#add(followed);
      if (page.length < PAGE_NAMES) return follows;
      after = page.at(-1)?.name;
      await setImmediate();
    }
  }

  private constructor(parts: FollowsParts, options: FollowsOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#tender = new FollowTender(parts, options);
  }

  /** Begins to follow, in the background: what changed while we were off is seen first. */
  start(): void {
    const { records, pins } = this.#parts;
    this.#isStarted = true;
    this.#endings = [
      records.onStored((name) => {
        this.#want(name.text);
        for (const behind of this.#byVia.namesOf(name.text)) this.#want(behind);
      }),
      pins.onPinned(({ root }) => {
        for (const name of this.#byRoot.namesOf(pinKeyOf(root))) this.#want(name);
      }),
    ];
    this.#tick();
  }

  /**
   * Follows a name from now on; durable when it settles. Again with another `keep`: that one counts.
   *
   * @throws HoldfastError `INVALID_ARGUMENT`, `OVERLOADED` when too many names are followed, `STORE_FAILED`, `SHUTTING_DOWN`.
   */
  async follow(
    name: IpnsName,
    { origin, keep = this.#options.keepDefault }: { readonly origin: FollowOrigin; readonly keep?: number },
  ): Promise<void> {
    const { keepMax, namesMax } = this.#options;
    if (!(Number.isInteger(keep) && keep >= 1 && keep <= keepMax))
      throw new HoldfastError("INVALID_ARGUMENT", `"keep" is not a whole number from 1 to ${keepMax}`);
    if (!this.#entries.has(name.text) && this.#roomLeft() === 0)
      throw new HoldfastError("OVERLOADED", `more than ${namesMax} names cannot be followed`);
    await this.#take(origin, [{ name, keep }]);
  }

  /**
   * Ends it for whoever wished it; durable when it settles. What was kept for the name is released behind. False when nobody followed it.
   *
   * @throws HoldfastError `INVALID_ARGUMENT` when a list names it, which would only bring it back; `STORE_FAILED`, `SHUTTING_DOWN`.
   */
  async unfollow(name: IpnsName): Promise<boolean> {
    const entry = this.#entries.get(name.text);
    const origins = [...(entry?.follows.keys() ?? [])];
    const lister = origins.find((origin) => this.#listed.get(origin)?.has(name.text));
    if (lister !== undefined) {
      const list = lister === "setting" ? "HOLDFAST_FOLLOW" : "the pin list";
      throw new HoldfastError("INVALID_ARGUMENT", `${list} names it: take it out there`);
    }
    for (const origin of origins) await this.#end(name, origin);
    return origins.length > 0;
  }

  /**
   * Makes a list true: follows what it names and, if it is known to be complete, nothing else for this origin. An empty list is no reason
   * to end anything by itself: that is for the caller to know (R33).
   *
   * @returns how many names were left out, because there is no room for them.
   * @throws HoldfastError `STORE_FAILED`, `OVERLOADED`, `SHUTTING_DOWN`.
   */
  async setListed(
    origin: FollowOrigin,
    wishes: readonly FollowWish[],
    { isComplete }: { readonly isComplete: boolean },
  ): Promise<number> {
    const listed = new Set(wishes.map(({ name }) => name.text));
    this.#listed.set(origin, listed);
    const ended = [...this.#entries.values()].filter(
      ({ name, follows }) => follows.has(origin) && !listed.has(name.text),
    );
    if (isComplete) for (const { name } of ended) await this.#end(name, origin);
    let leftOut = 0;
    for (const some of chunksOf(wishes)) {
      let room = this.#roomLeft();
      const taken = some.filter(({ name }) => this.#entries.has(name.text) || room-- > 0);
      await this.#take(origin, taken);
      leftOut += some.length - taken.length;
    }
    return leftOut;
  }

  /** The followed names and those behind which they are, to be kept fresh. */
  names(): readonly IpnsName[] {
    const names = new Map<string, IpnsName>();
    for (const { name, follows, via } of this.#entries.values()) {
      if (follows.size === 0) continue;
      names.set(name.text, name);
      for (const other of via) names.set(other.text, other);
    }
    return [...names.values()];
  }

  /** In the order of their text; `after`: those behind this one. */
  list({
    after,
    limit,
  }: {
    readonly after?: string | undefined;
    readonly limit: number;
  }): readonly FollowView[] {
    const texts = [...this.#entries.keys()].filter((text) => after === undefined || text > after).toSorted();
    return texts.slice(0, limit).flatMap((text) => this.#viewOf(text) ?? []);
  }

  /** Undefined when nobody follows it, and nothing of it is left. */
  view(name: IpnsName): FollowView | undefined {
    return this.#viewOf(name.text);
  }

  /** Ends what is under way; it goes on at the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new HoldfastError("SHUTTING_DOWN", "shutting down"));
    this.#cancelTick();
    for (const end of this.#endings) end();
    this.#waiting.clear();
    await Promise.all(this.#running.values());
  }

  #roomLeft(): number {
    return Math.max(0, this.#options.namesMax - this.#entries.size);
  }

  async #take(origin: FollowOrigin, wishes: readonly FollowWish[]): Promise<void> {
    const { store, clock } = this.#parts;
    const changes = wishes.flatMap(({ name, keep }) => {
      const known = this.#entries.get(name.text)?.follows.get(origin);
      const sinceMs = known?.sinceMs ?? clock.nowMs();
      return known?.keep === keep ? [] : [{ kind: "follow", name, origin, keep, sinceMs } as const];
    });
    if (changes.length === 0) return;
    await store.write(changes);
    for (const { name, keep, sinceMs } of changes) {
      const entry = this.#entries.get(name.text) ?? this.#add({ name, follows: [], versions: [] });
      entry.follows.set(origin, { origin, keep, sinceMs });
      this.#want(name.text);
    }
  }

  async #end(name: IpnsName, origin: FollowOrigin): Promise<void> {
    await this.#parts.store.write([{ kind: "unfollow", name, origin }]);
    this.#entries.get(name.text)?.follows.delete(origin);
    this.#want(name.text);
  }

  #add(followed: FollowedName): Entry {
    const entry = new Entry(followed, (changed) => this.#index(changed));
    this.#entries.set(followed.name.text, entry);
    return entry;
  }

  #viewOf(text: string): FollowView | undefined {
    const entry = this.#entries.get(text);
    if (entry === undefined) return undefined;
    const { name, keep, follows, versions, problem } = entry;
    const stageOf = (root: CID): PinView["stage"] | undefined => this.#parts.pins.view(root)?.stage;
    return {
      name,
      keep,
      follows: [...follows.values()],
      versions: versions.map((version) => ({ ...version, stage: stageOf(version.root) })),
      problem,
    };
  }

  /** A slice of the names, again and again: whatever failed, or was not heard of, is noticed here. */
  #tick(): void {
    const { lookMs, tickMs, namesPerTick } = this.#options;
    if (this.#round.length === 0 && this.#ticksToNextRound-- <= 0) {
      this.#round = [...this.#entries.keys()];
      this.#ticksToNextRound = Math.ceil(lookMs / tickMs);
    }
    for (const text of this.#round.splice(0, namesPerTick)) this.#want(text);
    this.#cancelTick = this.#parts.timers.after(tickMs, () => this.#tick());
  }

  #want(text: string): void {
    if (!this.#isStarted || this.#closing.signal.aborted || !this.#entries.has(text)) return;
    this.#waiting.add(text);
    this.#fill();
  }

  #fill(): void {
    for (const text of this.#waiting) {
      if (this.#running.size >= this.#options.tendedMax) return;
      const entry = this.#entries.get(text);
      // One that is tended right now waits for its end: it may have been read before what was just heard.
      if (this.#running.has(text)) continue;
      this.#waiting.delete(text);
      if (entry === undefined) continue;
      const running = this.#tend(entry).finally(() => {
        this.#running.delete(text);
        this.#fill();
      });
      this.#running.set(text, running);
    }
  }

  /** Never rejects. */
  async #tend(entry: Entry): Promise<void> {
    const { signal } = this.#closing;
    try {
      await this.#tender.tend(entry, signal);
    } catch (err) {
      if (!signal.aborted) this.#noteFailure(entry, err);
    }
    if (entry.follows.size === 0 && entry.versions.length === 0) this.#entries.delete(entry.name.text);
  }

  #noteFailure(entry: Entry, err: unknown): void {
    const { logger, metrics } = this.#parts;
    metrics.follow.failures++;
    const problem = isHoldfastError(err) ? err.message : "it could not be looked at";
    // Once for each problem, not every minute.
    if (problem !== entry.problem)
      logger.warn({ err, name: entry.name.text }, "a followed name is looked at again, something failed");
    entry.problem = problem;
  }

  #index({ name, versions, via }: Entry): void {
    this.#byRoot.set(
      name.text,
      versions.map(({ root }) => pinKeyOf(root)),
    );
    this.#byVia.set(
      name.text,
      via.map(({ text }) => text),
    );
  }
}

/** Indexed whenever what it depends on changes: what happens while it is tended must not be missed. */
class Entry implements TendedName {
  readonly name: IpnsName;
  readonly follows: Map<FollowOrigin, Follow>;
  problem: string | undefined = undefined;
  readonly #index: (entry: Entry) => void;
  #versions: readonly FollowedVersion[];
  #via: readonly IpnsName[] = [];

  constructor({ name, follows, versions }: FollowedName, index: (entry: Entry) => void) {
    this.name = name;
    this.follows = new Map(follows.map((follow) => [follow.origin, follow]));
    this.#versions = versions;
    this.#index = index;
    index(this);
  }

  get keep(): number {
    return Math.max(0, ...[...this.follows.values()].map(({ keep }) => keep));
  }

  get versions(): readonly FollowedVersion[] {
    return this.#versions;
  }

  set versions(versions) {
    this.#versions = versions;
    this.#index(this);
  }

  get via(): readonly IpnsName[] {
    return this.#via;
  }

  set via(via) {
    this.#via = via;
    this.#index(this);
  }
}

function chunksOf(wishes: readonly FollowWish[]): readonly (readonly FollowWish[])[] {
  const count = Math.ceil(wishes.length / PAGE_NAMES);
  return Array.from({ length: count }, (_, i) => wishes.slice(i * PAGE_NAMES, (i + 1) * PAGE_NAMES));
}
