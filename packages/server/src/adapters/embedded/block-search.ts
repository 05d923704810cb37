import type { PeerId } from "@libp2p/interface";
import type { CID } from "multiformats/cid";
import type { Answer } from "./bitswap-swarm.ts";
import type { DagSession } from "./dag-session.ts";

/** Connected peers that are asked although nothing says that they have it. */
const STRANGERS_MAX = 64;
/** Peers asked at the same time once the known ones have failed. */
const ASKED_AT_ONCE_MAX = 8;
/** A known peer that keeps silent that long is not waited for any longer before others are looked for. */
const DISCOVER_AFTER_MS = 3_000;

export type SearchResult =
  | { readonly found: true; readonly bytes: Uint8Array }
  /** `certain`: everybody who might have it said no, and routing knows nobody else. */
  | { readonly found: false; readonly certain: boolean };

export interface SearchParts {
  readonly ask: (peer: PeerId, cid: CID, signal: AbortSignal) => Promise<Answer>;
  readonly connectedPeers: () => readonly PeerId[];
  /** Ends when the query is over or the signal aborts. */
  readonly findProviders: (cid: CID, signal: AbortSignal) => AsyncIterable<PeerId>;
  readonly isSelf: (peer: PeerId) => boolean;
}

/**
 * One pass of looking for one block. First the best peer of the session alone, so that the block is sent once; when it is
 * slow, the next one as well. When they have failed: every connected peer, the providers of the root and of the block.
 */
export async function searchBlock(
  cid: CID,
  session: DagSession,
  parts: SearchParts,
  signal: AbortSignal,
): Promise<SearchResult> {
  const search = new BlockSearch(cid, session, parts);
  return search.run(signal);
}

class BlockSearch {
  readonly #cid: CID;
  readonly #session: DagSession;
  readonly #parts: SearchParts;
  readonly #over = new AbortController();
  readonly #result = Promise.withResolvers<SearchResult>();
  readonly #seen = new Set<string>();
  readonly #queue: PeerId[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #askedAtOnce = 1;
  #asking = 0;
  #sourcesOpen = 0;
  #discovering = false;
  #certain = true;

  constructor(cid: CID, session: DagSession, parts: SearchParts) {
    this.#cid = cid;
    this.#session = session;
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<SearchResult> {
    signal.throwIfAborted();
    const onAbort = (): void => {
      this.#result.reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (const peer of this.#session.peers()) this.#add(peer);
      this.#timers.push(
        setInterval(() => this.#askOneMore(), this.#session.hedgeMs()),
        setTimeout(() => this.#discover(), DISCOVER_AFTER_MS),
      );
      this.#goOn();
      return await this.#result.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
      for (const timer of this.#timers) clearTimeout(timer);
      this.#over.abort();
    }
  }

  readonly #add = (peer: PeerId): void => {
    const key = peer.toString();
    if (this.#over.signal.aborted || this.#seen.has(key) || this.#parts.isSelf(peer)) return;
    this.#seen.add(key);
    this.#queue.push(peer);
    if (this.#discovering) this.#goOn();
  };

  #goOn(): void {
    if (this.#over.signal.aborted) return;
    while (this.#asking < this.#askedAtOnce) {
      const peer = this.#queue.shift();
      if (peer === undefined) break;
      void this.#ask(peer);
    }
    if (this.#asking > 0 || this.#sourcesOpen > 0) return;
    if (this.#discovering) this.#result.resolve({ found: false, certain: this.#certain });
    else this.#discover();
  }

  #askOneMore(): void {
    this.#askedAtOnce = Math.min(this.#askedAtOnce + 1, ASKED_AT_ONCE_MAX);
    this.#goOn();
  }

  async #ask(peer: PeerId): Promise<void> {
    this.#asking++;
    const startedAtMs = performance.now();
    const answer = await this.#parts.ask(peer, this.#cid, this.#over.signal);
    this.#asking--;
    if (this.#over.signal.aborted) return;
    if (answer instanceof Uint8Array) {
      this.#session.answered(peer, performance.now() - startedAtMs);
      this.#result.resolve({ found: true, bytes: answer });
      return;
    }
    this.#session.failed(peer);
    if (answer === "silent") this.#certain = false;
    this.#goOn();
  }

  #discover(): void {
    if (this.#discovering || this.#over.signal.aborted) return;
    this.#discovering = true;
    this.#askedAtOnce = ASKED_AT_ONCE_MAX;
    this.#watch(this.#session.findPeers(this.#add));
    this.#watch(this.#findProvidersOfBlock());
    for (const peer of this.#parts.connectedPeers().slice(-STRANGERS_MAX)) this.#add(peer);
    this.#goOn();
  }

  #watch(source: Promise<void>): void {
    this.#sourcesOpen++;
    void source.finally(() => {
      this.#sourcesOpen--;
      this.#goOn();
    });
  }

  async #findProvidersOfBlock(): Promise<void> {
    try {
      for await (const peer of this.#parts.findProviders(this.#cid, this.#over.signal)) this.#add(peer);
    } catch {
      // The DHT could not be asked to the end, so its silence proves nothing.
      this.#certain = false;
    }
  }
}
