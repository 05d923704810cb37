import type { CID } from "multiformats/cid";
import type { Pin, PinClaim, PinRequest, PinSource, PinState, PinTotals } from "./pin.ts";
import type { PinOutcome, PinRules, PinStep, QueuedPin } from "./pin-row.ts";

export interface PinsPage {
  readonly pins: readonly Pin[];
  /** For `after` of the next page; undefined when this is the last one. A page may have fewer pins than asked for, or none. */
  readonly next: number | undefined;
}

export interface PinsFilter {
  readonly state?: PinState | undefined;
  /** Of the first claim. */
  readonly source?: PinSource | undefined;
}

export interface PinTotal extends PinTotals {
  readonly source: PinSource;
  readonly state: PinState | "released";
}

/** What became of one request. */
export interface AddedPin {
  /** Nothing claimed this root before. */
  readonly isNew: boolean;
  /** It is pinned now, by this request. */
  readonly isNewlyPinned: boolean;
}

/** Thousands may want the same root; nobody wants to read of all of them. */
export const CLAIMS_SHOWN_MAX = 1_000;

/**
 * What has to stay and how far it is, durably: a write has settled when its commit has reached the disk. The rules of what
 * becomes what are in `pin-transitions.ts`, for every adapter. One pin for each multihash and codec.
 * Every adapter passes `test/contracts/pin-store.contract.ts`.
 */
export interface PinStore {
  /**
   * Adds claims, all or none, in their order.
   *
   * @throws HoldfastError `STORE_FAILED`, `OVERLOADED`, `SHUTTING_DOWN`, as every other write.
   */
  add(requests: readonly PinRequest[], rules: PinRules): Promise<readonly AddedPin[]>;
  /** Ends one claim; the pin stays while it has another. False when there is no such claim. */
  release(root: CID, claim: Pick<PinClaim, "source" | "holder">, atMs: number): Promise<boolean>;
  /** Notes outcomes; false for each that came too late to be true. */
  settle(
    outcomes: readonly { readonly root: CID; readonly outcome: PinOutcome }[],
  ): Promise<readonly boolean[]>;

  /** The pin of exactly this root, unless it is released. Blocks below a pinned root have none. Microseconds. */
  get(root: CID): Pin | undefined;
  /** What this holder claims, if it does. Microseconds, however many others do. */
  claim(root: CID, claim: Pick<PinClaim, "source" | "holder">): PinClaim | undefined;
  /** Oldest first, the first {@link CLAIMS_SHOWN_MAX}. */
  claims(root: CID): readonly PinClaim[];
  /** Pins that are not released, oldest first. Looks at a bounded number of rows, so a page may be short. */
  list(options: PinsFilter & { readonly limit: number; readonly after?: number | undefined }): PinsPage;
  /** Only those with pins. Costs the same whatever the number of pins. */
  totals(): readonly PinTotal[];

  /**
   * Pins of a source that can be attempted now, ordered by holder, then the greatest priority, then who is due longest, so that
   * those that have failed come behind those that were not tried yet; only those of holders behind `afterHolder` if that is given.
   */
  ready(options: {
    readonly step: PinStep;
    readonly source: PinSource;
    readonly afterHolder: string | undefined;
    readonly limit: number;
  }): readonly QueuedPin[];
  /** When the next resting pin is to be woken. */
  nextWakeAtMs(): number | undefined;
  /** Makes up to `limit` resting pins ready whose time has come. */
  wake(nowMs: number, limit: number): Promise<void>;

  /** Whose pins the confirmed ones are, as far as that was ever known. */
  repositoryId(): string | undefined;
  setRepositoryId(id: string): Promise<void>;
}
