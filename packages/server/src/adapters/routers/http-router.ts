import {
  compareRecords,
  decodeRecord,
  HoldfastError,
  type IpnsName,
  isHoldfastError,
  RECORD_BYTES_MAX,
  validateRecord,
  type VerifySignature,
} from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { ContentRouting, RoutedPeer } from "../../content/content-routing.ts";
import type { RecordRouter } from "../../records/lookup/record-router.ts";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import { Limiter } from "../concurrency/limiter.ts";
import { DeadlineError } from "../http-client/deadline.ts";
import {
  type BoundedAnswer,
  type BoundedRequest,
  fetchBounded,
  retryAfterMsOf,
} from "../http-client/fetch-bounded.ts";
import { routedPeersOf } from "./routed-peers.ts";

export interface HttpRouterParts {
  readonly clock: Clock & Timers;
  /** Checks a record that the router gives back instead of the one that was put. */
  readonly verifySignature: VerifySignature;
  /** Default: the platform's, which keeps connections open. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface HttpRouterOptions {
  /** Without `/routing/v1`, e.g. `https://delegated-ipfs.dev`. */
  readonly baseUrl: string;
  readonly requestMsMax?: number;
  readonly idleMsMax?: number;
  /** For a request of a put, in which a router that puts to a DHT is silent until it is done. */
  readonly putMsMax?: number;
  /** Lookups under way, and requests of puts; further ones wait. */
  readonly requestsMax?: number;
}

/** A put to the public DHT takes 20 to 30 s, and a minute when peers are slow. */
const DEFAULTS = { requestMsMax: 30_000, idleMsMax: 20_000, putMsMax: 120_000, requestsMax: 32 } as const;

/** Bounds of a kind of request. */
interface Kind extends Pick<BoundedRequest, "requestMsMax" | "idleMsMax"> {
  readonly slots: Limiter;
}

const RECORD_TYPE = "application/vnd.ipfs.ipns-record";
const JSON_TYPE = "application/json";
const PEERS_BYTES_MAX = 4 * 1024 * 1024;

/**
 * What a router answers that has an opinion on this record; it may hold the same or a better one. 500 is how boxo and Helia say that
 * their own put of it failed. Any other status says that it takes no puts, or none now.
 */
const OF_THE_RECORD: ReadonlySet<number> = new Set([400, 409, 412, 413, 422, 451, 500]);

/** Which software asks: a Holdfast that is asked about what it is itself looking up must not ask us in turn (RFC 8586). */
const LOOP_HEADER = { "CDN-Loop": "holdfast" };

/**
 * A Delegated Routing V1 server: records, providers and peers. Nothing it says is believed here; records are validated by who
 * asked. Announcing is no part of the protocol.
 *
 * @see https://specs.ipfs.tech/routing/http-routing-v1/
 */
export class HttpRouter implements RecordRouter, ContentRouting {
  readonly label: string;
  readonly #clock: Clock & Timers;
  readonly #verifySignature: VerifySignature;
  readonly #fetch: typeof globalThis.fetch;
  readonly #baseUrl: string;
  readonly #lookups: Kind;
  /** They take long, and many wait: nobody's lookup is to wait behind them. */
  readonly #puts: Kind;

