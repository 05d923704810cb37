import { freshForMs, type IpnsName } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Records } from "../records.ts";

/** Names that an operator wants to be fresh whether they are read or not. */
export interface WarmNames {
  /** In order of importance. May change from call to call. */
  names(): readonly IpnsName[];
}

interface Parts {
  readonly records: Pick<
    Records,
    "held" | "isKnownAbsent" | "popularNames" | "refreshBehind" | "refreshesWaiting"
  >;
  readonly warm?: WarmNames;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: () => number;
}

export interface FreshKeeperOptions {
  /** Each name is looked at this often. */
  readonly lookMs: number;
  /** Names are looked at in slices, so that nobody waits for a long list. */
  readonly tickMs: number;
  readonly namesPerTick: number;
  /** A name is refreshed at a random instant of the last part of its freshness, so that names do not go together. */
  readonly aheadShare: number;
  /** While so many refreshes wait, none is added: those behind somebody's read come first. */
  readonly waitingMax: number;
}

/**
 * Refreshes names before they go stale: those that are read all the time, and those of the warm list. Idle names are left
 * alone until somebody reads them. Every refresh goes through the refresher's queue and under its cap (R11).
 */
export class FreshKeeper {
  readonly #parts: Parts;
  readonly #options: FreshKeeperOptions;
  /** The names of this round that are still to be looked at, the next one last. */
  #round: IpnsName[] = [];
  #nextRoundAtMs = 0;
  /** When a name is due, as the last round found it and as this one does. Only names that are popular or warm have an entry. */
  #lastDueAtMs: ReadonlyMap<string, number> = new Map();
  #dueAtMs = new Map<string, number>();
  #cancel: () => void;

  constructor(parts: Parts, options: FreshKeeperOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#cancel = this.#lookLater();
  }

  close(): void {
    this.#cancel();
  }

  #lookLater(): () => void {
    return this.#parts.timers.after(this.#options.tickMs, () => {
      this.#look();
      this.#cancel = this.#lookLater();
    });
  }

  #look(): void {
    const nowMs = this.#parts.clock.nowMs();
    if (this.#round.length === 0 && nowMs >= this.#nextRoundAtMs) this.#beginRound(nowMs);
    for (let i = 0; i < this.#options.namesPerTick; i++) {
      const name = this.#round.pop();
      if (name === undefined) return;
      try {
        this.#lookAt(name, nowMs);
      } catch {
        // Its record cannot be read, of which its readers are told: the others have their turn all the same.
      }
    }
  }

  #beginRound(nowMs: number): void {
    const { records, warm } = this.#parts;
    this.#nextRoundAtMs = nowMs + this.#options.lookMs;
    this.#round = [...(warm?.names() ?? []), ...records.popularNames()].reverse();
    this.#lastDueAtMs = this.#dueAtMs;
    this.#dueAtMs = new Map();
  }

  #lookAt(name: IpnsName, nowMs: number): void {
    const { records } = this.#parts;
    const knownMs = this.#dueAtMs.get(name.text) ?? this.#lastDueAtMs.get(name.text) ?? 0;
    const atMs = knownMs > nowMs ? knownMs : this.#dueOf(name, nowMs);
    if (atMs <= nowMs && records.refreshesWaiting < this.#options.waitingMax) records.refreshBehind(name);
    this.#dueAtMs.set(name.text, Math.max(atMs, nowMs + this.#options.lookMs));
  }

  /** Up to now when it is to be refreshed. */
  #dueOf(name: IpnsName, nowMs: number): number {
    const { records, random } = this.#parts;
    const held = records.held(name);
    if (held === undefined) return records.isKnownAbsent(name) ? nowMs + this.#options.lookMs : 0;
    const freshMs = freshForMs(held.record.ttlNs);
    return held.checkedAtMs + freshMs * (1 - this.#options.aheadShare * (0.5 + random() / 2));
  }
}
