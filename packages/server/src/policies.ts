import type { RelayConnectionOptions } from "./adapters/relays/relay-connection.ts";
import type { AnnouncedNamesOptions } from "./announce/announced-names.ts";
import type { AnnouncerOptions } from "./announce/announcer.ts";
import type { ListFileOptions } from "./adapters/list-files/list-file.ts";
import { PUT_AT_GRAIN_MS } from "./content/block-store.ts";
import type { FollowsOptions } from "./pins/follow/follows.ts";
import type { VaultReleaseOptions } from "./pins/sweep/sweep.ts";
import type { KeepAliveOptions } from "./records/keep-alive/keep-alive.ts";
import type { ComparisonOptions } from "./records/lookup/compare-name.ts";
import type { FreshKeeperOptions } from "./records/lookup/fresh-keeper.ts";
import type { RecordsOptions } from "./records/records.ts";
import type { WebhookOptions } from "./records/webhooks/webhook.ts";
import type { RouterHealthOptions } from "./records/lookup/router-health.ts";
import type { Rate } from "./http/limits.ts";
import type { ApiPinsOptions } from "./pins/api/api-pins.ts";
import type { OriginDialerOptions } from "./pins/api/origin-dialer.ts";
import type { PinsOptions } from "./pins/pins.ts";

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
  /** Long enough for a good router to answer first, short beside what clients wait. */
  hedgeMs: 300,
  /** Browsers that ask with X-No-Cache give up after 3 to 5 s. */
  askFirstMs: 2_500,
  refreshesMax: 64,
  refreshQueueMax: 20_000,
  refreshJitterMs: 250,
  refreshRetryMs: 10_000,
  /** Popular is what is read about once a second or more: 30 to 60 reads within the half-life, 2 to 4 of them counted. */
  popularity: { sampleOneIn: 16, halfLifeMs: 30_000, samplesMin: 2, namesMax: 8_192 },
  anomalies: {
    /**
     * Owners add one; somebody who published elsewhere meanwhile, every few minutes for days, adds some hundreds. Beyond that it
     * is a clock used as a sequence, or a key in other hands that wants to end the sequence.
     */
    jumpMax: 1_000n,
    writeDelayMs: 1_000,
    pendingMax: 1_000,
    /** As long as a DHT server may well keep a predecessor that it was not told about is 48 h; once an hour is enough to see it. */
    peerIntervalMs: 3_600_000,
    /** 50 checks keep the verifier busy for 5 ms. */
    checksPerSecondMax: 50,
    checksUnderWayMax: 16,
    nameIntervalMs: 1_000,
    verdictsMax: 4_096,
  },
};

export const FRESH_KEEPER_POLICY: FreshKeeperOptions = {
  lookMs: 1_000,
  /** At worst each name costs a point read of 8 µs. */
  tickMs: 100,
  namesPerTick: 500,
  aheadShare: 0.25,
  /** Four times what runs at once: enough to keep the refresher busy until the next look. */
  waitingMax: 256,
};

/** A provider or peer query is over for an HTTP router after this; clients that wait for a list have 10 s. */
export const HTTP_ROUTING_QUERY_MS = 5_000;

/** For whoever looks into one name: every router is asked, also the slow ones. */
export const COMPARISON_POLICY: ComparisonOptions = { budgetMs: 15_000, comparisonsMax: 4 };

/** Of routers that are asked over HTTP. */
export const HTTP_ROUTER_HEALTH: RouterHealthOptions = {
  breaker: { failuresMax: 3, firstPauseMs: 2_000, pauseMsMax: 300_000 },
  patienceMs: 2_000,
};

export const KEEP_ALIVE_POLICY: Omit<
  KeepAliveOptions,
  "riskMs" | "reannounceEveryMs" | "reannounceProbability"
> = {
  limitMin: 1,
  limitMax: 64,
  limitAtStart: 8,
  pauseMs: 1_000,
  /** A target that comes back is noticed within this. */
  pauseMsMax: 15_000,
  /** A put to the public DHT takes 20 to 30 s, and a minute when peers are slow. */
  putTimeoutMs: 120_000,
  writeDelayMs: 1_000,
  writeAtOnce: 128,
  unwrittenMax: 512,
  writeRetryMs: 5_000,
  watchEveryMs: 60_000,
  /** 5 ms of the store thread, 20 times a second: a million names take a few minutes, and no put waits for them. */
  tendNamesMax: 250,
  tendPauseMs: 50,
  tendRetryMs: 5_000,
};

/** Records that peers push are checked behind everybody else: when more than this wait, further ones are dropped. */
export const PUSHED_RECORDS_WAITING_MAX = 256;

/** A stop drains requests and writes for at most this long. */
export const STOP_GRACE_MS = 8_000;

/** Telling the DHT that we have a root takes about as long as a put. */
export const PROVIDE_TIMEOUT_MS = 60_000;

