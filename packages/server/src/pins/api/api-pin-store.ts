import type { CID } from "multiformats/cid";
import type { ApiPin, ApiPinOrder, ApiPinState, NameMatch } from "./api-pin.ts";
import type { PinRules } from "../pin-row.ts";
import type { PinChanges } from "../pins.ts";

export interface ApiPinLimits {
  /** Orders of one owner. */
  readonly perOwnerMax: number;
  /** Those of them for one root. */
  readonly perOwnerAndRootMax: number;
}

export interface AddApiPin {
  /** Free of spaces. */
  readonly owner: string;
  readonly id: string;
  readonly order: ApiPinOrder;
  readonly nowMs: number;
  readonly limits: ApiPinLimits;
  readonly rules: PinRules;
}

/**
 * `absent`: the owner has no such order. `exhausted`: the owner has as many orders as are allowed. Neither changes anything.
 */
export interface ApiPinChanges extends PinChanges {
  readonly outcome: "done" | "absent" | "exhausted";
}

/** What a list of orders is narrowed to, whatever their states. */
export interface ApiPinsCriteria {
  /** For one of these roots, in whatever version of the CID. */
  readonly roots?: readonly CID[] | undefined;
  readonly name?: { readonly text: string; readonly match: NameMatch } | undefined;
  /** All of these, beside whatever else. */
  readonly meta?: Readonly<Record<string, string>> | undefined;
  /** Exclusive, as is `afterMs`. */
  readonly beforeMs?: number | undefined;
  readonly afterMs?: number | undefined;
  readonly limit: number;
}

export interface ApiPinsQuery extends ApiPinsCriteria {
  readonly owner: string;
  /** Which ones are wanted; `open` ones may be narrowed by `openAmong`. */
  readonly states: readonly ApiPinState[];
  /** Of the open ones only those, or all but those, that are for one of these roots (some dozens at most). */
  readonly openAmong?: { readonly roots: readonly CID[]; readonly isAmong: boolean } | undefined;
}

export interface ApiPinsPage {
  /** Of all that match, on whatever page. */
  readonly count: number;
  /** Newest first. */
  readonly pins: readonly ApiPin[];
}

/**
 * Orders of the Pinning Service API and their claims, durably: what a write changes, it changes in one transaction, and it has
 * settled when its commit has reached the disk. Every adapter passes `test/contracts/api-pin-store.contract.ts`.
 */
export interface ApiPinStore {
  /** Takes an order. @throws HoldfastError `STORE_FAILED`, `OVERLOADED`, `SHUTTING_DOWN`, as every other write. */
  add(request: AddApiPin): Promise<ApiPinChanges>;
  /**
   * Takes an order in place of another. What the old one has pinned, or the one before it, stays claimed until the new one is
   * pinned too: most of its blocks may be the same.
   */
  replace(request: AddApiPin & { readonly replacedId: string }): Promise<ApiPinChanges>;
  /** Ends an order with all its claims. */
  remove(owner: string, id: string, nowMs: number): Promise<ApiPinChanges>;
  /** Whether something is kept for an order that is pinned by now. Microseconds. */
  hasOutlived(): boolean;
  /** Lets some of that go. */
  releaseOutlived(nowMs: number): Promise<ApiPinChanges>;

  get(owner: string, id: string): ApiPin | undefined;
  /**
   * What is asked for by state and time alone costs the same whatever the number of orders. Other questions look at every order
   * that may match, a few thousand at a time so that others get their turn between.
   *
   * @throws the signal's reason when it aborts.
   */
  list(query: ApiPinsQuery, options: { readonly signal: AbortSignal }): Promise<ApiPinsPage>;
}
