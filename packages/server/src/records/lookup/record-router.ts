import type { IpnsName } from "@holdfast/core";

/** A network on which records are looked up and put. Answers are untrusted bytes. */
export interface RecordRouter {
  /** For logs and counters, e.g. `embedded`, `kubo`. */
  readonly label: string;

  /**
   * Asks the network. Yields each candidate as it arrives, unvalidated, in no order; ends when the query is over.
   * Yields nothing for a name that nobody knows. Ends early and quietly when the signal aborts.
   *
   * @throws HoldfastError `BACKEND_UNAVAILABLE` when the network cannot be asked at all.
   */
  get(name: IpnsName, options: { readonly signal: AbortSignal }): AsyncIterable<Uint8Array>;

  /**
   * Puts a record to the network.
   *
   * @returns how many peers confirmed that they hold it; 0 is a failure to be retried.
   * @throws HoldfastError `BACKEND_UNAVAILABLE`, `UPSTREAM_TIMEOUT`.
   */
  put(
    name: IpnsName,
    recordBytes: Uint8Array,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly confirmedPeers: number }>;
}
