import type { CID } from "multiformats/cid";

/** Through which door the wish for a pin came. */
export type PinSource =
  /** Writes over HTTP: the content came with the request. */
  | "add"
  | "dag-put"
  | "dag-import"
  | "block-put"
  | "sidecar"
  /** Wishes: the content is to be found. */
  | "pin-add"
  | "pins-api"
  | "nostr"
  | "pin-list"
  | "follow";

/** Why a root has to stay. A root stays as long as it has a claim; each claim is released by itself. */
export interface PinClaim {
  readonly source: PinSource;
  /** Whose wish it is, within the source: a Nostr public key, a request id, a followed name; empty for anonymous writes. */
  readonly holder: string;
  readonly name: string | undefined;
  readonly createdAtMs: number;
}

/**
 * How far a pin is. Each state includes the promises of those before it:
 *
 * - `queued`: the wish is durable; the content is not all here.
 * - `stored`: every block of it is in the vault; the backend has not confirmed a pin.
 * - `pinned`: the backend was asked afterwards and said that it has the pin (R20).
 * - `provided`: the network was told that we have the root.
 * - `dead`: given up; `problem` says why. Tried again only when somebody asks for it.
 */
export type PinState = "queued" | "stored" | "pinned" | "provided" | "dead";

/**
 * What has to stay, and how far it is. One pin for each multihash and codec: both versions of a CID are the same pin, but
 * the same bytes read with another codec are another DAG.
 */
export interface Pin {
  /** In the version in which it was first wished for. */
  readonly root: CID;
  /** The whole DAG below it has to stay, not only this block. */
  readonly recursive: boolean;
  readonly state: PinState;
  /** The first claim: its source counts in totals, its name is the pin's. */
  readonly claim: PinClaim;
  /** When the backend confirmed the pin last; undefined before the first time. */
  readonly pinnedAtMs: number | undefined;
  /** Of the root's block, for a pin that is counted by size. */
  readonly blockBytes: number | undefined;
  /** Failed attempts to reach the next state. */
  readonly attempts: number;
  /** Not tried before; meaningless for `provided` and `dead`. */
  readonly nextAttemptAtMs: number;
  /** Of the last attempt, for people. Never a host path. */
  readonly problem: string | undefined;
}

export interface PinRequest {
  readonly root: CID;
  readonly recursive: boolean;
  readonly claim: PinClaim;
  /** Every block that the pin needs is in the vault already: it enters as `stored`. */
  readonly isStored: boolean;
  /** Greater goes first, within the source and holder. Default 0. */
  readonly priority?: number;
  readonly blockBytes?: number;
}

export interface PinTotals {
  readonly pins: number;
  /** Sum of `blockBytes`; blocks that are pinned under several codecs are held, and counted, once. */
  readonly blockBytes: number;
}
