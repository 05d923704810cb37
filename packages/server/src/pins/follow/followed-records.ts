import type { IpnsName } from "@holdfast/core";
import type { FollowedVersion } from "./follow-store.ts";

/** Where a name points to, as far as it is known here. */
export interface NameTarget {
  /**
   * The root that it points to now, last; before it those that its own records pointed to since the one asked for, oldest first.
   * Empty while it is not known what it points to: then nothing follows from it (R33).
   */
  readonly roots: readonly FollowedVersion[];
  /** Other names on the way: when one of them changes, so may this. */
  readonly via: readonly IpnsName[];
  /** Why it is not known, for people. */
  readonly problem: string | undefined;
}

/** What names point to. The room of records is behind it. */
export interface FollowedRecords {
  /**
   * Goes by the records that are held and have not expired. A value `/ipns/…` is followed, up to 32 names behind each other.
   *
   * Of a path the root is taken, not what it leads to: without the blocks on the way the name could not be resolved from here, and
   * the root is known at once, without the network.
   *
   * @param options.after the newest root that is known already; undefined: only what it points to now is asked for.
   * @throws HoldfastError `STORE_FAILED`; the signal's reason when it aborts.
   */
  look(
    name: IpnsName,
    options: { readonly after: FollowedVersion | undefined; readonly signal: AbortSignal },
  ): Promise<NameTarget>;
  /** Calls the listener after each stored change. Returns the function that ends it. */
  onStored(listener: (name: IpnsName) => void): () => void;
}
