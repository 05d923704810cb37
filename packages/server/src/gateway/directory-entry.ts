import type { CID } from "multiformats/cid";

export interface DirectoryEntry {
  readonly name: string;
  readonly cid: CID;
  /** Size of all blocks below, as its maker claims; undefined when it does not. */
  readonly dagBytes: number | undefined;
}