export const PIN_POLICY: Omit<PinsOptions, "pinsPerSecondMax" | "pinBytesMax"> = {
  pinsMax: 10,
  /** Most content that is there at all begins to come within this. */
  pinQuietMs: 5_000,
  pinsSlowMax: 16,
  /** Of wall time a DAG of 100 GB may need any; without a new block for so long nobody gives it. */
  pinStallMs: 120_000,
  /** Twelve attempts take some 18 hours: longer than most outages. */
  pinRetry: { restMs: 30_000, restMsMax: 6 * 3_600_000, fullRestMsMax: 60_000, attemptsMax: 12 },
  providesMax: 4,
  provideTimeoutMs: PROVIDE_TIMEOUT_MS,
  /** Best effort: the repository tells the network again by itself. */
  provideRetry: { restMs: 60_000, restMsMax: 3_600_000, fullRestMsMax: 3_600_000, attemptsMax: 6 },
  unpinsMax: 2,
  unpinTimeoutMs: 60_000,
  /** Somewhat more than the largest repository that is known. */
  queuedMax: 2_000_000,
  waitersMax: 1_000,
  auditIntervalMs: 3_600_000,
  lookIntervalMs: 5_000,
  auditRetryMs: 60_000,
};

export const API_PINS_POLICY: Omit<ApiPinsOptions, "perOwnerMax"> = {
  /** A change of one pin is a change of every order for it, in one transaction. */
  perOwnerAndRootMax: 1_000,
  scansMax: 4,
  retryMs: 60_000,
  originLookMs: 2_000,
  originLooksMax: 30,
};

/** More than a queue works off; ten thousand CIDs take somewhat more than a minute. */
export const API_PINS_WRITES: Rate = { perSecond: 100, burst: 1_000 };

export const ORIGIN_DIALER_POLICY: Omit<OriginDialerOptions, "allowsLocal"> = {
  dialsMax: 4,
  waitingMax: 256,
  dialMs: 20_000,
};

/** A DNSLink is looked up for at most this long. */
export const DNS_TIMEOUT_MS = 5_000;

/** What waits in the vault for another repository to pin it: hours of uploads at full speed. */
export const STAGING_BYTES_MAX = 50 * 1024 * 1024 * 1024;

export const WEBHOOK_POLICY: WebhookOptions = {
  deliveriesMax: 8,
  firstPauseMs: 1_000,
  pauseMsMax: 600_000,
  /** What an endpoint says is wrong will hardly be right a moment later. */
  firstRestMs: 60_000,
  restMsMax: 3_600_000,
};

/** A sweep costs a walk over all that is not confirmed; 10 s of uploads at full speed are 1 GiB. */
export const VAULT_RELEASE_POLICY: VaultReleaseOptions = { pauseMs: 10_000, fullLookMs: 6 * 3_600_000 };

/** A day for whoever adds first and pins later, and as much more as the times of blocks are rounded by. */
export const GARBAGE_GRACE_MS = 24 * 3_600_000 + PUT_AT_GRAIN_MS;

/** Events whose signature waits to be checked; each takes 0.3 ms of a thread of its own. */
export const EVENTS_WAITING_MAX = 512;

/** A name that was announced without its record is worth a lookup, but waits behind everybody who asks for one. */
export const ANNOUNCED_NAMES_POLICY: AnnouncedNamesOptions = { lookUpsMax: 4, waitingMax: 1_000 };

export const ANNOUNCER_POLICY: Omit<AnnouncerOptions, "kind" | "source" | "confirmationsMin"> = {
  sendsMax: 8,
  retryMs: { first: 5_000, max: 3_600_000 },
  /** Two weeks at the longest pause. */
  attemptsMax: { afterSuccess: 10, inAll: 350 },
  rememberMs: 7 * 86_400_000,
};

export const RELAY_POLICY: RelayConnectionOptions = {
  reconnectMs: { first: 1_000, max: 300_000 },
  stableMs: 60_000,
  askAgainMs: 30_000,
  /** A relay that keeps one event of 1 MB must not hide the others: it is read, and dropped unparsed. */
  payloadBytesMax: 2 * 1024 * 1024,
  frameBytesMax: 128 * 1024,
  queueBytesMax: 1024 * 1024,
  /** An event costs the main thread some 0.05 ms: a flood takes 2 % of it for each relay. */
  framesPerSecond: 400,
  bytesPerSecond: 4 * 1024 * 1024,
  eventsAtOnce: 64,
  pingMs: 30_000,
  answerMsMax: 15_000,
  handshakeMsMax: 10_000,
  pageEventsMax: 500,
};

export const FOLLOW_POLICY: Omit<FollowsOptions, "namesMax" | "keepDefault" | "keepMax"> = {
  /** An owner who publishes once a minute, while nobody has the content, fills this in a quarter of an hour. */
  waitingMax: 16,
  tendedMax: 8,
  lookMs: 60_000,
  /** A name with nothing new costs some 0.05 ms. */
  tickMs: 200,
  namesPerTick: 50,
};

export const LIST_FILE_POLICY: Omit<ListFileOptions, "path"> = {
  lookMs: 5_000,
  /** Whoever writes a list writes for less than that, or does not stop for so long. */
  settledMs: 60_000,
};

/** The queue or the disk refuses what is on the pin list: until it is tried again. */
export const PIN_LIST_RETRY_MS = 10_000;

/** A node that has just come up waits so long for its first peer before it looks for what is to be pinned. */
export const FIRST_PEER_MS_MAX = 15_000;
