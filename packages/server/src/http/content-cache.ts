import type { IncomingMessage, ServerResponse } from "node:http";
import { isHoldfastError } from "@holdfast/core";
import type { FastifyRequest } from "fastify";
import type { GatewayAnswer } from "../gateway/answer.ts";
import type { BlockReader, NameResolver, ResolveNameOptions } from "../gateway/block-reader.ts";
import {
  type AnswerOrigins,
  representationOf,
  ResponseCache,
  type ResponseCacheOptions,
  reuseOf,
} from "../gateway/response-cache.ts";
import type { Records, Resolution } from "../records/records.ts";
import type { ResolvedPath } from "../records/resolve-path.ts";
import type { Clock } from "../telemetry/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { CORS_HEADERS } from "./cors.ts";
import { Generations } from "./generations.ts";

export interface ContentCacheParts {
  readonly records: Pick<Records, "peek">;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

declare module "fastify" {
  interface FastifyInstance {
    /** Absent: answers are neither kept nor said where they come from. */
    contentCache?: ContentCache;
  }
}

/** `Accept` headers whose meaning is known; browsers and clients have some dozens. */
const REPRESENTATIONS_MAX = 512;
const KEPT_ACCEPT_LENGTH_MAX = 512;
/** Of a header that the slow path refuses. */
const REFUSED = Symbol("refused");

/** Brings the answers of the slow path into the response cache, and says on each where it came from. */
export class ContentCache {
  readonly responses: ResponseCache;
  readonly clock: Clock;
  readonly #representations = new Generations<string | typeof REFUSED>(REPRESENTATIONS_MAX);
  /** Of requests that the hot path has seen: what a later rewriting of their target cannot change. */
  readonly #missed = new WeakMap<IncomingMessage, string>();

  constructor({ records, clock, metrics }: ContentCacheParts, { bytesMax }: ResponseCacheOptions) {
    this.clock = clock;
    this.responses = new ResponseCache({ records, metrics }, { bytesMax, headers: CORS_HEADERS });
  }

  /** Undefined when the slow path refuses such an `Accept`. */
  keyOf(target: string, accept: string | undefined): string | undefined {
    const representation = this.#representationOf(accept ?? "");
    return representation === REFUSED ? undefined : ResponseCache.keyOf(target, representation);
  }

  /** The hot path had no answer: the slow one's may be kept under this key. */
  noteMiss(request: IncomingMessage, key: string): void {
    this.#missed.set(request, key);
  }

  /** Undefined when the answer to this request is not to be kept. */
  missedKeyOf(request: IncomingMessage): string | undefined {
    return this.#missed.get(request);
  }

  #representationOf(accept: string): string | typeof REFUSED {
    const known = this.#representations.get(accept);
    if (known !== undefined) return known;
    let representation: string | typeof REFUSED;
    try {
      representation = representationOf(accept);
    } catch (err) {
      if (!isHoldfastError(err)) throw err;
      representation = REFUSED;
    }
    if (accept.length <= KEPT_ACCEPT_LENGTH_MAX) this.#representations.set(accept, representation);
    return representation;
  }
}

/** What a content route reads with. */
export interface WatchedParts {
  readonly blocks: BlockReader;
  readonly records: Pick<Records, "resolve" | "resolvePath">;
}

/** Watches what one answer is made of; see {@link AnswerWatch}. */
export function watchAnswer(
  request: FastifyRequest,
  response: ServerResponse,
  parts: WatchedParts,
): AnswerWatch {
  const { contentCache } = request.server;
  return new AnswerWatch(parts, contentCache, {
    key: contentCache?.missedKeyOf(request.raw),
    vary: response.getHeader("Vary"),
  });
}

/**
 * Reads for one request and remembers what the answer depends on: the records on its way, the DNSLinks, and whether a block had
 * to be retrieved.
 */
export class AnswerWatch {
  readonly blocks: BlockReader;
  readonly names: NameResolver;
  readonly #cache: ContentCache | undefined;
  readonly #key: string | undefined;
  readonly #vary: unknown;
  readonly #startedAtMs = performance.now();
  readonly #resolutions: Resolution[] = [];
  #linksUntilMs = Number.POSITIVE_INFINITY;
  #hasRetrieved = false;
  #wasAskedFirst = false;
  /** Of a record itself, whose reuse has rules of its own. */
  #isOfRecord = false;

