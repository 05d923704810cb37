import type { IpnsName } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import { orAbort } from "../or-abort.ts";
import type { Propagation, Propagations } from "./propagations.ts";
import type { PutOutcomes } from "./put-outcomes.ts";

interface Parts {
  readonly targets: readonly string[];
  readonly propagations: Pick<Propagations, "of">;
  readonly outcomes: PutOutcomes;
  /** Asks for the name to be put to the target before others. */
  readonly want: (target: string, name: IpnsName) => void;
  readonly unwant: (target: string, name: IpnsName) => void;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** Labels of targets. */
export interface Reached {
  /** They confirmed the name's record, and have not forgotten it since. */
  readonly reached: readonly string[];
  readonly missing: readonly string[];
}

/** For those who want to know where a record has arrived. */
export class Arrivals {
  readonly #parts: Parts;
  readonly #waiters = new Map<string, Set<(target: string, version: number) => void>>();
  readonly #ends = new Set<() => void>();
  #areOver = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Waits until the name's record, or a better one, is confirmed at one target, for at most `waitMs` and not after
   * {@link endWaits}; says where it is then.
   *
   * @throws the signal's reason when it aborts.
   */
  async waitFor(
    name: IpnsName,
    { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<Reached> {
    const before = this.#where(name, new Set());
    if (before.reached.length > 0 || before.missing.length === 0 || this.#areOver) return before;
    const confirmed = new Set<string>();
    const first = Promise.withResolvers<undefined>();
    const end = (): void => first.resolve(undefined);
    this.#ends.add(end);
    const cancel = this.#parts.timers.after(waitMs, end);
    const versions = new Map(this.#parts.propagations.of(name).map((row) => [row.target, row.version]));
    const leave = this.#join(name, (target, version) => {
      // The put of the record before this one may have been under way.
      if (version < (versions.get(target) ?? 0)) return;
      confirmed.add(target);
      end();
    });
    try {
      for (const target of before.missing) this.#parts.want(target, name);
      await orAbort(first.promise, signal);
      return this.#where(name, confirmed);
    } finally {
      this.#ends.delete(end);
      cancel();
      leave();
    }
  }

  /** Whoever waits is told where his record is now, as is who comes later: the node is about to stop. */
  endWaits(): void {
    this.#areOver = true;
    for (const end of this.#ends) end();
  }

  /** @param version of the record that was put. */
  noteConfirmed(target: string, name: IpnsName, version: number): void {
    for (const tell of this.#waiters.get(name.text) ?? []) tell(target, version);
  }

  #join(name: IpnsName, tell: (target: string, version: number) => void): () => void {
    const waiters = this.#waiters.get(name.text) ?? new Set();
    this.#waiters.set(name.text, waiters.add(tell));
    return () => {
      waiters.delete(tell);
      if (waiters.size > 0) return;
      this.#waiters.delete(name.text);
      for (const target of this.#parts.targets) this.#parts.unwant(target, name);
    };
  }

  #where(name: IpnsName, confirmed: ReadonlySet<string>): Reached {
    const rows = this.#parts.propagations.of(name);
    const isThere = (target: string): boolean => {
      const row = rows.find((candidate) => candidate.target === target);
      return confirmed.has(target) || (row !== undefined && this.#isThere(row, name));
    };
    const { targets } = this.#parts;
    return {
      reached: targets.filter(isThere),
      missing: targets.filter((target) => !isThere(target)),
    };
  }

  #isThere(row: Propagation, name: IpnsName): boolean {
    const outcome = this.#parts.outcomes.get(row.target, name);
    if (outcome?.result.kind === "confirmed" && outcome.version === row.version) return true;
    return row.isCurrentConfirmed && (row.darkAtMs ?? Number.POSITIVE_INFINITY) > this.#parts.clock.nowMs();
  }
}
