import type { Logger } from "../../telemetry/logger.ts";
import { isPublicPeerAddress } from "./peer-address.ts";

/** Connects to peers, best effort. */
export interface PeerConnector {
  /**
   * @param addrs multiaddrs that end in `/p2p/…`.
   * @throws when none of the peers could be reached; nobody relies on which.
   */
  connectTo(addrs: readonly string[], options: { readonly signal: AbortSignal }): Promise<void>;
}

export interface OriginDialerOptions {
  /** On a private network its addresses are what one means. */
  readonly allowsLocal: boolean;
  readonly dialsMax: number;
  /** Lists of addresses that wait; further ones are dropped: the network's own ways to find content are left. */
  readonly waitingMax: number;
  readonly dialMs: number;
}

interface Offer {
  readonly addrs: readonly string[];
  readonly onReached: () => void;
}

/**
 * Connects to the peers that a client says have its content, behind the answer. Never to addresses of local networks, which a
 * client could have probed that way, unless the network is one.
 */
export class OriginDialer implements AsyncDisposable {
  readonly #parts: { readonly peers: PeerConnector; readonly logger: Logger };
  readonly #options: OriginDialerOptions;
  readonly #waiting: Offer[] = [];
  readonly #dialling = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(
    parts: { readonly peers: PeerConnector; readonly logger: Logger },
    options: OriginDialerOptions,
  ) {
    this.#parts = parts;
    this.#options = options;
  }

  /** @param onReached called when one of the peers is connected. */
  offer(origins: readonly string[], onReached: () => void): void {
    const { allowsLocal, waitingMax } = this.#options;
    const dialled = origins.filter((addr) => allowsLocal || isPublicPeerAddress(addr));
    if (dialled.length === 0 || this.#waiting.length >= waitingMax) return;
    this.#waiting.push({ addrs: dialled, onReached });
    this.#fill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting.length = 0;
    this.#closing.abort();
    await Promise.all(this.#dialling);
  }

  #fill(): void {
    while (this.#dialling.size < this.#options.dialsMax) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const dial = this.#dial(next).then(() => {
        this.#dialling.delete(dial);
        this.#fill();
      });
      this.#dialling.add(dial);
    }
  }

  async #dial({ addrs, onReached }: Offer): Promise<void> {
    const { peers, logger } = this.#parts;
    try {
      const timeout = AbortSignal.timeout(this.#options.dialMs);
      await peers.connectTo(addrs, { signal: AbortSignal.any([this.#closing.signal, timeout]) });
      onReached();
    } catch (err) {
      logger.debug({ err }, "the origins of a pin could not be reached");
    }
  }
}
