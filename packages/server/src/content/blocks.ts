import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { systemClock, type Timers } from "../telemetry/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { blockKeyOf, IDENTITY_CODE, isHashSupported } from "./block-hash.ts";
import type { BlockCache } from "./block-cache.ts";
import type { BlockSource } from "./block-source.ts";
import type { BlockStore } from "./block-store.ts";
import { MemoryCache, ownBytes } from "./memory-cache.ts";
import { retrieveBlock } from "./retrieve-block.ts";

/** A CID that carries more than this inline is refused (IPIP-512): it would be a way to serve unbounded made-up content. */
const IDENTITY_BYTES_MAX = 128;

/** Made once, as an abort without a reason makes one with a stack each time. */
const NOT_WAITED_FOR = new Error("nobody waits for the block any more");

export interface BlocksParts {
  /** Durable blocks. */
  readonly vault: Pick<BlockStore, "get" | "has">;
  /** Where retrieved blocks are kept that memory has no room for. Default: nowhere. */
  readonly cache?: BlockCache;
  /** Asked in this order. */
  readonly sources: readonly BlockSource[];
  readonly metrics: Pick<Metrics, "content">;
  /** Default: real time. */
  readonly timers?: Timers;
}

export interface BlocksOptions {
  readonly memoryBytesMax?: number;
  /** How long a source may be silent before the next one is asked as well. */
  readonly staggerMs?: number;
  /** Distinct blocks being retrieved from sources at once; over it `OVERLOADED`. */
  readonly retrievalsMax?: number;
}

export interface GetBlockOptions {
  readonly signal: AbortSignal;
  /** The root of the DAG that is being read; helps sources to find peers that have it. */
  readonly root?: CID;
  /** Called when the bytes were not held here: a source gave them, to this call or to one that it joined. */
  readonly onRetrieved?: () => void;
}

interface Look {
  readonly root: CID | undefined;
  readonly signal: AbortSignal;
  readonly onRetrieval: () => void;
}

/** One look for one block, shared by all who wait for it. */
interface Flight {
  readonly bytes: Promise<Uint8Array>;
  readonly abort: AbortController;
  waiters: number;
  /** A source is asked. */
  isRetrieval: boolean;
  /** Ends the look with bytes that were found in another way. */
  readonly settle: (bytes: Uint8Array) => void;
}

/**
 * The bytes of a block, from the nearest place that has it: the CID itself, memory, vault, cache, sources. What it returns hashes
 * to the CID, wherever it came from (R17). No lock is held while a source is asked: a read of a cached block never waits
 * for the network (P6).
 */
export class Blocks {
  readonly #parts: BlocksParts;
  readonly #memory: MemoryCache;
  readonly #flights = new Map<string, Flight>();
  readonly #staggerMs: number;
  readonly #retrievalsMax: number;
  #retrievals = 0;

  constructor(parts: BlocksParts, options: BlocksOptions = {}) {
    this.#parts = parts;
    this.#memory = new MemoryCache(options.memoryBytesMax ?? 256 * 1024 * 1024);
    this.#staggerMs = options.staggerMs ?? 1000;
    this.#retrievalsMax = options.retrievalsMax ?? 1024;
  }

  /**
   * Returns the verified bytes; they are shared with other readers and must not be changed.
   * Concurrent calls for one multihash share one look. A call that aborts leaves; the last one to leave stops the look.
   *
   * @throws HoldfastError `CONTENT_NOT_FOUND`, `BACKEND_UNAVAILABLE`, `OVERLOADED`; `CONTENT_UNSUPPORTED` for a hash that
   *   cannot be checked; `INVALID_CID` for an inlined block that is too large; the signal's reason when it aborts.
   */
  async get(cid: CID, options: GetBlockOptions): Promise<Uint8Array> {
    if (cid.multihash.code === IDENTITY_CODE) return inlinedBytes(cid);
    const key = blockKeyOf(cid);
    const cached = this.#memory.get(key);
    if (cached !== undefined) {
      this.#parts.metrics.content.blocksFromMemory++;
      return cached;
    }
    options.signal.throwIfAborted();
    if (!isHashSupported(cid)) {
      throw new HoldfastError(
        "CONTENT_UNSUPPORTED",
        `blocks with the hash function 0x${cid.multihash.code.toString(16)} cannot be verified here`,
      );
    }
    const flight = this.#flights.get(key) ?? this.#startFlight(key, cid, options.root);
    const bytes = await this.#join(key, flight, options.signal);
    if (flight.isRetrieval) options.onRetrieved?.();
    return bytes;
  }

