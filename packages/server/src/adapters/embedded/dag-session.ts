import type { PeerId } from "@libp2p/interface";
import type { CID } from "multiformats/cid";

const PEERS_MAX = 16;
/** Asking the DHT again for the same root sooner would hardly tell anything new. */
const LOOKUP_VALID_MS = 10_000;
const FIRST_HEDGE_MS = 1_000;
const HEDGE_MS_MIN = 300;
const HEDGE_MS_MAX = 3_000;
/** How far one answer moves the average. */
const SMOOTHING = 0.2;

interface KnownPeer {
  readonly id: PeerId;
  /** Average time from question to block. */
  answerMs: number | undefined;
  failuresInRow: number;
}

/** The peers known to have blocks of one DAG, best first: each block is asked of one of them instead of everybody. */
export class DagSession {
  readonly #root: CID;
  readonly #findProviders: (cid: CID) => AsyncIterable<PeerId>;
  readonly #peers = new Map<string, KnownPeer>();
  readonly #listeners = new Set<(peer: PeerId) => void>();
  #lookup: { readonly startedAtMs: number; readonly done: Promise<void> } | undefined;

  /** @param findProviders ends by itself. */
  constructor(root: CID, findProviders: (cid: CID) => AsyncIterable<PeerId>) {
    this.#root = root;
    this.#findProviders = findProviders;
  }

  /** Best first. */
  peers(): readonly PeerId[] {
    return [...this.#peers.values()].sort(byPromise).map((p) => p.id);
  }

  /** When a question has waited so long, it is worth asking a second peer as well. */
  hedgeMs(): number {
    const best = [...this.#peers.values()].sort(byPromise)[0]?.answerMs;
    return best === undefined ? FIRST_HEDGE_MS : Math.min(Math.max(best * 4, HEDGE_MS_MIN), HEDGE_MS_MAX);
  }

  answered(id: PeerId, answerMs: number): void {
    const peer = this.#add(id);
    if (peer === undefined) return;
    peer.answerMs =
      peer.answerMs === undefined ? answerMs : peer.answerMs + SMOOTHING * (answerMs - peer.answerMs);
    peer.failuresInRow = 0;
  }

  failed(id: PeerId): void {
    const peer = this.#peers.get(id.toString());
    if (peer !== undefined && ++peer.failuresInRow >= 3) this.#peers.delete(id.toString());
  }

  /**
   * Looks for providers of the root, shared by all who read this DAG; each one found goes to `onPeer` of all of them.
   * Settles when the lookup is over. Never rejects.
   */
  async findPeers(onPeer: (peer: PeerId) => void): Promise<void> {
    this.#listeners.add(onPeer);
    try {
      if (this.#lookup === undefined || Date.now() - this.#lookup.startedAtMs > LOOKUP_VALID_MS) {
        this.#lookup = { startedAtMs: Date.now(), done: this.#lookUp() };
      }
      for (const peer of this.peers()) onPeer(peer);
      await this.#lookup.done;
    } finally {
      this.#listeners.delete(onPeer);
    }
  }

  async #lookUp(): Promise<void> {
    try {
      for await (const peer of this.#findProviders(this.#root)) {
        this.#add(peer);
        for (const listener of this.#listeners) listener(peer);
        if (this.#peers.size >= PEERS_MAX) return;
      }
    } catch {
      // A lookup that failed found nobody; those who wait go on with whom they know.
    }
  }

  #add(id: PeerId): KnownPeer | undefined {
    const known = this.#peers.get(id.toString());
    if (known !== undefined) return known;
    if (this.#peers.size >= PEERS_MAX) return undefined;
    const peer: KnownPeer = { id, answerMs: undefined, failuresInRow: 0 };
    this.#peers.set(id.toString(), peer);
    return peer;
  }
}

function byPromise(a: KnownPeer, b: KnownPeer): number {
  return (
    a.failuresInRow - b.failuresInRow ||
    (a.answerMs ?? Number.POSITIVE_INFINITY) - (b.answerMs ?? Number.POSITIVE_INFINITY) ||
    0
  );
}
