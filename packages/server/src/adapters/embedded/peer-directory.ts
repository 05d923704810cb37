import { HoldfastError } from "@holdfast/core";
import type { Libp2p, PeerId, PeerInfo } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { CID } from "multiformats/cid";
import type { RoutedPeer } from "../../content/content-routing.ts";
import { withDeadline } from "./deadline.ts";

/** Bounds for callers that forget theirs. */
const FIND_TIMEOUT_MS = 60_000;
const PROVIDE_TIMEOUT_MS = 120_000;
/** For the addresses of a provider that came without any. */
const ADDRESS_TIMEOUT_MS = 5_000;
const PROVIDERS_MAX = 100;
const P2P_CODE = 421;

/** The Delegated Routing names of libp2p protocols. */
const TRANSPORTS: ReadonlyMap<string, string> = new Map([["/ipfs/bitswap/1.2.0", "transport-bitswap"]]);

/** Who has content and where peers are, as the DHT and the peer store know it. */
export class PeerDirectory {
  readonly #libp2p: Libp2p;
  readonly #enterQuery: (signal: AbortSignal) => Promise<Disposable>;

  /** @param enterQuery waits for peers and for its turn. @throws HoldfastError `BACKEND_UNAVAILABLE` */
  constructor(libp2p: Libp2p, enterQuery: (signal: AbortSignal) => Promise<Disposable>) {
    this.#libp2p = libp2p;
    this.#enterQuery = enterQuery;
  }

  isSelf(peer: PeerId): boolean {
    return this.#libp2p.peerId.equals(peer);
  }

  /** Peers that say they have the block, each once; their addresses are in the peer store then. */
  async *providersOf(cid: CID, signal: AbortSignal): AsyncGenerator<PeerId> {
    using _turn = await this.#enterQuery(signal);
    for await (const peer of this.#libp2p.contentRouting.findProviders(cid, { signal })) yield peer.id;
  }

  /** Emits each provider once, those whose addresses have to be looked up last. Ends quietly when the signal aborts. */
  async findProviders(
    cid: CID,
    limit: number,
    options: { readonly signal: AbortSignal; readonly emit: (peer: RoutedPeer) => void },
  ): Promise<void> {
    if (limit <= 0) return;
    const max = Math.min(limit, PROVIDERS_MAX);
    await withDeadline(options.signal, FIND_TIMEOUT_MS, async (signal) => {
      using _turn = await this.#enterQuery(signal);
      const lookups: Promise<void>[] = [];
      try {
        for await (const peer of this.#libp2p.contentRouting.findProviders(cid, { signal })) {
          lookups.push(this.#describe(peer, signal).then(options.emit));
          if (lookups.length >= max) break;
        }
      } catch (err) {
        if (!signal.aborted) throw err;
      }
      await Promise.all(lookups);
    });
  }

  /** @throws HoldfastError `INVALID_ARGUMENT` when the text is not a peer id. */
  async findPeer(text: string, outer: AbortSignal): Promise<RoutedPeer | undefined> {
    const id = parsePeerId(text);
    return withDeadline(outer, FIND_TIMEOUT_MS, async (signal) => {
      const known = this.isSelf(id) || this.#libp2p.getConnections(id).length > 0;
      try {
        using _turn = known ? undefined : await this.#enterQuery(signal);
        const found = known
          ? { id, multiaddrs: [] }
          : await this.#libp2p.peerRouting.findPeer(id, { signal });
        const peer = await this.#describe(found, signal);
        return peer.addrs.length === 0 ? undefined : peer;
      } catch (err) {
        if (signal.aborted || (err instanceof Error && err.name === "NotFoundError")) return undefined;
        throw err;
      }
    });
  }

  async provide(cid: CID, outer: AbortSignal): Promise<void> {
    await withDeadline(outer, PROVIDE_TIMEOUT_MS, async (signal) => {
      using _turn = await this.#enterQuery(signal);
      await this.#libp2p.contentRouting.provide(cid, { signal });
    });
  }

  async #describe(peer: PeerInfo, signal: AbortSignal): Promise<RoutedPeer> {
    const { id } = peer;
    if (this.isSelf(id)) {
      return routedPeer(id, this.#libp2p.getMultiaddrs(), this.#libp2p.getProtocols());
    }
    const known = await this.#known(id);
    let addrs = peer.multiaddrs.length > 0 ? peer.multiaddrs : known.addrs;
    if (addrs.length === 0) {
      addrs = await withDeadline(signal, ADDRESS_TIMEOUT_MS, async (looking) => {
        // When it is unknown it is named without addresses.
        const found = await this.#libp2p.peerRouting.findPeer(id, { signal: looking }).catch(() => undefined);
        return found?.multiaddrs ?? [];
      });
    }
    return routedPeer(id, addrs, known.protocols);
  }

  async #known(id: PeerId): Promise<{ addrs: Multiaddr[]; protocols: readonly string[] }> {
    try {
      const { addresses, protocols } = await this.#libp2p.peerStore.get(id);
      return { addrs: addresses.map((a) => a.multiaddr), protocols };
    } catch {
      // Not in the store: nothing is known.
      return { addrs: [], protocols: [] };
    }
  }
}

function routedPeer(id: PeerId, addrs: readonly Multiaddr[], protocols: readonly string[]): RoutedPeer {
  return {
    id: id.toString(),
    addrs: [...new Set(addrs.map((a) => a.decapsulateCode(P2P_CODE).toString()))],
    protocols: protocols.flatMap((p) => TRANSPORTS.get(p) ?? []),
  };
}

function parsePeerId(text: string): PeerId {
  try {
    return peerIdFromString(text);
  } catch (cause) {
    throw new HoldfastError("INVALID_ARGUMENT", "not a peer id", { cause });
  }
}
