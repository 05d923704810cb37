import { isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { BlockCache } from "../../content/block-cache.ts";
import type { Vault } from "../../content/vault.ts";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Pin } from "../pin.ts";
import type { PinStore } from "../pin-store.ts";
import type { Pinner } from "../pinner.ts";
import { type DagGap, SweepMarks } from "./sweep-marks.ts";
import { fromLeavesUp } from "./sweep-leaves-up.ts";
import { SweepPace } from "./sweep-pace.ts";
import { markPins, pinsIn } from "./sweep-pins.ts";

export interface VaultReleaseParts {
  readonly pins: Pick<PinStore, "get" | "list">;
  readonly vault: Pick<Vault, "get" | "has" | "heldBytes" | "watch" | "isInUse" | "deleteUnused">;
  /** The repository, which is asked once more before anything leaves: it may have lost a pin, or be another one by now. */
  readonly pinner: Pick<Pinner, "isPinned">;
  /** Where the blocks go. Absent: nowhere, the repository has them. */
  readonly cache?: Pick<BlockCache, "add"> | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: Pick<Metrics, "content">;
  readonly logger: Logger;
}

export interface VaultReleaseOptions {
  /** From the end of one sweep to the begin of the next; longer after one that took long. */
  readonly pauseMs: number;
  /** How often all pins are looked through, for what came back into the vault without having to be confirmed again. */
  readonly fullLookMs: number;
}

export interface Released {
  readonly blocks: number;
  /** Of these pins everything that nobody else needs has left the vault. */
  readonly pins: number;
  /** Why nothing was released: a pin whose blocks must all be here misses one. */
  readonly refused: DagGap | undefined;
}

/** Confirmed pins whose blocks are yet to be released; more than this are found by looking through all pins again. */
const CONFIRMED_MAX = 10_000;
/** The share of time that sweeps take at most is one in so many. */
const PAUSE_FACTOR = 10;
/** What one commit of the vault deletes, and the cache takes in at once. */
const BATCH_BLOCKS = 256;
const BATCH_BYTES = 4 * 1024 * 1024;

/**
 * For a vault that is the staging area of another repository: the blocks of pins that the repository has confirmed become
 * ordinary cache (R20 the other way round: before that, nothing leaves). What a pin that is not confirmed needs stays, and
 * what nobody pinned.
 */
