import type { IpnsName } from "@holdfast/core";
import type { Propagations } from "./propagations.ts";
import type { PassResult } from "./target-puts.ts";

export interface PassCounts {
  readonly confirmed: number;
  readonly failed: number;
  /** Confirmed since the pass began, expired, or being put at that moment. */
  readonly skipped: number;
}

const PAGE_NAMES = 128;

/** Where a pass over all names is at one target. Names are handed out in their order and settled in any. */
export class PassCursor {
  readonly #propagations: Pick<Propagations, "namesAfter">;
  /** Handed out and not settled, in order. */
  readonly #open = new Map<string, IpnsName>();
  #page: IpnsName[] = [];
  readonly #again: IpnsName[] = [];
  #handedOutTo: IpnsName | undefined;
  /** Up to this one nothing is open. */
  #settledTo: IpnsName | undefined;
  #isAtEnd = false;
  #counts: { confirmed: number; failed: number; skipped: number };

  constructor(
    propagations: Pick<Propagations, "namesAfter">,
    { after, counts }: { readonly after: IpnsName | undefined; readonly counts: PassCounts | undefined },
  ) {
    this.#propagations = propagations;
    this.#handedOutTo = after;
    this.#settledTo = after;
    const { confirmed = 0, failed = 0, skipped = 0 } = counts ?? {};
    this.#counts = { confirmed, failed, skipped };
  }

  get counts(): PassCounts {
    return { ...this.#counts };
  }

  get settledTo(): IpnsName | undefined {
    return this.#settledTo;
  }

  get isOver(): boolean {
    return this.#isAtEnd && this.#open.size === 0;
  }

  /** Undefined when there is none left to hand out. */
  next(): IpnsName | undefined {
    const again = this.#again.pop();
    if (again !== undefined) return again;
    if (this.#page.length === 0 && !this.#isAtEnd) {
      this.#page = [...this.#propagations.namesAfter(this.#handedOutTo, PAGE_NAMES)].toReversed();
      this.#isAtEnd = this.#page.length === 0;
    }
    const name = this.#page.pop();
    if (name === undefined) return undefined;
    this.#handedOutTo = name;
    this.#open.set(name.text, name);
    return name;
  }

  settle(name: IpnsName, result: PassResult): void {
    if (result === "unavailable") {
      this.#again.push(name);
      return;
    }
    this.#counts[result]++;
    const [oldest] = this.#open.keys();
    this.#open.delete(name.text);
    if (oldest !== name.text) return;
    // Everything before the oldest open name is settled; the name itself is the last that is known to be.
    this.#settledTo = this.#open.size === 0 ? this.#handedOutTo : name;
  }
}
