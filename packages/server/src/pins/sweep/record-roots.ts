import { contentPathOf, type IpnsRecord, parseCid, parseContentPath } from "@holdfast/core";
import type { CID } from "multiformats/cid";

/** What the IPNS records that are kept here point to, now and before. */
export interface RecordRoots {
  /**
   * The root of each `/ipfs/…` value of a current or historical record, expired or not, in pages and perhaps more than once.
   * Ends normally only after the last one.
   *
   * @throws HoldfastError `STORE_FAILED` when a record cannot be read: what it points to is not known then; the signal's reason
   *   when it aborts.
   */
  ipfsRoots(options: { readonly signal: AbortSignal }): AsyncIterable<readonly CID[]>;
}

/** What a record points to, if that is content; undefined for one that points elsewhere. */
export function ipfsRootOf(record: IpnsRecord): CID | undefined {
  try {
    const { namespace, root } = parseContentPath(contentPathOf(record));
    return namespace === "ipfs" ? parseCid(root) : undefined;
  } catch {
    // A value is what its owner wrote: one that is no path points to nothing.
    return undefined;
  }
}
