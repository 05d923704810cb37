import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { EventSigner, EventTemplate, NostrEvent } from "@holdfast/core";
import { onTestFinished } from "vitest";
import { SignatureVerifier } from "../../src/adapters/crypto/signature-verifier.ts";
import type { RelayConnectionOptions } from "../../src/adapters/relays/relay-connection.ts";
import { RelayPool } from "../../src/adapters/relays/relay-pool.ts";
import type { SqliteAnnouncements } from "../../src/adapters/sqlite/announcements/announcements.ts";
import { SqliteRecordStore } from "../../src/adapters/sqlite/record-store.ts";
import { AnnouncedNames } from "../../src/announce/announced-names.ts";
import { AnnouncementReader } from "../../src/announce/announcement-reader.ts";
import { Announcements } from "../../src/announce/announcements.ts";
import { Announcer, type AnnouncerOptions } from "../../src/announce/announcer.ts";
import { AuthorPolicy, type AuthorQuotas, type AuthorRules } from "../../src/announce/author-policy.ts";
import { PinWalk } from "../../src/announce/pin-walk.ts";
import { allPins, announcedRecords, pinRequests } from "../../src/announce-ports.ts";
import { Pins, type PinsOptions } from "../../src/pins/pins.ts";
import { ANNOUNCER_POLICY, RELAY_POLICY } from "../../src/policies.ts";
import type { Records } from "../../src/records/records.ts";
import { type Clock, systemClock, type Timers } from "../../src/telemetry/clock.ts";
import { createLogger, type Logger } from "../../src/telemetry/logger.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { PINS_OPTIONS } from "./create-pins.ts";
import { createRecords } from "./create-records.ts";
import { MEMORY_FOLDER } from "./memory-folder.ts";
import { authorOf } from "./nostr-authors.ts";
import { ScriptedPinner } from "./scripted-pinner.ts";

export interface StartAnnounceOptions {
  readonly relayUrls?: readonly string[];
  readonly rules?: Partial<AuthorRules>;
  readonly quotas?: Partial<AuthorQuotas>;
  readonly relay?: Partial<RelayConnectionOptions>;
  readonly announcer?: Partial<AnnouncerOptions>;
  /** Of an earlier start. Default: a new one. */
  readonly dataDir?: string;
  /** What the wall clock says to the room; relays have their own. */
  readonly clock?: Clock;
  /** What relays measure time with. Default: the system's. */
  readonly relayTimers?: Clock & Timers;
  readonly logger?: Logger;
  readonly kinds?: readonly number[];
  readonly pins?: Partial<PinsOptions>;
  /** Whose node it is. */
  readonly own?: EventSigner;
}

export interface TestAnnounce {
  readonly announcements: Announcements;
  readonly announcer: Announcer;
  readonly log: SqliteAnnouncements;
  readonly pins: Pins;
  readonly pinner: ScriptedPinner;
  readonly records: Records;
  readonly metrics: Metrics;
  readonly relays: RelayPool;
  readonly dataDir: string;
  readonly own: EventSigner;
  /** Roots that somebody asked for, as text. */
  wished(): string[];
  stop(): Promise<void>;
}

export const AUTHOR = authorOf(7);
export const STRANGER = authorOf(8);

/** Fast enough for tests; sizes, rates and the patience with an answer are the real ones. */
const RELAY_OPTIONS: RelayConnectionOptions = {
  ...RELAY_POLICY,
  reconnectMs: { first: 20, max: 200 },
  askAgainMs: 50,
  pageEventsMax: 100,
};

