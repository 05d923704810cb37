import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { HoldfastError, type IpnsName } from "@holdfast/core";
import { LRUCache } from "lru-cache";
import type { Clock } from "../telemetry/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { ClientAddresses } from "./client-address.ts";

export interface Rate {
  readonly perSecond: number;
  /** How many may come at once after a pause. */
  readonly burst: number;
}

export interface LimitRates {
  readonly readsPerClient: Rate;
  readonly recordWritesPerClient: Rate;
  readonly recordWritesPerName: Rate;
  readonly recordWritesPerNode: Rate;
  /** Reads that insist on asking the network first (`X-No-Cache`). */
  readonly freshReadsPerClient: Rate;
}

export const DEFAULT_RATES: LimitRates = {
  readsPerClient: { perSecond: 300, burst: 1000 },
  recordWritesPerClient: { perSecond: 0.5, burst: 30 },
  recordWritesPerName: { perSecond: 1, burst: 5 },
  recordWritesPerNode: { perSecond: 100, burst: 100 },
  freshReadsPerClient: { perSecond: 2, burst: 20 },
};

/** How many clients and names are remembered; the ones unused longest are forgotten, which gives them a full bucket. */
const BUCKETS_MAX = 65_536;

/** Tokens flow in at a rate, up to a burst; each use takes one. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #filledAtMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#filledAtMs = nowMs;
  }

  /** Takes a token; false when there is none. */
  take(nowMs: number): boolean {
    if (!this.has(nowMs)) return false;
    this.#tokens -= 1;
    return true;
  }

  has(nowMs: number): boolean {
    // A clock that was set back gives nothing and takes nothing.
    if (nowMs > this.#filledAtMs) {
      const gained = ((nowMs - this.#filledAtMs) * this.#rate.perSecond) / 1000;
      this.#tokens = Math.min(this.#rate.burst, this.#tokens + gained);
    }
    this.#filledAtMs = nowMs;
    return this.#tokens >= 1;
  }

  /** Takes a token that may not be there: work that was admitted together is paid for afterwards, out of the future. */
  charge(nowMs: number): void {
    this.has(nowMs);
    this.#tokens = Math.max(-this.#rate.burst, this.#tokens - 1);
  }

  /** Until the next token, in seconds, for `Retry-After`. */
  waitS(nowMs: number): number {
    return this.has(nowMs) ? 0 : (1 - this.#tokens) / this.#rate.perSecond;
  }
}

/** What one client may still do. */
export interface Client {
  /** For logs; never for metric labels. */
  readonly key: string;
  readonly reads: TokenBucket;
  readonly recordWrites: TokenBucket;
  readonly freshReads: TokenBucket;
}

/** How many requests each kind of rate refused. */
export interface RefusalCounts {
  readonly clients: number;
  readonly names: number;
  readonly node: number;
}

export interface LimitsOptions {
  /** False lifts every rate, for benches and tests. Sizes and concurrency stay. */
  readonly rateLimits: boolean;
  readonly trustedProxies: readonly string[];
  readonly rates: LimitRates;
}

/** The rates at the public door. Everything over them is refused with 429 and `Retry-After`, never dropped silently (R36). */
export class Limits {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #options: LimitsOptions;
  readonly #addresses: ClientAddresses;
  readonly #clients = new LRUCache<string, Client>({ max: BUCKETS_MAX });
  readonly #names = new LRUCache<string, TokenBucket>({ max: BUCKETS_MAX });
  readonly #bySocket = new WeakMap<Socket, Client>();
  readonly #node: TokenBucket;
  readonly #refusals = { clients: 0, names: 0, node: 0 };

  constructor(parts: { readonly clock: Clock; readonly metrics: Metrics }, options: LimitsOptions) {
    this.#clock = parts.clock;
    this.#metrics = parts.metrics;
    this.#options = options;
    this.#addresses = new ClientAddresses(options.trustedProxies);
    this.#node = new TokenBucket(options.rates.recordWritesPerNode, parts.clock.nowMs());
  }

  get refusals(): RefusalCounts {
    return this.#refusals;
  }

  clientOf(request: IncomingMessage): Client {
    if (!this.#addresses.perConnection) return this.#clientByKey(this.#addresses.keyOf(request));
    let client = this.#bySocket.get(request.socket);
    if (client === undefined) {
      client = this.#clientByKey(this.#addresses.keyOf(request));
      this.#bySocket.set(request.socket, client);
    }
    return client;
  }

  /** Takes one request of any kind out of the client's rate; false when it has to be refused. */
  takeRead(request: IncomingMessage, nowMs: number): boolean {
    return !this.#options.rateLimits || this.clientOf(request).reads.take(nowMs);
  }

  /** Whether this client may make the network be asked now. If not, it gets what is held. */
  takeFreshRead(request: IncomingMessage): boolean {
    return !this.#options.rateLimits || this.clientOf(request).freshReads.take(this.#clock.nowMs());
  }

  /**
   * Admits a put of a record, before its body is read.
   *
   * Only a stored record counts against the name and the node ({@link chargeRecordWrite}): if refused ones did, anybody
   * could lock an owner out by sending forged records for its name (R1).
   *
   * @throws HoldfastError `RATE_LIMITED`.
   */
  admitRecordWrite(request: IncomingMessage, name: IpnsName): void {
    if (!this.#options.rateLimits) return;
    const nowMs = this.#clock.nowMs();
    const client = this.clientOf(request);
    if (!client.recordWrites.take(nowMs))
      throw this.#refusal("clients", "records from this client", client.recordWrites);
    const ofName = this.#names.get(name.text);
    if (ofName?.has(nowMs) === false) throw this.#refusal("names", "records of this name", ofName);
    if (!this.#node.has(nowMs)) throw this.#refusal("node", "records", this.#node);
  }

  /** Counts a record that was stored. */
  chargeRecordWrite(name: IpnsName): void {
    if (!this.#options.rateLimits) return;
    const nowMs = this.#clock.nowMs();
    let ofName = this.#names.get(name.text);
    if (ofName === undefined) {
      ofName = new TokenBucket(this.#options.rates.recordWritesPerName, nowMs);
      this.#names.set(name.text, ofName);
    }
    ofName.charge(nowMs);
    this.#node.charge(nowMs);
  }

  /** The refusal of a request that {@link takeRead} did not admit. */
  refusalOfRead(request: IncomingMessage): HoldfastError {
    return this.#refusal("clients", "requests from this client", this.clientOf(request).reads);
  }

  #refusal(kind: keyof RefusalCounts, what: string, bucket: TokenBucket): HoldfastError {
    this.#metrics.http.rateLimited++;
    this.#refusals[kind]++;
    const retryAfterS = Math.max(1, Math.ceil(bucket.waitS(this.#clock.nowMs())));
    return new HoldfastError("RATE_LIMITED", `too many ${what}; try again in ${retryAfterS} s`, {
      details: { retryAfterS },
    });
  }

  #clientByKey(key: string): Client {
    let client = this.#clients.get(key);
    if (client === undefined) {
      const { rates } = this.#options;
      const nowMs = this.#clock.nowMs();
      client = {
        key,
        reads: new TokenBucket(rates.readsPerClient, nowMs),
        recordWrites: new TokenBucket(rates.recordWritesPerClient, nowMs),
        freshReads: new TokenBucket(rates.freshReadsPerClient, nowMs),
      };
      this.#clients.set(key, client);
    }
    return client;
  }
}
