import type { CID } from "multiformats/cid";

/** Which request made the pin. */
export type PinSource = "add" | "dag-put" | "dag-import" | "block-put" | "sidecar";

export interface PinnedRoot {
  /** In the version in which it was first pinned. */
  readonly root: CID;
  /** The whole DAG below it has to stay, not only this block. */
  readonly recursive: boolean;
  readonly name: string | undefined;
  /** Of the first pin, as is `pinnedAtMs`. */
  readonly source: PinSource;
  readonly pinnedAtMs: number;
  /** Of the root's block, for a pin that is counted by size. */
  readonly blockBytes?: number;
}

export interface PinTotals {
  readonly pins: number;
  /** Sum of `blockBytes`; blocks that are pinned under several codecs are held, and counted, once. */
  readonly blockBytes: number;
}

/**
 * What has to stay: the record of it, not the blocks. One pin for each multihash and codec: both versions of a CID are the
 * same pin, but the same bytes read with another codec are another DAG.
 * Every adapter passes `test/contracts/pinned-roots.contract.ts`.
 */
export interface PinnedRoots {
  /**
   * Pins, all or none; durable when it settles. A root that is pinned already stays as it is, except that it becomes
   * recursive if the new pin is, and takes the new pin's name if that has one.
   *
   * @throws HoldfastError `STORE_FAILED`, `OVERLOADED`, `SHUTTING_DOWN`.
   */
  add(pins: readonly PinnedRoot[]): Promise<void>;
  /** The pin of exactly this root. Blocks below a pinned root have none. */
  get(root: CID): PinnedRoot | undefined;
  /** In the order of their keys, which says nothing; `after` goes on behind the last one of the page before. */
  list(options: { readonly limit: number; readonly after?: CID }): readonly PinnedRoot[];
  /** By the source of the first pin; a source without pins is absent. Costs the same whatever the number of pins. */
  totals(): ReadonlyMap<PinSource, PinTotals>;
}