  constructor(parts: HttpRouterParts, options: HttpRouterOptions) {
    this.#clock = parts.clock;
    this.#verifySignature = parts.verifySignature;
    this.#fetch = parts.fetch ?? globalThis.fetch;
    const { requestMsMax, idleMsMax, putMsMax, requestsMax } = { ...DEFAULTS, ...options };
    this.#baseUrl = options.baseUrl.replace(/\/+$/, "");
    this.#lookups = { requestMsMax, idleMsMax, slots: new Limiter(requestsMax) };
    this.#puts = { requestMsMax: putMsMax, idleMsMax: putMsMax, slots: new Limiter(requestsMax) };
    this.label = labelOf(new URL(this.#baseUrl));
  }

  async *get(name: IpnsName, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    const record = await this.#untilAborted(() => this.#record(name, signal), signal);
    if (record !== undefined) yield record;
  }

  /**
   * Confirmed (1) when the router gives the same record back, or a better one that is valid: a 2xx alone is what a server says
   * that keeps nothing. A refusal is no error: routers refuse what loses to what they hold.
   *
   * @throws HoldfastError `BACKEND_UNAVAILABLE`, also when it takes no puts; `UPSTREAM_TIMEOUT`.
   */
  async put(
    name: IpnsName,
    recordBytes: Uint8Array,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<{ readonly confirmedPeers: number }> {
    try {
      const request = {
        url: this.#url(`ipns/${name.text}`),
        method: "PUT",
        headers: { "Content-Type": RECORD_TYPE },
        body: recordBytes,
        bytesMax: PEERS_BYTES_MAX,
        signal,
      } as const;
      const { status, headers } = await this.#ask(request, this.#puts);
      const isAnswered = (status >= 200 && status < 300) || OF_THE_RECORD.has(status);
      if (!isAnswered) throw this.#refused(status, headers);
      const isHeld =
        (await this.#holds(name, recordBytes, {}, signal)) ||
        // What stands between us may have kept an older answer.
        (await this.#holds(name, recordBytes, { "Cache-Control": "no-cache" }, signal));
      return { confirmedPeers: isHeld ? 1 : 0 };
    } catch (err) {
      if (!signal.aborted) throw err;
      throw new HoldfastError("UPSTREAM_TIMEOUT", `${this.label} did not confirm the record in time`, {
        cause: err,
      });
    }
  }

  async *findProviders(
    cid: CID,
    { limit, signal }: { readonly limit: number; readonly signal: AbortSignal },
  ): AsyncGenerator<RoutedPeer> {
    const ask = (): Promise<readonly RoutedPeer[]> =>
      this.#peers(`providers/${cid.toString()}`, "Providers", signal);
    const peers = await this.#untilAborted(ask, signal);
    yield* (peers ?? []).slice(0, limit);
  }

  async findPeer(
    peerId: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<RoutedPeer | undefined> {
    const path = `peers/${encodeURIComponent(peerId)}`;
    const peers = await this.#untilAborted(() => this.#peers(path, "Peers", signal), signal);
    return peers?.find(({ id }) => id === peerId);
  }

  /** The protocol has no announcements. */
  async provide(): Promise<void> {}

  /** Undefined when the router knows none: a 404, or an answer of another type (IPIP-513). */
  async #record(
    name: IpnsName,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
    kind = this.#lookups,
  ): Promise<Uint8Array | undefined> {
    const request = {
      url: this.#url(`ipns/${name.text}`),
      headers: { ...headers, ...LOOP_HEADER, Accept: RECORD_TYPE },
      bytesMax: RECORD_BYTES_MAX,
      signal,
    };
    const answer = await this.#ask(request, kind);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw this.#refused(answer.status, answer.headers);
    return isOfType(answer, RECORD_TYPE) ? answer.bytes : undefined;
  }

  async #peers(
    path: string,
    member: "Providers" | "Peers",
    signal: AbortSignal,
  ): Promise<readonly RoutedPeer[]> {
    const answer = await this.#ask({
      url: this.#url(path),
      headers: { ...LOOP_HEADER, Accept: JSON_TYPE },
      bytesMax: PEERS_BYTES_MAX,
      signal,
    });
    if (answer.status === 404) return [];
    if (answer.status !== 200) throw this.#refused(answer.status, answer.headers);
    try {
      return routedPeersOf(answer.bytes, member);
    } catch (err) {
      throw new HoldfastError("BACKEND_UNAVAILABLE", `${this.label} answers something else than peers`, {
        cause: err,
      });
    }
  }

  async #holds(
    name: IpnsName,
    recordBytes: Uint8Array,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const found = await this.#record(name, signal, headers, this.#puts);
    if (found === undefined) return false;
    if (Buffer.compare(found, recordBytes) === 0) return true;
    try {
      const parts = { nowMs: this.#clock.nowMs(), verifySignature: this.#verifySignature };
      return compareRecords(await validateRecord(found, name, parts), decodeRecord(recordBytes)) > 0;
    } catch (err) {
      if (isHoldfastError(err) && err.code === "RECORD_INVALID") return false;
      throw err;
    }
  }

  async #ask(
    request: Omit<BoundedRequest, "requestMsMax" | "idleMsMax">,
    { slots, ...bounds } = this.#lookups,
  ): Promise<BoundedAnswer> {
    const { signal } = request;
    using _slot = await slots.enter(signal);
    try {
      return await fetchBounded({ clock: this.#clock, fetch: this.#fetch }, { ...request, ...bounds });
    } catch (err) {
      if (signal.aborted) throw signal.reason as Error;
      const [code, what] =
        err instanceof DeadlineError
          ? (["UPSTREAM_TIMEOUT", "is too slow"] as const)
          : (["BACKEND_UNAVAILABLE", "failed"] as const);
      throw new HoldfastError(code, `${this.label} ${what}`, { cause: err });
    }
  }

  #refused(status: number, headers: Headers): HoldfastError {
    const details = { status, retryAfterMs: retryAfterMsOf(headers) };
    return new HoldfastError("BACKEND_UNAVAILABLE", `${this.label} answers ${status}`, { details });
  }

  #url(path: string): string {
    return `${this.#baseUrl}/routing/v1/${path}`;
  }

  /** Undefined when it fails because the signal aborted. */
  async #untilAborted<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    try {
      return await work();
    } catch (err) {
      if (signal.aborted) return undefined;
      throw err;
    }
  }
}

function isOfType({ headers }: BoundedAnswer, type: string): boolean {
  return (headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() === type;
}

/** The host, with what else tells it from others; never a word that a backend has for a label. */
function labelOf({ host, port, protocol, pathname }: URL): string {
  const isWord = port === "" && !host.includes(".");
  const path = pathname.replace(/\/+$/, "");
  return `${host}${isWord ? (protocol === "https:" ? ":443" : ":80") : ""}${path}`;
}
