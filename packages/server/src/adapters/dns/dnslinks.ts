import { HoldfastError, isHoldfastError, selectDnslink } from "@holdfast/core";
import { LRUCache } from "lru-cache";
import type { Dnslink, Dnslinks } from "../../records/dnslinks.ts";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Ask } from "../../records/lookup/ask.ts";
import { orAbort } from "../../records/or-abort.ts";
import type { TxtLookup } from "./txt-lookup.ts";

export interface DnslinksParts {
  /** Absent: only the map is known. */
  readonly lookup: TxtLookup | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export interface DnslinksPolicy {
  /** TTLs outside these bounds are taken for them: a TTL of 0 would send each read to DNS. */
  readonly ttlMsMin: number;
  readonly ttlMsMax: number;
  /** For answers that come without a TTL. */
  readonly ttlMsUnknown: number;
  /** How long "there is none" counts. */
  readonly negativeTtlMs: number;
  /** DNS that failed is not asked again for so long. */
  readonly retryMs: number;
  /** An answer is of use for so long after its TTL, while DNS fails. */
  readonly staleMsMax: number;
  /** A caller for whom there is an old answer, also "none" or "DNS fails", waits no longer than this for a new one. */
  readonly patienceMs: number;
  readonly entriesMax: number;
  /** Questions under way at once. */
  readonly lookupsMax: number;
}

const DEFAULT_DNSLINKS_POLICY: DnslinksPolicy = {
  ttlMsMin: 5_000,
  ttlMsMax: 3_600_000,
  ttlMsUnknown: 60_000,
  negativeTtlMs: 15_000,
  retryMs: 5_000,
  staleMsMax: 86_400_000,
  patienceMs: 1_000,
  entriesMax: 10_000,
  lookupsMax: 64,
};

/** Names of these kinds are no business of DNS. @see https://www.rfc-editor.org/rfc/rfc6761 */
const LOCAL_SUFFIX = /\.(?:localhost|local|invalid|onion)$/;

interface Entry {
  /** Absent: the domain has no DNSLink, or `failure` says why it is not known. */
  readonly path: string | undefined;
  readonly failure: HoldfastError | undefined;
  readonly untilMs: number;
  readonly isStale: boolean;
  /** Until when it is better than nothing, while DNS fails or is slow. */
  readonly usableUntilMs: number;
}

/** DNSLinks from a static map, which goes first, and from DNS, with a cache of bounded size. */
export class CachedDnslinks implements Dnslinks, Disposable {
  readonly #parts: DnslinksParts;
  readonly #policy: DnslinksPolicy;
  readonly #map: ReadonlyMap<string, string>;
  readonly #entries: LRUCache<string, Entry>;
  readonly #lookups = new Map<string, Promise<Entry>>();
  readonly #closing = new AbortController();

  /** @param options.map content paths by domain. */
  constructor(
    parts: DnslinksParts,
    options: { readonly map: ReadonlyMap<string, string> } & Partial<DnslinksPolicy>,
  ) {
    const { map, ...policy } = options;
    this.#parts = parts;
    this.#map = map;
    this.#policy = { ...DEFAULT_DNSLINKS_POLICY, ...policy };
    this.#entries = new LRUCache({ max: this.#policy.entriesMax });
  }

