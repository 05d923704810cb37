import { peerIdFromString } from "@libp2p/peer-id";
import type { Libp2p, PeerId } from "@libp2p/interface";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";

const FIRST_PAUSE_MS = 500;
const PAUSE_MS_MAX = 60_000;
const DIAL_TIMEOUT_MS = 10_000;

interface ConfiguredPeer {
  readonly id: PeerId;
  readonly addrs: readonly Multiaddr[];
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Stays connected to the peers of the configuration: libp2p itself dials them once, and nobody redials a peer that went
 * away.
 */
export class ConfiguredPeers {
  readonly #libp2p: Libp2p;
  readonly #peers: readonly ConfiguredPeer[];
  /** With so many connections of other peers it does without them (public bootstrap peers have enough to do). */
  readonly #enoughPeers: number;
  #stopped = false;

  /** @throws when a multiaddr is malformed or does not end in `/p2p/…`. */
  constructor(libp2p: Libp2p, multiaddrs: readonly string[], enoughPeers: number) {
    this.#libp2p = libp2p;
    this.#enoughPeers = enoughPeers;
    this.#peers = groupByPeer(multiaddrs);
  }

  get count(): number {
    return this.#peers.length;
  }

  start(): void {
    this.#libp2p.addEventListener("peer:disconnect", this.#onDisconnect);
    for (const peer of this.#peers) void this.#dial(peer);
  }

  stop(): void {
    this.#stopped = true;
    this.#libp2p.removeEventListener("peer:disconnect", this.#onDisconnect);
    for (const peer of this.#peers) clearTimeout(peer.timer);
  }

  readonly #onDisconnect = (event: CustomEvent<PeerId>): void => {
    const peer = this.#peers.find((p) => p.id.equals(event.detail));
    if (peer !== undefined) this.#dialLater(peer);
  };

  async #dial(peer: ConfiguredPeer): Promise<void> {
    if (this.#stopped) return;
    const connected = this.#libp2p.getConnections(peer.id).length > 0;
    if (connected) {
      peer.failures = 0;
      return;
    }
    if (this.#libp2p.getPeers().length < this.#enoughPeers) {
      try {
        await this.#libp2p.dial([...peer.addrs], { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) });
        peer.failures = 0;
        return;
      } catch {
        // It is away; the pause before the next try grows.
        peer.failures++;
      }
    }
    this.#dialLater(peer);
  }

  #dialLater(peer: ConfiguredPeer): void {
    if (this.#stopped) return;
    clearTimeout(peer.timer);
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** peer.failures, PAUSE_MS_MAX) * (0.5 + Math.random());
    peer.timer = setTimeout(() => void this.#dial(peer), pauseMs);
  }
}

function groupByPeer(multiaddrs: readonly string[]): ConfiguredPeer[] {
  const addrsOf = new Map<string, Multiaddr[]>();
  for (const text of multiaddrs) {
    const addr = multiaddr(text);
    const id = addr.getComponents().findLast((c) => c.name === "p2p")?.value;
    if (id === undefined) throw new Error(`the peer address ${text} does not end in /p2p/<peer id>`);
    addrsOf.set(id, [...(addrsOf.get(id) ?? []), addr]);
  }
  return [...addrsOf].map(([id, addrs]) => ({
    id: peerIdFromString(id),
    addrs,
    failures: 0,
    timer: undefined,
  }));
}
