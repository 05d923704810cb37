import { join } from "node:path";
import { type CheckEvent, type EventSigner } from "@holdfast/core";
import { loadNostrSecret } from "./adapters/crypto/nostr-identity.ts";
import { loadNostr } from "./adapters/crypto/nostr-keys.ts";
import { SignatureVerifier } from "./adapters/crypto/signature-verifier.ts";
import { RelayPool } from "./adapters/relays/relay-pool.ts";
import type { SqliteAnnouncements } from "./adapters/sqlite/announcements/announcements.ts";
import { AnnouncedNames } from "./announce/announced-names.ts";
import { AnnouncementReader } from "./announce/announcement-reader.ts";
import { Announcements } from "./announce/announcements.ts";
import type { AnnounceStatus } from "./announce/announce-status.ts";
import { AnnouncementNews } from "./announce/announcement-news.ts";
import { Announcer } from "./announce/announcer.ts";
import { AuthorPolicy, type AuthorRules, dayOf } from "./announce/author-policy.ts";
import { PinWalk } from "./announce/pin-walk.ts";
import { allPins, announcedRecords, pinRequests } from "./announce-ports.ts";
import type { Config } from "./config/config.ts";
import type { Pins } from "./pins/pins.ts";
import { ANNOUNCED_NAMES_POLICY, ANNOUNCER_POLICY, EVENTS_WAITING_MAX, RELAY_POLICY } from "./policies.ts";
import type { Records } from "./records/records.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

