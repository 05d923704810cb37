import { formatIpnsName, parseIpnsName } from "@holdfast/core";
import { multiaddr } from "@multiformats/multiaddr";
import type { RoutedPeer } from "../../content/content-routing.ts";

const PEERS_MAX = 1_000;
const ADDRS_MAX = 100;
const PROTOCOLS_MAX = 20;
const PROTOCOL_LENGTH_MAX = 100;

/**
 * The peers of a Delegated Routing answer. Whatever is not one is left out: other schemas, ids and addresses that do not parse.
 *
 * @throws Error when the answer as a whole is something else.
 * @see https://specs.ipfs.tech/routing/http-routing-v1/#known-schemas
 */
export function routedPeersOf(json: Uint8Array, member: "Providers" | "Peers"): readonly RoutedPeer[] {
  const answer = parsed(json);
  const list = isObject(answer) ? (answer[member] ?? []) : undefined;
  if (!Array.isArray(list)) throw new Error(`no list of ${member}`);
  const peers = new Map<string, RoutedPeer>();
  for (const item of list.slice(0, PEERS_MAX) as unknown[]) {
    const peer = isObject(item) ? peerOf(item) : undefined;
    if (peer !== undefined && !peers.has(peer.id)) peers.set(peer.id, peer);
  }
  return [...peers.values()];
}

function parsed(json: Uint8Array): unknown {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json)) as unknown;
}

function peerOf({
  ID,
  Addrs,
  Protocols,
  Protocol,
}: Readonly<Record<string, unknown>>): RoutedPeer | undefined {
  if (typeof ID !== "string") return undefined;
  try {
    // A peer id is spelled and made like an IPNS name: the multihash of a public key.
    const id = formatIpnsName(parseIpnsName(ID), "base58btc");
    const protocols = textsOf(Protocols).length > 0 ? textsOf(Protocols) : textsOf([Protocol]);
    return {
      id,
      addrs: textsOf(Addrs).slice(0, ADDRS_MAX).flatMap(addrOf),
      protocols: protocols.filter((text) => text.length <= PROTOCOL_LENGTH_MAX).slice(0, PROTOCOLS_MAX),
    };
  } catch {
    // Somebody else's mistake in one entry of many.
    return undefined;
  }
}

function addrOf(text: string): readonly string[] {
  try {
    return [
      multiaddr(text)
        .toString()
        .replace(/\/p2p\/[^/]+$/, ""),
    ].filter((addr) => addr !== "");
  } catch {
    // As above.
    return [];
  }
}

function textsOf(list: unknown): readonly string[] {
  return Array.isArray(list) ? (list as unknown[]).filter((item) => typeof item === "string") : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