  /** The verified bytes if they are held here, else undefined; no source is asked. Shared, as those of {@link get}. */
  async getHeld(cid: CID): Promise<Uint8Array | undefined> {
    if (cid.multihash.code === IDENTITY_CODE) return inlinedBytes(cid);
    const key = blockKeyOf(cid);
    const cached = this.#memory.get(key);
    if (cached !== undefined) {
      this.#parts.metrics.content.blocksFromMemory++;
      return cached;
    }
    const held = await this.#held(cid);
    if (held === undefined) return undefined;
    const bytes = ownBytes(held);
    this.#memory.set(key, bytes);
    return bytes;
  }

  /**
   * To be told of blocks that have just been put into the vault: whoever waits for a source to give one of them, or joins
   * that wait, gets it from there instead. Waits for nothing.
   */
  noteStored(cids: readonly CID[]): void {
    for (const cid of cids) {
      const flight = this.#flights.get(blockKeyOf(cid));
      if (flight === undefined) continue;
      this.#parts.vault.get(cid).then(
        (bytes) => {
          if (bytes === undefined) return;
          flight.isRetrieval = false;
          flight.settle(ownBytes(bytes));
          flight.abort.abort(NOT_WAITED_FOR);
        },
        () => {
          // The look under way goes on, as if nothing had been stored.
        },
      );
    }
  }

  /** Whether {@link get} would answer without asking a source. Says nothing about the block's children. */
  async isHeld(cid: CID): Promise<boolean> {
    return (
      cid.multihash.code === IDENTITY_CODE ||
      this.#memory.has(blockKeyOf(cid)) ||
      this.#parts.cache?.has(cid) === true ||
      (await this.#parts.vault.has(cid))
    );
  }

  #startFlight(key: string, cid: CID, root: CID | undefined): Flight {
    const abort = new AbortController();
    const onRetrieval = (): void => {
      flight.isRetrieval = true;
    };
    const found = Promise.withResolvers<Uint8Array>();
    const look = this.#look(key, cid, { root, signal: abort.signal, onRetrieval });
    const bytes = Promise.race([look, found.promise]).finally(() => this.#endFlight(key, flight));
    const flight: Flight = { bytes, abort, waiters: 0, isRetrieval: false, settle: found.resolve };
    this.#flights.set(key, flight);
    // Everybody may have left when it fails.
    bytes.catch(() => {});
    return flight;
  }

  async #look(key: string, cid: CID, how: Look): Promise<Uint8Array> {
    const bytes = ownBytes((await this.#held(cid)) ?? (await this.#retrieve(cid, how)));
    this.#memory.set(key, bytes);
    return bytes;
  }

  async #held(cid: CID): Promise<Uint8Array | undefined> {
    const { vault, cache, metrics } = this.#parts;
    const stored = await vault.get(cid);
    if (stored !== undefined) {
      metrics.content.blocksFromVault++;
      return stored;
    }
    const cached = await cache?.get(cid);
    if (cached !== undefined) metrics.content.blocksFromCache++;
    return cached;
  }

  async #retrieve(cid: CID, { root, signal, onRetrieval }: Look): Promise<Uint8Array> {
    const { sources, cache, metrics } = this.#parts;
    onRetrieval();
    if (this.#retrievals >= this.#retrievalsMax) {
      throw new HoldfastError("OVERLOADED", "too many blocks are being retrieved");
    }
    this.#retrievals++;
    try {
      const retrieved = await retrieveBlock(cid, sources, {
        ...(root === undefined ? {} : { root }),
        signal,
        staggerMs: this.#staggerMs,
        timers: this.#parts.timers ?? systemClock,
        onCorrupt: () => metrics.content.blocksCorrupt++,
      });
      metrics.content.blocksFromSources++;
      const bytes = ownBytes(retrieved);
      cache?.add({ cid, bytes });
      return bytes;
    } finally {
      this.#retrievals--;
    }
  }

  async #join(key: string, flight: Flight, signal: AbortSignal): Promise<Uint8Array> {
    flight.waiters++;
    let leave = (): void => {};
    const left = new Promise<never>((_resolve, reject) => {
      leave = () => reject(signal.reason as Error);
      signal.addEventListener("abort", leave, { once: true });
    });
    try {
      return await Promise.race([flight.bytes, left]);
    } finally {
      signal.removeEventListener("abort", leave);
      flight.waiters--;
      if (flight.waiters === 0) {
        // At once, not when the abort has been heard: a new reader must not join a look that is being stopped.
        this.#endFlight(key, flight);
        flight.abort.abort(NOT_WAITED_FOR);
      }
    }
  }

  #endFlight(key: string, flight: Flight): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}

function inlinedBytes(cid: CID): Uint8Array {
  const { digest } = cid.multihash;
  if (digest.byteLength > IDENTITY_BYTES_MAX) {
    throw new HoldfastError("INVALID_CID", `a CID may carry at most ${IDENTITY_BYTES_MAX} bytes inline`);
  }
  return digest;
}