export interface AnnounceNeeds {
  readonly log: SqliteAnnouncements;
  readonly pins: Pins;
  readonly records: Records;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Announcements in and out. */
export interface Announce {
  /** For `POST /announce`. */
  readonly announcements: Announcements;
  status(): AnnounceStatus;
  /** Connects to the relays and goes on with what waits. */
  start(): void;
  /** Announces all pins again, behind the answer; false when that is under way, or nothing is announced from here. */
  reannounce(): Promise<boolean>;
}

/** The room of announcements, on this stack. Nothing is connected before its `start`. */
export async function createAnnounce(
  config: Config,
  needs: AnnounceNeeds,
  stack: AsyncDisposableStack,
): Promise<Announce> {
  const logger = needs.logger.child({ part: "announce" });
  const rules: AuthorRules = { ...config.nostrAuthors, denied: config.nostrDeny };
  const isReading = rules.isOpen || rules.listed.size > 0;
  const relayUrls = config.network === "offline" ? [] : config.nostrRelays;
  const signer = relayUrls.length === 0 ? undefined : await loadSigner(config);
  const incoming = createIncoming(config, { ...needs, logger, rules, isReading, signer }, stack);
  const relays = new RelayPool(
    { signer, timers: systemClock, random: Math.random, logger },
    { ...RELAY_POLICY, urls: relayUrls },
  );
  const outgoing =
    signer === undefined ? undefined : createOutgoing(config, { ...needs, logger, relays, signer }, stack);
  const { nostrAnnounce } = config;
  const scopeOf = { off: "none", on: "own", all: "all" } as const;
  await needs.log.saveNewsScope(outgoing === undefined ? "none" : scopeOf[nostrAnnounce]);
  // Ends first: what is on its way to a relay that does not answer would keep the announcer waiting.
  stack.use(relays);
  const { announcements } = incoming;
  const { kinds, log } = { kinds: config.nostrKinds, log: needs.log };
  const reader = new AnnouncementReader(
    { announcements, log, clock: systemClock, logger },
    { kinds, rules, relayUrls },
  );
  const startForgetting = forgetHourly(reader, logger, stack);
  if (relayUrls.length > 0 && !isReading)
    logger.warn("HOLDFAST_NOSTR_AUTHORS is none: relays are connected, but nobody's announcements are read");
  return {
    announcements,
    status: () => ({
      pubkey: signer?.pubkey,
      authors: { listed: rules.listed.size, isOpen: rules.isOpen, denied: rules.denied.size },
      totals: log.totals(),
      outgoing: outgoing?.announcer.status(),
      relays: relays
        .status()
        .map((relay) => ({ ...relay, readFromS: isReading ? reader.sinceS(relay.url) : undefined })),
    }),
    start() {
      relays.start(isReading ? reader : undefined, () => outgoing?.announcer.resume());
      outgoing?.news.take();
      startForgetting();
    },
    reannounce: async () => (await outgoing?.announcer.reannounce()) ?? false,
  };
}

const FORGET_EVERY_MS = 3_600_000;

/** Without relays, too: `POST /announce` writes down as much. @returns what begins it. */
function forgetHourly(reader: AnnouncementReader, logger: Logger, stack: AsyncDisposableStack): () => void {
  let cancel: () => void = () => undefined;
  stack.defer(() => cancel());
  return function forget(): void {
    reader
      .forgetOld()
      .catch((err: unknown) => logger.warn({ err }, "old announcements could not be forgotten"));
    cancel = systemClock.after(FORGET_EVERY_MS, forget);
  };
}

async function loadSigner({ nostrPrivateKey, dataDir }: Config): Promise<EventSigner> {
  const secret =
    nostrPrivateKey === undefined
      ? await loadNostrSecret(join(dataDir, "nostr-key"))
      : Buffer.from(nostrPrivateKey, "hex");
  return (await loadNostr()).signer(secret);
}

interface Shared extends AnnounceNeeds {
  readonly signer: EventSigner | undefined;
}

function createIncoming(
  config: Config,
  needs: Shared & { readonly rules: AuthorRules; readonly isReading: boolean },
  stack: AsyncDisposableStack,
): { readonly announcements: Announcements } {
  const { log, pins, metrics, logger, rules, isReading, signer } = needs;
  const records = announcedRecords(needs.records);
  const names = stack.use(new AnnouncedNames({ records, logger }, ANNOUNCED_NAMES_POLICY));
  const policy = new AuthorPolicy(log, {
    rules,
    quotas: {
      subjectsPerDay: config.nostrPinsPerDay,
      subjectsPerDayOfAll: config.nostrPinsPerDayOfAll,
      bytesPerDay: config.nostrBytesPerDay,
    },
  });
  chargeBytes(pins, { log, policy, logger });
  const checkEvent = isReading ? startEventVerifier(needs, stack) : refuseAll;
  const announcements = new Announcements(
    { log, policy, pins: pinRequests(pins), records, names, checkEvent, clock: systemClock, logger, metrics },
    { kinds: config.nostrKinds, ownPubkey: signer?.pubkey },
  );
  return { announcements };
}

/** What was pinned for an author with quotas is known when it is here. */
function chargeBytes(
  pins: Pins,
  { log, policy, logger }: Pick<AnnounceNeeds, "log" | "logger"> & { readonly policy: AuthorPolicy },
): void {
  pins.onPinned(({ claim }, heldBytes) => {
    if (claim.source !== "nostr" || heldBytes === undefined || !policy.hasQuota(claim.holder)) return;
    log
      .chargeBytes(claim.holder, dayOf(systemClock.nowMs()), heldBytes)
      .catch((err: unknown) => logger.warn({ err }, "bytes of an author could not be counted"));
  });
}

/** A thread of its own: a flood of events must not keep records waiting for their signatures. */
function startEventVerifier({ logger, metrics }: Shared, stack: AsyncDisposableStack): CheckEvent {
  const parts = { logger: logger.child({ part: "event-verifier" }), metrics };
  const verifier = SignatureVerifier.start(parts, { waitingMax: EVENTS_WAITING_MAX });
  stack.use(verifier);
  return verifier.checkEvent;
}

/** Never called: without authors every event is refused before its signature. */
function refuseAll(): boolean {
  return false;
}

function createOutgoing(
  config: Config,
  needs: AnnounceNeeds & { readonly relays: RelayPool; readonly signer: EventSigner },
  stack: AsyncDisposableStack,
): { readonly announcer: Announcer; readonly news: AnnouncementNews } | undefined {
  const { nostrAnnounce: announces, nostrKinds, nodeName, nostrConfirmations } = config;
  const [kind] = nostrKinds;
  if (announces === "off" || kind === undefined) return undefined;
  const { log: outbox, pins, records, relays, signer, metrics, logger } = needs;
  const shared = { outbox, clock: systemClock, logger, metrics };
  const walk = new PinWalk({ ...shared, pins: allPins(pins) });
  const confirmationsMin = Math.min(nostrConfirmations, relays.urls.length);
  if (confirmationsMin < nostrConfirmations)
    logger.warn("HOLDFAST_NOSTR_CONFIRMATIONS is more than there are relays: all of them are enough");
  const held = { held: (name: Parameters<Records["held"]>[0]) => records.held(name)?.record };
  const announcer = stack.use(
    new Announcer(
      { ...shared, walk, records: held, relays, signer, timers: systemClock, random: Math.random },
      { ...ANNOUNCER_POLICY, kind, source: nodeName, confirmationsMin },
    ),
  );
  const news = stack.use(new AnnouncementNews({ outbox, announcer, timers: systemClock, logger }));
  const take = (): void => news.take();
  const ends = [pins.onPinned(take), records.onStored(take)];
  stack.defer(() => {
    for (const end of ends) end();
  });
  return { announcer, news };
}
