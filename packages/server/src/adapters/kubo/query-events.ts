import type { RoutedPeer } from "../../content/content-routing.ts";

/** What the numbers of go-libp2p's query events mean, as far as we use them. */
const PEER_RESPONSE = 1;
const FINAL_PEER = 2;
const QUERY_ERROR = 3;
const PROVIDER = 4;
const VALUE = 5;

const ADDRS_MAX = 64;
const ADDR_LENGTH_MAX = 512;
const PEER_ID_LENGTH_MAX = 128;

/** One event of a query as Kubo tells it; what has no meaning for us is `other`. */
export type QueryEvent =
  | { readonly kind: "peer" | "provider"; readonly peers: readonly RoutedPeer[] }
  | { readonly kind: "value"; readonly bytes: Uint8Array }
  | { readonly kind: "error"; readonly words: string }
  /** `answer`: a peer answered, whatever it knew. */
  | { readonly kind: "answer" | "other" };

/**
 * Reads an event. Never throws: what is malformed is `other`, and peers that are malformed are left out.
 *
 * @see https://pkg.go.dev/github.com/libp2p/go-libp2p/core/routing#QueryEvent
 */
export function queryEventOf(object: unknown): QueryEvent {
  if (typeof object !== "object" || object === null) return { kind: "other" };
  const { Type, Responses, Extra } = object as Record<string, unknown>;
  if (Type === PEER_RESPONSE) return { kind: "answer" };
  if (Type === FINAL_PEER) return { kind: "peer", peers: peersOf(Responses) };
  if (Type === PROVIDER) return { kind: "provider", peers: peersOf(Responses) };
  const text = typeof Extra === "string" ? Extra : "";
  if (Type === VALUE) return { kind: "value", bytes: Uint8Array.from(Buffer.from(text, "base64")) };
  if (Type === QUERY_ERROR) return { kind: "error", words: text };
  return { kind: "other" };
}

function peersOf(responses: unknown): RoutedPeer[] {
  const peers: RoutedPeer[] = [];
  for (const response of Array.isArray(responses) ? (responses as unknown[]) : []) {
    if (typeof response !== "object" || response === null) continue;
    const { ID, Addrs } = response as Record<string, unknown>;
    if (typeof ID !== "string" || ID === "" || ID.length > PEER_ID_LENGTH_MAX) continue;
    peers.push({ id: ID, addrs: addrsOf(ID, Addrs), protocols: [] });
  }
  return peers;
}

/** Multiaddrs without the `/p2p/…` end. */
export function addrsOf(peerId: string, addrs: unknown): string[] {
  const end = `/p2p/${peerId}`;
  return (Array.isArray(addrs) ? (addrs as unknown[]) : [])
    .filter((a): a is string => typeof a === "string" && a.startsWith("/") && a.length <= ADDR_LENGTH_MAX)
    .slice(0, ADDRS_MAX)
    .map((a) => (a.endsWith(end) ? a.slice(0, -end.length) : a));
}
