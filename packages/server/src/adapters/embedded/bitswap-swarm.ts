import type { BlockBroker } from "helia";
import type { Libp2p, PeerId } from "@libp2p/interface";
import type { CID } from "multiformats/cid";
import { withDeadline } from "./deadline.ts";

const BITSWAP_PROTOCOL = "/ipfs/bitswap/1.2.0";
const DIAL_TIMEOUT_MS = 8_000;
/** For one block of up to 2 MiB. */
const ANSWER_TIMEOUT_MS = 15_000;

/** `silent`: not reached, or no answer; it may have the block all the same. */
export type Answer = Uint8Array | "does-not-have" | "silent";

/** The peers that speak bitswap with us, and how to ask one of them for one block. */
export class BitswapSwarm {
  readonly #libp2p: Libp2p;
  readonly #broker: BlockBroker;
  /** Connected peers, in the order in which they came. */
  readonly #connected = new Map<string, PeerId>();
  /** What is being asked of each peer, to be given up when it goes: bitswap itself would wait on. */
  readonly #asking = new Map<string, Set<() => void>>();

  /** @param broker bitswap as a block broker with sessions. */
  static async start(libp2p: Libp2p, broker: BlockBroker): Promise<BitswapSwarm> {
    const swarm = new BitswapSwarm(libp2p, broker);
    await libp2p.register(BITSWAP_PROTOCOL, {
      onConnect: (peer) => {
        swarm.#connected.set(peer.toString(), peer);
      },
      onDisconnect: (peer) => {
        swarm.#gone(peer);
      },
    });
    libp2p.addEventListener("peer:disconnect", (event) => {
      swarm.#gone(event.detail);
    });
    return swarm;
  }

  private constructor(libp2p: Libp2p, broker: BlockBroker) {
    this.#libp2p = libp2p;
    this.#broker = broker;
  }

  connectedPeers(): readonly PeerId[] {
    return [...this.#connected.values()];
  }

  /** Sends a block that came to us to the peers that want it. */
  async announce(cid: CID): Promise<void> {
    await this.#broker.announce?.(cid);
  }

  /**
   * Asks one peer for one block, dialling it if need be. The bytes hash to the CID; they are a view of a larger buffer.
   * Never throws.
   */
  async ask(peer: PeerId, cid: CID, outer: AbortSignal): Promise<Answer> {
    const key = peer.toString();
    return withDeadline(outer, ANSWER_TIMEOUT_MS, async (signal, giveUp) => {
      const asking = this.#asking.get(key) ?? new Set();
      this.#asking.set(key, asking.add(giveUp));
      try {
        return await this.#retrieve(peer, cid, signal);
      } finally {
        asking.delete(giveUp);
        if (asking.size === 0 && this.#asking.get(key) === asking) this.#asking.delete(key);
      }
    });
  }

  async #retrieve(peer: PeerId, cid: CID, signal: AbortSignal): Promise<Answer> {
    if (!(await this.#isReached(peer, signal)) || signal.aborted) return "silent";
    try {
      return (await this.#session(peer)?.retrieve?.(cid, { signal })) ?? "silent";
    } catch {
      // A session of one peer fails at once when that peer says no; otherwise the signal or the connection ended it.
      const lost = signal.aborted || this.#libp2p.getConnections(peer).length === 0;
      return lost ? "silent" : "does-not-have";
    }
  }

  /**
   * A session for this one question. With more peers in it the block would be sent by each of them; and a session that
   * has failed once has struck its peer off.
   */
  #session(peer: PeerId): BlockBroker | undefined {
    return this.#broker.createSession?.({ providers: [peer.toCID()], minProviders: 1, maxProviders: 1 });
  }

  async #isReached(peer: PeerId, signal: AbortSignal): Promise<boolean> {
    if (this.#libp2p.getConnections(peer).length > 0) return true;
    try {
      await withDeadline(signal, DIAL_TIMEOUT_MS, (dialling) =>
        this.#libp2p.dial(peer, { signal: dialling }),
      );
      return true;
    } catch {
      // Unknown, gone or refusing: all the same to the one who asks.
      return false;
    }
  }

  #gone(peer: PeerId): void {
    const key = peer.toString();
    this.#connected.delete(key);
    for (const giveUp of this.#asking.get(key) ?? []) giveUp();
  }
}
