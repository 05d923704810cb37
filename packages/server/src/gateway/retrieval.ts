import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { type Clock, systemClock, type Timers } from "../telemetry/clock.ts";
import type { BlockReader } from "./block-reader.ts";

/** Made once: nobody reads its stack, and making one is a good part of a small answer. */
const REQUEST_OVER = new Error("the request is over");

/**
 * The reading done for one request: it ends when the client goes away, when the request is over, or when no block has
 * arrived for `timeoutMs` although one is waited for. Time in which the client is the slow side does not count.
 */
export class Retrieval implements Disposable {
  readonly signal: AbortSignal;
  readonly clock: Clock & Timers;
  readonly #blocks: BlockReader;
  readonly #abort = new AbortController();
  readonly #timeoutMs: number;
  readonly #noteRetrieved = (): void => {
    this.#hasRetrieved = true;
  };
  /** No network: what is not held is `CONTENT_NOT_HELD`. */
  readonly onlyHeld: boolean;
  #cancelTimer = (): void => {};
  #waiting = 0;
  #root: CID | undefined;
  #hasRetrieved = false;

  /** @param options.onlyHeld no network: a block that is not held throws `CONTENT_NOT_HELD`. */
  constructor(
    blocks: BlockReader,
    options: { readonly timeoutMs: number; readonly onlyHeld: boolean; readonly clock?: Clock & Timers },
  ) {
    this.#blocks = blocks;
    this.#timeoutMs = options.timeoutMs;
    this.onlyHeld = options.onlyHeld;
    this.clock = options.clock ?? systemClock;
    this.signal = this.#abort.signal;
  }

  /** Blocks read from now on belong to this DAG. */
  set root(cid: CID) {
    this.#root = cid;
  }

  /** Whether a block had to be retrieved so far: more of them will probably have to be, and take their time. */
  get hasRetrieved(): boolean {
    return this.#hasRetrieved;
  }

  /** @throws HoldfastError as {@link BlockReader.get}, and `UPSTREAM_TIMEOUT` without progress. */
  async get(cid: CID): Promise<Uint8Array> {
    if (this.onlyHeld && !(await this.#blocks.isHeld(cid))) {
      throw new HoldfastError(
        "CONTENT_NOT_HELD",
        `${cid.toString()} is not held here, and the request said only-if-cached`,
      );
    }
    const root = this.#root;
    this.#waiting++;
    if (this.#waiting === 1) this.#startTimer();
    try {
      return await this.#blocks.get(cid, {
        signal: this.signal,
        ...(root === undefined ? {} : { root }),
        onRetrieved: this.#noteRetrieved,
      });
    } finally {
      this.#waiting--;
      this.#cancelTimer();
      if (this.#waiting > 0) this.#startTimer();
    }
  }

  /** Whether {@link get} would answer without a network. */
  async isHeld(cid: CID): Promise<boolean> {
    return this.#blocks.isHeld(cid);
  }

  /** Stops all reading that nobody else waits for. */
  stop(reason: Error): void {
    this.#cancelTimer();
    this.#abort.abort(reason);
  }

  [Symbol.dispose](): void {
    this.stop(REQUEST_OVER);
  }

  #startTimer(): void {
    if (this.signal.aborted) return;
    this.#cancelTimer = this.clock.after(this.#timeoutMs, () => {
      const message = `no block arrived for ${Math.round(this.#timeoutMs / 1000)} s`;
      this.stop(new HoldfastError("UPSTREAM_TIMEOUT", message));
    });
  }
}
