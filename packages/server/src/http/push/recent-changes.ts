import { randomBytes } from "node:crypto";
import type { IpnsName } from "@holdfast/core";
import type { StoredRecord } from "../../records/record-store.ts";
import type { Clock } from "../../telemetry/clock.ts";

/** A stored change, and its place among all of them. */
export interface Change {
  /** `{instant}-{run}-{number}`: when it was told, in which run of the process, and its number there. */
  readonly id: string;
  readonly name: IpnsName;
  readonly stored: StoredRecord;
}

/** What someone who heard the change with some id has to hear now. */
export type Missed =
  /** Exactly these, in this order. What has expired meanwhile is not among them: it is not given to anybody any more. */
  | { readonly kind: "changes"; readonly changes: readonly Change[] }
  /** What is held of each name whose record was received at this instant or later. */
  | { readonly kind: "held"; readonly sinceMs: number };

export interface RecentChangesOptions {
  readonly changesMax: number;
  /** Of records. */
  readonly bytesMax: number;
}

const DEFAULT_OPTIONS: RecentChangesOptions = { changesMax: 4_096, bytesMax: 16 * 1024 * 1024 };

/**
 * A record is told some time after it was received (its signature is checked, a disk is slow), clocks are set, and the next
 * node asked may have had it from elsewhere a little earlier: an instant is believed to be so exact and not more.
 */
const INSTANT_MS_ERROR = 600_000;

const ID = /^(\d{1,15})-([0-9a-f]{8})-(\d{1,15})$/;

/**
 * The last changes, within bounds, and ids from which each client can go on without missing one: after a break, after a
 * restart, and at another node.
 */
export class RecentChanges {
  readonly #clock: Clock;
  readonly #options: RecentChangesOptions;
  readonly #run = randomBytes(4).toString("hex");
  /** The last ones, oldest first; what lies before `#from` has been dropped. */
  #changes: (Change | undefined)[] = [];
  #from = 0;
  #bytes = 0;
  /** How many there were. */
  #count = 0;

  constructor(clock: Clock, options: Partial<RecentChangesOptions> = {}) {
    this.#clock = clock;
    this.#options = { ...DEFAULT_OPTIONS, ...options };
  }

  add(name: IpnsName, stored: StoredRecord): Change {
    this.#count++;
    const change = { id: this.lastId, name, stored };
    this.#changes.push(change);
    this.#bytes += stored.record.bytes.length;
    const { changesMax, bytesMax } = this.#options;
    while (this.#changes.length - this.#from > changesMax || this.#bytes > bytesMax) {
      this.#bytes -= this.#changes[this.#from]?.stored.record.bytes.length ?? 0;
      this.#changes[this.#from++] = undefined;
    }
    if (this.#from >= changesMax) {
      this.#changes = this.#changes.slice(this.#from);
      this.#from = 0;
    }
    return change;
  }

  /** Who has everything until now goes on from here. */
  get lastId(): string {
    return `${this.#clock.nowMs()}-${this.#run}-${this.#count}`;
  }

  /** @param id as a client sends it. One that nobody gave out misses everything. */
  since(id: string): Missed {
    const [, instantText = "", run, numberText = ""] = ID.exec(id) ?? [];
    const [instantMs, number] = [Number(instantText), Number(numberText)];
    const nowMs = this.#clock.nowMs();
    if (run === undefined || instantMs > nowMs + INSTANT_MS_ERROR) return { kind: "held", sinceMs: 0 };
    const missed = this.#count - number;
    if (run !== this.#run || missed < 0 || missed > this.#changes.length - this.#from)
      return { kind: "held", sinceMs: instantMs - INSTANT_MS_ERROR };
    const changes: Change[] = [];
    for (const change of this.#changes.slice(this.#changes.length - missed)) {
      if (change !== undefined && change.stored.record.eolMs >= nowMs) changes.push(change);
    }
    return { kind: "changes", changes };
  }
}
