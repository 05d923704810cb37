import type { IpnsName } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { BlockSource } from "./content/block-source.ts";
import type { ContentRouting } from "./content/content-routing.ts";
import type { BackendStatus } from "./http/backend-status.ts";
import type { Pinner } from "./pins/pinner.ts";
import type { RecordRouter } from "./records/lookup/record-router.ts";

/** What keeps us on the network. One that is away fails its calls at once with `BACKEND_UNAVAILABLE`, and comes back by itself. */
export interface Backend extends RecordRouter, BlockSource, ContentRouting, BackendStatus, AsyncDisposable {
  /** Whether there is a network at all; when false, nothing need be put to it or asked of it. */
  readonly canRoute: boolean;
  /** Where it keeps content for good; absent when that is our vault. */
  readonly pinner?: Pinner;
  /** Starts in the background. */
  start(): void;
  /**
   * Connects to peers, best effort, because somebody says that they have something.
   *
   * @param addrs multiaddrs that end in `/p2p/…`.
   * @throws when none of the peers could be reached.
   */
  connectTo(addrs: readonly string[], options: { readonly signal: AbortSignal }): Promise<void>;
  /** Calls the listener with each record that peers put to us; returns a function that removes it. */
  onRecordPushed(listener: (name: IpnsName, recordBytes: Uint8Array) => void): () => void;
  /** These blocks are in the vault now: peers that wait for one are sent it, where that can be. Best effort. */
  announceBlocks(cids: readonly CID[], options: { readonly signal: AbortSignal }): Promise<void>;
}
