import type { PropagationOptions } from "./records/propagator.ts";
import type { RecordsOptions } from "./records/records.ts";

/** The default policies (`design.md` "Default policies"), each number once, with its unit and the reason for its size. */

export const RECORD_POLICY: Omit<RecordsOptions, "hotBytesMax"> = {
  /** Longer negative answers have taken a network down: a name that was just published stayed hidden. */
  negativeTtlMs: 15_000,
  negativeEntriesMax: 100_000,
  /** Clients give up after 2 to 10 s. */
  firstAnswerMs: 5_000,
  budgetMs: 10_000,
  /** Distinct names being looked up; each costs the DHT some dozens of requests. */
  lookupsMax: 256,
  /** Browsers that ask with X-No-Cache give up after 3 to 5 s. */
  askFirstMs: 2_500,
  refreshesMax: 64,
  refreshQueueMax: 20_000,
  refreshJitterMs: 250,
  refreshRetryMs: 10_000,
};

export const PROPAGATION_POLICY: PropagationOptions = {
  putsMax: 32,
  queueMax: 50_000,
  /** A put to the public DHT takes up to 20 or 30 s. */
  putTimeoutMs: 60_000,
  retryPausesMs: [2_000, 10_000, 60_000, 300_000, 1_800_000],
};

/** Records that peers push are checked behind everybody else: when more than this wait, further ones are dropped. */
export const PUSHED_RECORDS_WAITING_MAX = 256;

/** A stop drains requests and writes for at most this long. */
export const STOP_GRACE_MS = 8_000;

/** Telling the DHT that we have a root takes about as long as a put. */
export const PROVIDE_TIMEOUT_MS = 60_000;

/** A DNSLink is looked up for at most this long. */
export const DNS_TIMEOUT_MS = 5_000;
