import { setTimeout as pause } from "node:timers/promises";
import { HoldfastError } from "@holdfast/core";
import type { PeerId } from "@libp2p/interface";
import { LRUCache } from "lru-cache";
import type { CID } from "multiformats/cid";
import { blockKeyOf, isBlockOf } from "../../content/block-hash.ts";
import type { BitswapSwarm } from "./bitswap-swarm.ts";
import { type SearchParts, searchBlock } from "./block-search.ts";
import { DagSession } from "./dag-session.ts";
import { withDeadline } from "./deadline.ts";
import { ownCopy } from "./protocol.ts";
import type { ThreadBlockstore } from "./thread-blockstore.ts";

const SESSIONS_MAX = 512;
const SESSION_IDLE_MS = 60_000;
/** A bound for callers that forget theirs. */
const FETCH_TIMEOUT_MS = 120_000;
const ROOT_LOOKUP_TIMEOUT_MS = 30_000;
const FIRST_PAUSE_MS = 500;
const PAUSE_MS_MAX = 5_000;
const EMPTY = new Uint8Array(0);

interface Parts {
  readonly blocks: ThreadBlockstore;
  readonly swarm: BitswapSwarm;
  readonly findProviders: SearchParts["findProviders"];
  readonly isSelf: (peer: PeerId) => boolean;
  /** Waits for the first peers after the start. @throws HoldfastError `BACKEND_UNAVAILABLE` */
  readonly whenReachable: (signal: AbortSignal) => Promise<void>;
}

/** Gets blocks from peers. */
export class BlockFetcher {
  readonly #parts: Parts;
  readonly #search: SearchParts;
  readonly #sessions = new LRUCache<string, DagSession>({
    max: SESSIONS_MAX,
    ttl: SESSION_IDLE_MS,
    updateAgeOnGet: true,
  });

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#search = {
      ask: (peer, cid, signal) => parts.swarm.ask(peer, cid, signal),
      connectedPeers: () => parts.swarm.connectedPeers(),
      findProviders: parts.findProviders,
      isSelf: parts.isSelf,
    };
  }

  /**
   * Searches until the block is found or it is certain that nobody reachable has it; a provider that is known but silent
   * is tried again until the signal aborts.
   *
   * @returns bytes that hash to the CID and that the caller may transfer.
   * @throws HoldfastError `CONTENT_NOT_FOUND`, `BACKEND_UNAVAILABLE`; the signal's reason.
   */
  async fetch(cid: CID, root: CID, outer: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    // Kubo says of the empty block that it does not have it.
    if (isBlockOf(cid, EMPTY)) return new Uint8Array(0);
    const held = await this.#parts.blocks.read(cid);
    if (held !== undefined) return ownCopy(held);
    return withDeadline(outer, FETCH_TIMEOUT_MS, (signal) => this.#fetchFromPeers(cid, root, signal));
  }

  async #fetchFromPeers(cid: CID, root: CID, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    await this.#parts.whenReachable(signal);
    const session = this.#sessionOf(root);
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      const result = await searchBlock(cid, session, this.#search, signal);
      if (result.found) {
        this.#parts.blocks.keep(cid, result.bytes);
        // Peers that wait for it are served behind the answer; if that fails they ask again.
        this.#parts.swarm.announce(cid).catch(() => undefined);
        return ownCopy(result.bytes);
      }
      if (result.certain) throw new HoldfastError("CONTENT_NOT_FOUND", "no reachable peer has the block");
      await pause(pauseMs, undefined, { signal });
    }
  }

  #sessionOf(root: CID): DagSession {
    const key = blockKeyOf(root);
    let session = this.#sessions.get(key);
    if (session === undefined) {
      session = new DagSession(root, (cid) =>
        this.#parts.findProviders(cid, AbortSignal.timeout(ROOT_LOOKUP_TIMEOUT_MS)),
      );
      this.#sessions.set(key, session);
    }
    return session;
  }
}
