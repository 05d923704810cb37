import type { Libp2p } from "@libp2p/interface";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";

/**
 * Connects to each peer by whichever of its addresses answers.
 *
 * @param addrs multiaddrs that end in `/p2p/…`; others are left out.
 * @throws the first failure when no peer could be reached.
 */
export async function dialPeers(
  libp2p: Pick<Libp2p, "dial">,
  addrs: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const peers = Map.groupBy(
    addrs.map((text) => multiaddr(text)),
    (addr) => peerOf(addr),
  );
  peers.delete(undefined);
  const dials = [...peers.values()].map((ofPeer) => libp2p.dial(ofPeer, { signal }));
  const results = await Promise.allSettled(dials);
  const failure = results.find((result) => result.status === "rejected");
  if (failure !== undefined && results.every(({ status }) => status === "rejected")) throw failure.reason;
}

function peerOf(addr: Multiaddr): string | undefined {
  const last = addr.getComponents().at(-1);
  return last?.name === "p2p" ? last.value : undefined;
}