  /**
   * @param to.key undefined: the answer is not to be kept.
   * @param to.vary what the response says already.
   */
  constructor(
    parts: WatchedParts,
    cache: ContentCache | undefined,
    to: { readonly key: string | undefined; readonly vary: unknown },
  ) {
    this.#cache = cache;
    this.#key = to.key;
    this.#vary = to.vary;
    this.blocks = {
      get: (cid, options) => {
        const onRetrieved = (): void => {
          this.#hasRetrieved = true;
          options.onRetrieved?.();
        };
        return parts.blocks.get(cid, { ...options, onRetrieved });
      },
      isHeld: (cid) => parts.blocks.isHeld(cid),
    };
    this.names = {
      resolvePath: async (path, options) =>
        this.#noted(await parts.records.resolvePath(path, options), options),
      resolve: async (name, options) => {
        const resolution = await parts.records.resolve(name, options);
        this.#isOfRecord = true;
        this.#wasAskedFirst ||= options.ask === "first";
        this.#resolutions.push(resolution);
        return resolution;
      },
    };
  }

  /**
   * The answer with the headers that say where it came from. Keeps one that is whole. A stream is not put together for that: most
   * of what had to be retrieved is never asked for again, and the next time it is read from memory and whole.
   */
  finish(answer: GatewayAnswer): GatewayAnswer {
    const { body, status } = answer;
    const headers = { ...answer.headers, ...this.#statusHeaders() };
    const isCandidate = this.#key !== undefined && status === 200 && !this.#isOfRecord;
    if (isCandidate && body instanceof Uint8Array) this.#keep(answer, body);
    return { ...answer, headers };
  }

  #noted(resolved: ResolvedPath, { ask }: ResolveNameOptions): ResolvedPath {
    this.#resolutions.push(...resolved.resolutions);
    this.#wasAskedFirst ||= ask === "first";
    const nowMs = this.#cache?.clock.nowMs() ?? 0;
    this.#linksUntilMs = Math.min(this.#linksUntilMs, nowMs + resolved.linksMaxAgeMs);
    return resolved;
  }

  #origins(): AnswerOrigins {
    return { records: this.#resolutions.map(({ stored }) => stored), linksUntilMs: this.#linksUntilMs };
  }

  #keep(answer: GatewayAnswer, body: Uint8Array): void {
    if (this.#key === undefined) return;
    const vary = [this.#vary, answer.headers["vary"]].filter((text) => typeof text === "string").join(", ");
    const headers = vary === "" ? answer.headers : { ...answer.headers, vary };
    this.#cache?.responses.set(this.#key, { ...answer, headers, body }, this.#origins());
  }

  /** So far: what a long body will need is not known when its headers are sent. */
  #statusHeaders(): Readonly<Record<string, string>> {
    const nowMs = this.#cache?.clock.nowMs();
    if (nowMs === undefined) return {};
    const tookMs = (performance.now() - this.#startedAtMs).toFixed(1);
    const status = this.#status();
    const ttlS = Math.floor(reuseOf(this.#origins(), nowMs).freshLeftMs / 1000);
    const cacheStatus = {
      HIT: Number.isFinite(ttlS) ? `holdfast; hit; ttl=${ttlS}` : "holdfast; hit",
      STALE: `holdfast; hit; ttl=${ttlS}`,
      MISS: "holdfast; fwd=uri-miss",
      BYPASS: "holdfast; fwd=request",
    }[status];
    return {
      "x-cache-status": status,
      "cache-status": cacheStatus,
      "server-timing": `cache;desc="${status.toLowerCase()}", total;dur=${tookMs}`,
    };
  }

  #status(): "HIT" | "STALE" | "MISS" | "BYPASS" {
    const isFromNetwork = this.#resolutions.some(({ answeredFrom }) => answeredFrom === "network");
    if (isFromNetwork && this.#wasAskedFirst) return "BYPASS";
    if (isFromNetwork || this.#hasRetrieved) return "MISS";
    return this.#resolutions.some(({ freshness }) => freshness === "stale") ? "STALE" : "HIT";
  }
}