export class VaultRelease {
  readonly #parts: VaultReleaseParts;
  readonly #options: VaultReleaseOptions;
  readonly #ended = new AbortController();
  #confirmed = new Map<string, CID>();
  /** Look through all pins: at the start, and when more were confirmed than can be kept in mind. */
  #looksAtAll = true;
  #lookedAtAllAtMs: number;
  #cancelNext = (): void => {};
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: VaultReleaseParts, options: VaultReleaseOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#lookedAtAllAtMs = parts.clock.nowMs();
  }

  /** Sweeps again and again until it is closed. */
  start(): void {
    this.#sweepAfter(this.#options.pauseMs);
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#cancelNext();
    await this.#running;
  }

  /** To be told of each pin that the repository has confirmed just now. */
  noteConfirmed(root: CID): void {
    if (this.#confirmed.size < CONFIRMED_MAX) this.#confirmed.set(root.toString(), root);
    else this.#looksAtAll = true;
  }

  /**
   * Releases what was confirmed since the last time.
   *
   * @throws HoldfastError `STORE_FAILED`, `CONTENT_UNSUPPORTED`, `BACKEND_UNAVAILABLE`; the signal's reason when it aborts. Then it begins again the
   *   next time.
   */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<Released> {
    const [confirmed, looksAtAll] = [this.#confirmed, this.#looksAtAll];
    [this.#confirmed, this.#looksAtAll] = [new Map(), false];
    try {
      const released = await this.#release([...confirmed.values()], looksAtAll, signal);
      if (released.refused === undefined) return released;
      this.#rememberAgain(confirmed, looksAtAll);
      return released;
    } catch (err) {
      this.#rememberAgain(confirmed, looksAtAll);
      throw err;
    }
  }

  #rememberAgain(confirmed: ReadonlyMap<string, CID>, looksAtAll: boolean): void {
    this.#looksAtAll ||= looksAtAll;
    for (const root of confirmed.values()) this.noteConfirmed(root);
  }

  async #release(roots: readonly CID[], looksAtAll: boolean, signal: AbortSignal): Promise<Released> {
    const { pins, vault, pinner, metrics } = this.#parts;
    const released = { blocks: 0, pins: 0, refused: undefined };
    if (vault.heldBytes === 0 || (roots.length === 0 && !looksAtAll)) return released;
    // Before the first pin is read: what uploads put or find from here on stays.
    using _watch = vault.watch();
    const marks = new SweepMarks(vault, { signal });
    const [refused] = await markPins(pins, ["stored"], marks, { signal, gapsMax: 1 });
    if (refused !== undefined) {
      metrics.content.vaultSweepsRefused++;
      return { ...released, refused };
    }
    // These may well be incomplete: they are fetched, or were given up.
    await markPins(pins, ["queued", "dead"], marks, { signal, gapsMax: 0 });
    const all = looksAtAll ? pinsIn(pins, ["pinned", "provided"], signal) : this.#pinsOf(roots);
    for await (const pin of all) {
      if (!(await vault.has(pin.root))) continue;
      if (!(await pinner.isPinned(pin.root, { recursive: pin.recursive, signal }))) continue;
      released.blocks += await this.#releaseDag(pin, marks, signal);
      released.pins++;
    }
    return released;
  }

  *#pinsOf(roots: readonly CID[]): Generator<Pin> {
    for (const root of roots) {
      const pin = this.#parts.pins.get(root);
      if (pin !== undefined && isConfirmed(pin)) yield pin;
    }
  }

  /**
   * Children before parents: whenever it is broken off, what is left can still be reached from the root, and goes the next time.
   *
   * @returns how many blocks have left the vault.
   */
  async #releaseDag(pin: Pin, marks: SweepMarks, signal: AbortSignal): Promise<number> {
    const { vault } = this.#parts;
    const pace = new SweepPace(signal);
    let released = 0;
    let batch: CID[] = [];
    let batchBytes = 0;
    const flush = async (): Promise<void> => {
      const blocks = batch;
      [batch, batchBytes] = [[], 0];
      released += await this.#letGo(blocks, pin);
    };
    for await (const cid of fromLeavesUp(vault, pin, signal)) {
      if (marks.has(cid)) continue;
      if (vault.isInUse(cid)) {
        // By an upload. With what links to it, it goes when that is over.
        this.noteConfirmed(pin.root);
        break;
      }
      const byteLength = await this.#copyToCache(cid);
      batch.push(cid);
      batchBytes += byteLength;
      if (batch.length >= BATCH_BLOCKS || batchBytes >= BATCH_BYTES) await flush();
      await pace.step(byteLength);
    }
    if (batch.length > 0) await flush();
    return released;
  }

  /** @returns how many bytes were read for it. */
  async #copyToCache(cid: CID): Promise<number> {
    const { vault, cache } = this.#parts;
    const bytes = cache === undefined ? undefined : await vault.get(cid);
    if (bytes !== undefined) cache?.add({ cid, bytes });
    return bytes?.byteLength ?? 0;
  }

  /** @returns how many of them have left the vault. */
  async #letGo(cids: readonly CID[], { root, recursive }: Pin): Promise<number> {
    const { pins, vault, metrics } = this.#parts;
    const pin = pins.get(root);
    // The repository may have lost it meanwhile: then it is needed here again.
    const isStillConfirmed = pin !== undefined && isConfirmed(pin) && (pin.recursive || !recursive);
    const { length } = isStillConfirmed ? await vault.deleteUnused(cids) : [];
    if (length < cids.length) this.noteConfirmed(root);
    metrics.content.vaultBlocksReleased += length;
    return length;
  }

  #sweepAfter(delayMs: number): void {
    const { clock, timers } = this.#parts;
    this.#cancelNext = timers.after(delayMs, () => {
      const startedAtMs = clock.nowMs();
      this.#running = this.#sweepOnce().then(() => {
        const tookMs = clock.nowMs() - startedAtMs;
        if (!this.#ended.signal.aborted)
          this.#sweepAfter(Math.max(this.#options.pauseMs, tookMs * PAUSE_FACTOR));
      });
    });
  }

  /** Never rejects. */
  async #sweepOnce(): Promise<void> {
    const { clock, logger } = this.#parts;
    if (clock.nowMs() - this.#lookedAtAllAtMs >= this.#options.fullLookMs) this.#looksAtAll = true;
    if (this.#looksAtAll) this.#lookedAtAllAtMs = clock.nowMs();
    try {
      const { blocks, pins, refused } = await this.run({ signal: this.#ended.signal });
      if (refused !== undefined) {
        const facts = {
          root: refused.root.toString(),
          block: refused.cid.toString(),
          problem: refused.problem,
        };
        logger.error(facts, "nothing leaves the vault: a pin that is not confirmed misses a block");
      } else if (blocks > 0) {
        logger.info({ blocks, pins }, "blocks of confirmed pins are cache now");
      }
    } catch (err) {
      if (this.#ended.signal.aborted) return;
      // Everybody hears of a backend that is away, from others.
      if (isHoldfastError(err) && err.code === "BACKEND_UNAVAILABLE") logger.debug({ err }, NOT_SWEPT);
      else logger.warn({ err }, NOT_SWEPT);
    }
  }
}

const NOT_SWEPT = "the vault could not be swept";

function isConfirmed({ state }: Pin): boolean {
  return state === "pinned" || state === "provided";
}
