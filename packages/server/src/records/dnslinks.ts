import type { Ask } from "./lookup/ask.ts";

/** What the DNSLink of a domain says. */
export interface Dnslink {
  /** `/ipfs/…` or `/ipns/…`, well-formed, plain text: nothing in it is percent-encoded. */
  readonly path: string;
  /** How long this may be relied on, from now; 0 when it is known to be out of date. */
  readonly ttlMs: number;
}

/** Where the TXT records of `_dnslink.{domain}` are asked for. */
export interface Dnslinks {
  /**
   * The DNSLink of a domain, and of no other name than it; undefined when it has none.
   *
   * Concurrent calls for a domain share one question. An answer is kept for its TTL; when DNS fails afterwards, the last
   * answer is given once more.
   *
   * @param domain lower case, at least two labels, without a dot at its end.
   * @param options.ask `first`: DNS is asked although an answer is kept. `never`: undefined unless one is kept.
   * @throws HoldfastError `INVALID_PATH` when the domain has more than one valid DNSLink, `UPSTREAM_TIMEOUT` or
   *   `BACKEND_UNAVAILABLE` when DNS fails and nothing is kept, `OVERLOADED`; the signal's reason when it aborts.
   * @see https://dnslink.dev/
   */
  resolve(
    domain: string,
    options: { readonly signal: AbortSignal; readonly ask?: Ask },
  ): Promise<Dnslink | undefined>;
  /** Whether {@link resolve} would answer undefined without asking anybody. */
  isKnownAbsent(domain: string): boolean;
}