  isKnownAbsent(domain: string): boolean {
    if (this.#map.has(domain)) return false;
    if (!this.#isInDns(domain)) return true;
    const entry = this.#entries.get(domain);
    return (
      entry !== undefined &&
      entry.path === undefined &&
      entry.failure === undefined &&
      this.#parts.clock.nowMs() < entry.untilMs
    );
  }

  async resolve(
    domain: string,
    { signal, ask }: { readonly signal: AbortSignal; readonly ask?: Ask },
  ): Promise<Dnslink | undefined> {
    const mapped = this.#map.get(domain);
    if (mapped !== undefined) return { path: mapped, ttlMs: this.#policy.ttlMsUnknown };
    if (!this.#isInDns(domain)) return undefined;
    const nowMs = this.#parts.clock.nowMs();
    const entry = this.#entries.get(domain);
    if (entry !== undefined && ask !== "first" && nowMs < entry.untilMs) return this.#answerOf(entry);
    const old = entry !== undefined && nowMs < entry.usableUntilMs ? entry : undefined;
    if (ask === "never") return old === undefined ? undefined : this.#answerOf({ ...old, isStale: true });
    if (this.#lookups.size >= this.#policy.lookupsMax && !this.#lookups.has(domain)) {
      if (old !== undefined) return this.#answerOf({ ...old, isStale: true });
      throw new HoldfastError("OVERLOADED", "too many DNS questions at once");
    }
    const asked = this.#lookUpOnce(domain);
    const found = await orAbort(old === undefined ? asked : this.#withPatience(asked, old), signal);
    return this.#answerOf(found);
  }

  /** Ends the questions under way. */
  [Symbol.dispose](): void {
    this.#closing.abort(new HoldfastError("SHUTTING_DOWN", "shutting down"));
  }

  #isInDns(domain: string): boolean {
    return this.#parts.lookup !== undefined && !LOCAL_SUFFIX.test(domain);
  }

  #answerOf({ path, failure, untilMs, isStale }: Entry): Dnslink | undefined {
    if (failure !== undefined) throw failure;
    if (path === undefined) return undefined;
    return { path, ttlMs: isStale ? 0 : Math.max(0, untilMs - this.#parts.clock.nowMs()) };
  }

  /** The lookup goes on behind when its time is over, and is there for the next caller. */
  async #withPatience(asked: Promise<Entry>, old: Entry): Promise<Entry> {
    const isOver = Promise.withResolvers<Entry>();
    const cancel = this.#parts.timers.after(this.#policy.patienceMs, () => {
      isOver.resolve({ ...old, isStale: true });
    });
    try {
      return await Promise.race([asked, isOver.promise]);
    } finally {
      cancel();
    }
  }

  /** Never rejects: what goes wrong is in the entry. */
  #lookUpOnce(domain: string): Promise<Entry> {
    const shared = this.#lookups.get(domain);
    if (shared !== undefined) return shared;
    const started = this.#lookUp(domain).then((entry) => {
      this.#lookups.delete(domain);
      this.#entries.set(domain, entry);
      return entry;
    });
    this.#lookups.set(domain, started);
    return started;
  }

  async #lookUp(domain: string): Promise<Entry> {
    const { lookup, clock } = this.#parts;
    const { ttlMsMin, ttlMsMax, ttlMsUnknown, negativeTtlMs, staleMsMax } = this.#policy;
    try {
      const answer = await lookup?.lookUp(`_dnslink.${domain}`, { signal: this.#closing.signal });
      const path = selectDnslink(answer?.texts ?? []);
      const ttlMs =
        path === undefined
          ? negativeTtlMs
          : Math.min(Math.max(answer?.ttlMs ?? ttlMsUnknown, ttlMsMin), ttlMsMax);
      const untilMs = clock.nowMs() + ttlMs;
      const usableUntilMs = untilMs + staleMsMax;
      return { path, failure: undefined, untilMs, isStale: false, usableUntilMs };
    } catch (err) {
      return this.#failed(domain, err);
    }
  }

  #failed(domain: string, err: unknown): Entry {
    const { clock, logger } = this.#parts;
    const nowMs = clock.nowMs();
    const untilMs = nowMs + this.#policy.retryMs;
    const old = this.#entries.get(domain);
    logger.debug({ err, domain }, "the DNSLink of a domain is not known");
    const isAmbiguous = isHoldfastError(err) && err.code === "INVALID_PATH";
    if (!isAmbiguous && old !== undefined && old.failure === undefined && nowMs < old.usableUntilMs)
      return { ...old, untilMs, isStale: true };
    const failure = isHoldfastError(err)
      ? err
      : new HoldfastError("BACKEND_UNAVAILABLE", "DNS failed", { cause: err });
    const usableUntilMs = untilMs + this.#policy.staleMsMax;
    return { path: undefined, failure, untilMs, isStale: false, usableUntilMs };
  }
}
