import type { CID } from "multiformats/cid";

/** Somewhere else that may have a block. */
export interface BlockSource {
  /** For logs and counters, e.g. `embedded`. */
  readonly label: string;

  /**
   * Retrieves one block. The bytes are unverified; {@link Blocks} checks them.
   *
   * @param options.root the root of the DAG that is being read: blocks of one root share a session, so each is asked of
   *   peers known to have the DAG instead of everybody.
   * @throws HoldfastError `CONTENT_NOT_FOUND` when it is known that nobody has it, `BACKEND_UNAVAILABLE`; the signal's
   *   reason when it aborts.
   */
  retrieve(cid: CID, options: { readonly root?: CID; readonly signal: AbortSignal }): Promise<Uint8Array>;
}