/** The room of announcements between real relays and real rooms; only the backend that pins is scripted. */
export async function startAnnounce(options: StartAnnounceOptions = {}): Promise<TestAnnounce> {
  const dataDir = options.dataDir ?? (await temporaryFolder());
  const logger = options.logger ?? createLogger("error");
  const stack = new AsyncDisposableStack();
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= stack.disposeAsync());
  onTestFinished(stop);
  const clock = options.clock ?? systemClock;
  const own = options.own ?? authorOf(3);
  const store = stack.use(await SqliteRecordStore.open({ logger }, { dataDir }));
  const metrics = new Metrics();
  const pinner = new ScriptedPinner();
  const shared: Shared = { clock, timers: systemClock, random: Math.random, logger, metrics, stack, own };
  const pins = stack.use(
    new Pins({ ...shared, store: store.pins, pinner }, { ...PINS_OPTIONS, ...options.pins }),
  );
  const { records } = createRecords([], { parts: { store, clock: systemClock } });
  stack.defer(() => records.close());
  const rooms = { ...shared, log: store.announcements, pins, records };
  const { announcements, reader } = createIncoming(rooms, options);
  const relays = new RelayPool(
    { signer: own, timers: options.relayTimers ?? systemClock, random: Math.random, logger },
    { ...RELAY_OPTIONS, ...options.relay, urls: options.relayUrls ?? [] },
  );
  const announcer = createOutgoing({ ...rooms, relays }, options);
  stack.use(relays);
  relays.start(reader, () => {
    announcer.resume();
  });
  const wished = (): string[] => pins.list({ limit: 100_000 }).pins.map(({ root }) => root.toString());
  const log = store.announcements;
  return {
    announcements,
    announcer,
    log,
    pins,
    pinner,
    records,
    metrics,
    relays,
    dataDir,
    own,
    wished,
    stop,
  };
}

interface Shared {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly stack: AsyncDisposableStack;
  readonly own: EventSigner;
}

interface Rooms extends Shared {
  readonly log: SqliteAnnouncements;
  readonly pins: Pins;
  readonly records: Records;
}

function createIncoming(
  rooms: Rooms,
  options: StartAnnounceOptions,
): { announcements: Announcements; reader: AnnouncementReader } {
  const { log, logger, metrics, clock, stack, own } = rooms;
  const { relayUrls = [], kinds = [30_078, 78] } = options;
  const listed = new Set([AUTHOR.pubkey]);
  const rules: AuthorRules = { listed, isOpen: false, denied: new Set(), ...options.rules };
  const quotas = {
    subjectsPerDay: 1_000,
    subjectsPerDayOfAll: 10_000,
    bytesPerDay: 2 ** 30,
    ...options.quotas,
  };
  const verifier = stack.use(SignatureVerifier.start({ logger, metrics }));
  const ports = { pins: pinRequests(rooms.pins), records: announcedRecords(rooms.records) };
  const names = stack.use(new AnnouncedNames({ ...ports, logger }, { lookUpsMax: 4, waitingMax: 100 }));
  const policy = new AuthorPolicy(log, { rules, quotas });
  const announcements = new Announcements(
    { ...rooms, ...ports, policy, names, checkEvent: verifier.checkEvent },
    { kinds, ownPubkey: own.pubkey },
  );
  const reader = new AnnouncementReader({ announcements, log, clock, logger }, { kinds, rules, relayUrls });
  return { announcements, reader };
}

function createOutgoing(
  rooms: Rooms & { readonly relays: RelayPool },
  options: StartAnnounceOptions,
): Announcer {
  const { log: outbox, pins, records, own: signer, stack } = rooms;
  const walk = new PinWalk({ ...rooms, outbox, pins: allPins(pins) });
  const held = { held: (name: Parameters<Records["held"]>[0]) => records.held(name)?.record };
  return stack.use(
    new Announcer(
      { ...rooms, outbox, signer, walk, records: held },
      {
        ...ANNOUNCER_POLICY,
        retryMs: { first: 50, max: 200 },
        kind: 30_078,
        source: "test-node",
        confirmationsMin: 1,
        ...options.announcer,
      },
    ),
  );
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(MEMORY_FOLDER, "holdfast-announce-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export const nowS = (): number => Math.floor(Date.now() / 1000);

/** An announcement as the reference system makes it, unless said otherwise. */
export function announcementOf(
  cids: readonly string[],
  facts: {
    readonly by?: EventSigner;
    readonly createdAtS?: number;
    readonly d?: string;
    readonly kind?: number;
    readonly content?: string;
    readonly tags?: EventTemplate["tags"];
  } = {},
): NostrEvent {
  const {
    by = AUTHOR,
    createdAtS = nowS(),
    d = "ipfs-pin",
    kind = 30_078,
    content = "{}",
    tags = [],
  } = facts;
  return by.sign({
    kind,
    createdAtS,
    tags: [["d", d], ...cids.map((cid) => ["cid", cid]), ...tags],
    content,
  });
}

/** One event for one CID, with a `d` of its own. */
export function uniqueAnnouncementOf(
  cid: string,
  facts: Omit<NonNullable<Parameters<typeof announcementOf>[1]>, "d" | "tags"> = {},
): NostrEvent {
  return announcementOf([cid], { ...facts, d: `ipfs-pin:${cid}`, tags: [["t", "ipfs-pin"]] });
}
