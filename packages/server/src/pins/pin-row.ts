import type { CID } from "multiformats/cid";
import type { Pin, PinRequest, PinSource, PinState } from "./pin.ts";

/** What has to be done next for a pin. One with nothing to do has no step. */
export type PinStep = "pin" | "provide" | "unpin";

/** Whose turn a pin takes: the queue goes round over sources, and over holders within one. */
export interface PinLane {
  readonly source: PinSource;
  readonly holder: string;
}

/** A pin that the queue has something to do for. */
export interface QueuedPin {
  readonly root: CID;
  readonly recursive: boolean;
  readonly step: PinStep;
  readonly lane: PinLane;
  readonly attempts: number;
  /** Of the first claim, as is `name`. */
  readonly source: PinSource;
  readonly name: string | undefined;
  /** As in the row. */
  readonly madeIn: string | undefined;
}

/** All that a store keeps of a pin beside its key. Only `pin-transitions.ts` makes one from another. */
export interface PinRow {
  readonly cidVersion: number;
  readonly recursive: boolean;
  /** `released`: nobody claims it any more, and the backend is yet to be told. Then the row goes. */
  readonly state: PinState | "released";
  readonly step: PinStep | undefined;
  /** Until `nextAttemptAtMs` has come and the queue has woken it. */
  readonly isResting: boolean;
  readonly nextAttemptAtMs: number;
  /** Failed attempts at this step. */
  readonly attempts: number;
  readonly problem: string | undefined;
  readonly priority: number;
  readonly lane: PinLane;
  /** Of the first claim. */
  readonly source: PinSource;
  readonly holder: string;
  readonly name: string | undefined;
  readonly createdAtMs: number;
  /** When all of it was in our vault; undefined when that cannot be relied on. */
  readonly storedAtMs: number | undefined;
  readonly pinnedAtMs: number | undefined;
  readonly providedAtMs: number | undefined;
  readonly blockBytes: number | undefined;
  /**
   * The repository in which the pin was made for us; undefined when it is not known to be ours, and so not ours to end (R33). Says
   * nothing of what is kept: only whether the backend is told at the end.
   */
  readonly madeIn: string | undefined;
}

/** What the room and its users see of a row; undefined for a pin that is released. */
export function pinOfRow(root: CID, row: PinRow): Pin | undefined {
  const { recursive, state, source, holder, name, createdAtMs } = row;
  if (state === "released") return undefined;
  const { pinnedAtMs, blockBytes, attempts, nextAttemptAtMs, problem } = row;
  const claim = { source, holder, name, createdAtMs };
  return { root, recursive, state, claim, pinnedAtMs, blockBytes, attempts, nextAttemptAtMs, problem };
}

/** As {@link pinOfRow}, for one that the queue has something to do for, released or not. */
export function queuedPinOf(root: CID, row: PinRow): QueuedPin | undefined {
  const { recursive, step, lane, attempts, source, name, madeIn } = row;
  return step === undefined ? undefined : { root, recursive, step, lane, attempts, source, name, madeIn };
}

/** A request as it is stored: `PinRequest` without the key, in the form that crosses to the store thread. */
export type PinWish = Omit<PinRequest, "root"> & { readonly cidVersion: number };

/** What an attempt at a step, or a look at the backend, came to. */
export type PinOutcome =
  /** `recursive`: as it was asked for; `provides`: the network is to be told now. */
  | {
      readonly kind: "pinned";
      readonly recursive: boolean;
      readonly atMs: number;
      readonly provides: boolean;
      /** What the pin holds, if the backend tells; for those who are told, not stored. */
      readonly heldBytes?: number | undefined;
    }
  /** The repository had no pin of it when an attempt began, whatever became of that: the pin that it may have now is ours. */
  | { readonly kind: "made"; readonly repositoryId: string }
  | { readonly kind: "provided"; readonly atMs: number }
  /** The network could not be told; the pin stays as it is. */
  | { readonly kind: "not-provided"; readonly problem: string }
  | { readonly kind: "unpinned" }
  | {
      readonly kind: "failed";
      readonly step: PinStep;
      readonly attempts: number;
      readonly nextAttemptAtMs: number;
      readonly problem: string;
    }
  | { readonly kind: "dead"; readonly attempts: number; readonly problem: string }
  /** The backend does not have it any more; `listedAtMs`: when it began to say so. */
  | {
      readonly kind: "lost";
      readonly state: "queued" | "stored";
      readonly listedAtMs: number;
      readonly problem: string | undefined;
    }
  /** Somebody asks for another attempt, now. */
  | { readonly kind: "retried"; readonly atMs: number };

/** What a store needs to know about the node that it works for. */
export interface PinRules {
  /** The vault is the repository: what is stored is pinned. */
  readonly storedIsPinned: boolean;
  /** The network is told of what is pinned. */
  readonly provides: boolean;
}
