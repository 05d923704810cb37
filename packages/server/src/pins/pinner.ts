import type { CID } from "multiformats/cid";

export interface PinProgress {
  /** Blocks of the DAG that are there so far. Moves with every block, so standing still means no progress. */
  readonly blocks: number;
  /** Bytes of them, where the backend tells; leaves that it had before may be left out. */
  readonly bytes: number | undefined;
}

export interface PinOptions {
  readonly recursive: boolean;
  /** Shown by the backend beside the pin, if it can. */
  readonly name?: string | undefined;
  readonly signal: AbortSignal;
  /** Called as blocks arrive; must not throw or wait. */
  readonly onProgress?: (progress: PinProgress) => void;
  /**
   * Called when the repository was asked and has no pin of this root, of either kind, before one is made: the one that it may
   * have from then on is ours. Not called when there is one already, which may be somebody else's (R33).
   */
  readonly onAbsent?: () => void;
}

/** The `repositoryId` of our own vault. Nobody else pins in it. */
export const VAULT_REPOSITORY = "vault";

/**
 * Where content is kept for good: a Kubo, or our own vault. Every adapter passes `test/contracts/pinner.contract.ts`.
 */
export interface Pinner {
  /** For logs, counters and answers, e.g. `kubo`, `vault`. */
  readonly label: string;

  /**
   * Which repository this is, e.g. a peer id; undefined while that is not known. Pins that were confirmed by another one
   * are not pins of this one: whoever sees a change has to ask for each again.
   */
  readonly repositoryId: string | undefined;

  /**
   * Pins: what the vault has of the DAG is taken from there, the rest from the network. Settles when the repository was
   * asked after the pin and said that it has it (R20). A pin that is there already is a success. When the signal aborts, the
   * pin may have been made all the same, or be made within moments: an `unpin` that comes behind it ends that one, too.
   *
   * @returns what the pin holds, as far as the repository tells.
   * @throws HoldfastError `CONTENT_NOT_FOUND` when it is known that nobody has a block, `CONTENT_UNSUPPORTED`,
   *   `STORE_FAILED` when the repository has no room, `BACKEND_UNAVAILABLE`, `UPSTREAM_TIMEOUT`; the signal's reason when it aborts.
   */
  pin(root: CID, options: PinOptions): Promise<PinProgress>;

  /**
   * Ends the pin of this root, of either kind, whoever made it: that it is ours is for the caller to know. One that does not
   * exist is a success. Blocks stay until the repository collects its garbage.
   */
  unpin(root: CID, options: { readonly signal: AbortSignal }): Promise<void>;

  /** Whether the repository has exactly this pin, now. @throws HoldfastError `BACKEND_UNAVAILABLE`. */
  isPinned(
    root: CID,
    options: { readonly recursive: boolean; readonly signal: AbortSignal },
  ): Promise<boolean>;

  /**
   * Every pin of the repository, whoever made it, in no order. Ends normally only after the last one: a list that breaks off
   * throws, because what is missing from it counts as lost.
   */
  listPinned(options: { readonly recursive: boolean; readonly signal: AbortSignal }): AsyncIterable<CID>;
}
