import type { IpnsName, IpnsRecord } from "@holdfast/core";
import type { CID } from "multiformats/cid";

interface ReadBlockOptions {
  readonly signal: AbortSignal;
  readonly root?: CID;
  /** Called when the bytes were not held here and had to be retrieved. */
  readonly onRetrieved?: () => void;
}

/** What the gateway needs of `content/`. */
export interface BlockReader {
  /**
   * The verified bytes of a block, shared and not to be changed.
   *
   * @throws HoldfastError `CONTENT_NOT_FOUND`, `CONTENT_UNSUPPORTED`, `BACKEND_UNAVAILABLE`, …; the signal's reason when it aborts.
   */
  get(cid: CID, options: ReadBlockOptions): Promise<Uint8Array>;
  /** Whether {@link get} would answer without a network. */
  isHeld(cid: CID): Promise<boolean>;
}

export interface ResolveNameOptions {
  readonly signal: AbortSignal;
  /** `first`: routing is asked before the stored record is used. `never`: it is not asked at all. */
  readonly ask?: "if-absent" | "first" | "never";
}

/** What the gateway needs of `records/`. */
export interface NameResolver {
  /**
   * Follows `/ipns/{name}` or `/ipns/{domain}` to an `/ipfs/…` path.
   *
   * @returns `maxAgeMs`: how long the answer may be reused.
   * @throws HoldfastError `INVALID_NAME`, `INVALID_PATH`, `RECORD_NOT_FOUND` (`details.asked` is false when there was no
   *   network to ask, so that the name may well exist), …
   */
  resolvePath(
    path: string,
    options: ResolveNameOptions,
  ): Promise<{ readonly path: string; readonly maxAgeMs: number }>;

  /** The record of a name itself. @throws HoldfastError as {@link resolvePath}. */
  resolve(
    name: IpnsName,
    options: ResolveNameOptions,
  ): Promise<{ readonly stored: { readonly record: IpnsRecord } }>;
}
