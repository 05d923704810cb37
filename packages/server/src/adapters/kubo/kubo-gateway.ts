import type { CID } from "multiformats/cid";
import { SUBMITTED_BLOCK_BYTES_MAX } from "../../content/dag-block-limits.ts";
import type { Timers } from "../../telemetry/clock.ts";
import { Limiter } from "../concurrency/limiter.ts";
import { Deadline } from "../http-client/deadline.ts";
import { KuboHttp } from "./kubo-http.ts";

/** What Kubo holds comes within milliseconds; what takes longer is asked of the RPC. */
const ANSWER_MS_MAX = 2_000;
const REQUESTS_MAX = 32;
const REFUSAL_BYTES_MAX = 64 * 1024;
/** Whoever does not answer as Kubo's gateway does is not asked for so long. */
const REST_MS = 10_000;

const HEADERS = {
  Accept: "application/vnd.ipld.raw",
  // Kubo must not begin to look for what it does not hold: that is the RPC's matter, where the wait has an end.
  "Cache-Control": "only-if-cached",
} as const;
/** Under this name Kubo sends everybody on to a host of its own for each CID; under an address it answers. */
const REDIRECTING_HOST = "localhost";
const NOT_HELD: ReadonlySet<number> = new Set([404, 412]);

interface Parts {
  readonly timers: Timers;
  readonly isAway: () => boolean;
}

/**
 * The blocks that Kubo holds, by its gateway: it sends one with its length and in large pieces, the RPC in some seventy
 * small ones, which costs both sides twice the time.
 *
 * @see https://specs.ipfs.tech/http-gateways/trustless-gateway/
 */
export class KuboGateway implements Disposable {
  readonly #parts: Parts;
  readonly #http: KuboHttp;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #slots = new Limiter(REQUESTS_MAX);
  #isResting = false;
  #cancelRest = (): void => {};

  constructor(parts: Parts, { url }: { readonly url: string }) {
    this.#parts = parts;
    this.#http = new KuboHttp({ baseUrl: url.replace(/\/*$/, "/ipfs/") });
    const isRedirected = new URL(url).hostname === REDIRECTING_HOST;
    this.#headers = isRedirected ? { ...HEADERS, Host: "127.0.0.1" } : HEADERS;
  }

  /**
   * The unverified bytes, in a buffer of their own; undefined when Kubo does not hold the block, or this is not to be found out
   * here.
   *
   * @throws the signal's reason when it aborts.
   */
  async held(cid: CID, { signal }: { readonly signal: AbortSignal }): Promise<Uint8Array | undefined> {
    if (this.#isResting || this.#parts.isAway()) return undefined;
    using _slot = await this.#slots.enter(signal);
    using deadline = new Deadline(this.#parts.timers, { requestMsMax: ANSWER_MS_MAX, signal });
    try {
      return await this.#ask(cid, deadline);
    } catch {
      signal.throwIfAborted();
      // Whatever it is, the RPC is asked as well, and says what is wrong if it is wrong there, too.
      this.#rest();
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#cancelRest();
    this.#http[Symbol.dispose]();
  }

  async #ask(cid: CID, deadline: Deadline): Promise<Uint8Array | undefined> {
    const path = `${cid.toString()}?format=raw`;
    const request = { method: "GET", path, headers: this.#headers, signal: deadline.signal } as const;
    const { status, contentType, body } = await deadline.orExpired(this.#http.ask(request));
    try {
      if (NOT_HELD.has(status)) {
        // Read, so that the connection can be used again.
        await deadline.orExpired(body.readAll(REFUSAL_BYTES_MAX));
        return undefined;
      }
      if (status !== 200 || contentType !== HEADERS.Accept) throw new Error("this is not Kubo's gateway");
      return await deadline.orExpired(body.readAll(SUBMITTED_BLOCK_BYTES_MAX));
    } finally {
      body.cancel();
    }
  }

  #rest(): void {
    if (this.#isResting) return;
    this.#isResting = true;
    this.#cancelRest = this.#parts.timers.after(REST_MS, () => {
      this.#isResting = false;
    });
  }
}
