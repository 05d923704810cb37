import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { isBlockOf } from "../../content/block-hash.ts";
import type { BlockSource } from "../../content/block-source.ts";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import { Deadline, DeadlineError } from "../http-client/deadline.ts";
import { readBody, tooLarge } from "../http-client/read-body.ts";
import { Limiter } from "../concurrency/limiter.ts";
import { BackOff } from "./back-off.ts";

export interface TrustlessSourceParts {
  readonly clock: Clock & Timers;
  /** Default: the platform's, which keeps connections open. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface TrustlessSourceOptions {
  /** With or without a path, e.g. `https://trustless-gateway.link`. */
  readonly baseUrl: string;
  /** For one block, from the request to its last byte: a drip must end. */
  readonly requestMsMax?: number;
  /** Without a byte for so long the gateway is given up. */
  readonly idleMsMax?: number;
  /** More is no block that anybody exchanges. */
  readonly blockBytesMax?: number;
  /** Further ones wait. */
  readonly requestsMax?: number;
}

const DEFAULTS = {
  requestMsMax: 30_000,
  idleMsMax: 10_000,
  blockBytesMax: 4 * 1024 * 1024,
  requestsMax: 32,
} as const satisfies Partial<TrustlessSourceOptions>;

/**
 * Blocks from somebody's trustless HTTP gateway. Nothing it says is believed: `Blocks` checks the bytes, this part only bounds
 * what they may cost. Redirects are not followed: whom we ask is the operator's choice, not the gateway's.
 *
 * @see https://specs.ipfs.tech/http-gateways/trustless-gateway/
 */
export class TrustlessSource implements BlockSource {
  readonly label: string;
  readonly #clock: Clock & Timers;
  readonly #fetch: typeof globalThis.fetch;
  readonly #options: Required<TrustlessSourceOptions>;
  readonly #backOff: BackOff;
  readonly #slots: Limiter;

  constructor(parts: TrustlessSourceParts, options: TrustlessSourceOptions) {
    this.#clock = parts.clock;
    this.#fetch = parts.fetch ?? globalThis.fetch;
    this.#options = { ...DEFAULTS, ...options, baseUrl: options.baseUrl.replace(/\/+$/, "") };
    this.#backOff = new BackOff(parts.clock);
    this.#slots = new Limiter(this.#options.requestsMax);
    this.label = new URL(options.baseUrl).host;
  }

  async retrieve(
    cid: CID,
    { signal }: { readonly root?: CID; readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    using _slot = await this.#slots.enter(signal);
    if (!this.#backOff.enter()) {
      throw new HoldfastError("BACKEND_UNAVAILABLE", `${this.label} does not work at the moment`);
    }
    try {
      const bytes = await this.#request(cid, signal);
      // A gateway that lies is left alone as one that fails. Whoever asked checks again, and decides what becomes of it.
      if (isBlockOf(cid, bytes)) this.#backOff.succeeded();
      else this.#backOff.failed();
      return bytes;
    } catch (err) {
      if (signal.aborted) {
        this.#backOff.undecided();
        throw signal.reason as Error;
      }
      throw this.#noted(err);
    }
  }

  async #request(cid: CID, signal: AbortSignal): Promise<Uint8Array> {
    const { baseUrl, requestMsMax, idleMsMax, blockBytesMax } = this.#options;
    using deadline = new Deadline(this.#clock, { requestMsMax, idleMsMax, signal });
    const asked = this.#fetch(`${baseUrl}/ipfs/${cid.toString()}?format=raw`, {
      // Unpacking could make much of little.
      headers: { Accept: "application/vnd.ipld.raw", "Accept-Encoding": "identity" },
      redirect: "manual",
      signal: deadline.signal,
    });
    const response = await deadline.orExpired(asked);
    const reader = response.body?.getReader();
    try {
      if (response.status !== 200)
        throw new StatusError(response.status, response.headers.get("retry-after"));
      if (Number(response.headers.get("content-length")) > blockBytesMax) throw tooLarge(blockBytesMax);
      return await readBody(reader, blockBytesMax, deadline);
    } finally {
      // Closes the connection unless the body has come to its end.
      reader?.cancel().catch(() => {});
    }
  }

  /** Counts the failure, and translates it. */
  #noted(err: unknown): HoldfastError {
    if (err instanceof StatusError) {
      if (ABSENT_STATUS.has(err.status)) {
        this.#backOff.succeeded();
        return new HoldfastError("CONTENT_NOT_FOUND", `${this.label} does not have the block`);
      }
      if (err.status === 504) {
        // It works; the network behind it does not have the block, or not in time.
        this.#backOff.undecided();
        return new HoldfastError("UPSTREAM_TIMEOUT", `${this.label} did not find the block in time`);
      }
      this.#backOff.failed(err.retryAfterMs);
    } else {
      this.#backOff.failed();
    }
    if (err instanceof DeadlineError)
      return new HoldfastError("UPSTREAM_TIMEOUT", `${this.label} is too slow`, { cause: err });
    return new HoldfastError("BACKEND_UNAVAILABLE", `${this.label} failed`, { cause: err });
  }
}

/** Not here, gone, or withheld for legal reasons. */
const ABSENT_STATUS: ReadonlySet<number> = new Set([404, 410, 451]);

class StatusError extends Error {
  override readonly name = "StatusError";
  readonly status: number;
  readonly retryAfterMs: number;

  constructor(status: number, retryAfter: string | null) {
    super(`status ${status}`);
    this.status = status;
    // The form with a date is rare and not worth its parsing.
    this.retryAfterMs = /^\d{1,6}$/.test(retryAfter ?? "") ? Number(retryAfter) * 1000 : 0;
  }
}
