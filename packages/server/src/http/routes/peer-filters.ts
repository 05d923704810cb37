import type { RoutedPeer } from "../../content/content-routing.ts";

/** Comma lists of the query, lower-cased; empty means no filter. */
export interface PeerFilters {
  readonly addrs: readonly string[];
  readonly protocols: readonly string[];
}

export function readPeerFilters(addrs: string | undefined, protocols: string | undefined): PeerFilters {
  return { addrs: listOf(addrs), protocols: listOf(protocols) };
}

/**
 * The peer with the addresses that pass, or undefined when it does not.
 *
 * An address passes when it contains one of the plain protocols (if any is named) and none of the `!` ones. A peer left
 * without addresses passes only if it had none before and `unknown` is named.
 *
 * @see https://specs.ipfs.tech/ipips/ipip-0484/
 */
export function filterPeer(peer: RoutedPeer, { addrs, protocols }: PeerFilters): RoutedPeer | undefined {
  if (protocols.length > 0) {
    const own = peer.protocols.map((protocol) => protocol.toLowerCase());
    const passes =
      own.length === 0 ? protocols.includes("unknown") : own.some((protocol) => protocols.includes(protocol));
    if (!passes) return undefined;
  }
  if (addrs.length === 0) return peer;
  if (peer.addrs.length === 0) return addrs.includes("unknown") ? peer : undefined;
  const wanted = addrs.filter((protocol) => !protocol.startsWith("!") && protocol !== "unknown");
  const unwanted = addrs.filter((protocol) => protocol.startsWith("!")).map((protocol) => protocol.slice(1));
  const onlyUnknown = wanted.length === 0 && unwanted.length === 0;
  const kept = peer.addrs.filter((addr) => {
    const parts = addr.toLowerCase().split("/");
    if (unwanted.some((protocol) => parts.includes(protocol))) return false;
    return !onlyUnknown && (wanted.length === 0 || wanted.some((protocol) => parts.includes(protocol)));
  });
  return kept.length === 0 ? undefined : { ...peer, addrs: kept };
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? "")
    .toLowerCase()
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
