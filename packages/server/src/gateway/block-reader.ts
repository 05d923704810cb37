import type { CID } from "multiformats/cid";

/** What the gateway needs of `content/`. */
export interface BlockReader {
  /**
   * The verified bytes of a block, shared and not to be changed.
   *
   * @throws HoldfastError `CONTENT_NOT_FOUND`, `CONTENT_UNSUPPORTED`, `BACKEND_UNAVAILABLE`, …; the signal's reason when it aborts.
   */
  get(cid: CID, options: { readonly signal: AbortSignal; readonly root?: CID }): Promise<Uint8Array>;
  /** Whether {@link get} would answer without a network. */
  isHeld(cid: CID): Promise<boolean>;
}

/** What the gateway needs of `records/`. */
export interface NameResolver {
  /**
   * Follows `/ipns/{name}` to an `/ipfs/…` path.
   *
   * @param options.ask `first`: routing is asked before the stored record is used.
   * @returns `maxAgeMs`: how long the answer may be reused.
   * @throws HoldfastError `INVALID_NAME`, `INVALID_PATH`, `RECORD_NOT_FOUND`, …
   */
  resolvePath(
    path: string,
    options: { readonly signal: AbortSignal; readonly ask?: "if-absent" | "first" },
  ): Promise<{ readonly path: string; readonly maxAgeMs: number }>;
}
