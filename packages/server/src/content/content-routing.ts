import type { CID } from "multiformats/cid";

/** A peer as Delegated Routing V1 describes it (schema `peer`). */
export interface RoutedPeer {
  /** Peer id in its base58btc spelling, e.g. `12D3KooW…`. */
  readonly id: string;
  /** Multiaddrs without the `/p2p/…` end. */
  readonly addrs: readonly string[];
  /** Delegated Routing names, e.g. `transport-bitswap`; empty when unknown. */
  readonly protocols: readonly string[];
}

/** Who has content, and where peers are. */
export interface ContentRouting {
  /** Yields each provider once. Ends when the query is over, `limit` is reached or the signal aborts. */
  findProviders(
    cid: CID,
    options: { readonly limit: number; readonly signal: AbortSignal },
  ): AsyncIterable<RoutedPeer>;

  /** The addresses of one peer, or undefined when nobody knows it. */
  findPeer(peerId: string, options: { readonly signal: AbortSignal }): Promise<RoutedPeer | undefined>;

  /** Tells routing that we have this block. Best effort: settles when the query is over. */
  provide(cid: CID, options: { readonly signal: AbortSignal }): Promise<void>;
}
