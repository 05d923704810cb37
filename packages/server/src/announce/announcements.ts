import {
  type AnnouncedRecord,
  type CheckEvent,
  eventInvalid,
  expirationSOf,
  isHoldfastError,
  isPinAnnouncement,
  type NostrEvent,
  parseNostrEvent,
  parsePinAnnouncement,
  type PinAnnouncement,
  type VerifiedEvent,
  verifyNostrEvent,
} from "@holdfast/core";
import type { Clock } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { AnnouncedNames } from "./announced-names.ts";
import type { AnnouncementLog } from "./announcement-log.ts";
import type { AuthorPolicy } from "./author-policy.ts";
import type { AnnouncedRecords, PinRequests } from "./pin-requests.ts";
import type { TakenEvent } from "./relays.ts";

export interface AnnouncementsParts {
  readonly log: Pick<AnnouncementLog, "hasSettled" | "settle">;
  readonly policy: AuthorPolicy;
  readonly pins: PinRequests;
  readonly records: AnnouncedRecords;
  /** Names that were announced without a record. */
  readonly names: Pick<AnnouncedNames, "want">;
  readonly checkEvent: CheckEvent;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "announcements">;
}

export interface AnnouncementsOptions {
  /** Event kinds that can be announcements. */
  readonly kinds: readonly number[];
  /** Events of our own key are what we announced ourselves. */
  readonly ownPubkey: string | undefined;
}

/** What was made of an announcement. */
export interface AnnouncementResult {
  readonly id: string;
  readonly createdAtS: number;
  /** `known`: it was taken before, and nothing was done. */
  readonly outcome: "taken" | "known";
  readonly cids: readonly string[];
  readonly names: readonly string[];
  readonly records: readonly { readonly name: string; readonly outcome: "taken" | "refused" }[];
  readonly malformed: PinAnnouncement["malformed"];
}

/** Relays let authors be as much ahead of the clock. */
const FUTURE_S_MAX = 900;

/**
 * Which announcements do we trust, and what do they ask for. The one door for events from relays and over HTTP.
 *
 * An event has settled when everything that it asks for is durable; until then it can be taken again, which changes nothing.
 */
export class Announcements {
  readonly #parts: AnnouncementsParts;
  readonly #options: AnnouncementsOptions;
  readonly #underWay = new Map<string, Promise<AnnouncementResult>>();

  constructor(parts: AnnouncementsParts, options: AnnouncementsOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /**
   * Takes one event, as parsed from JSON. Settles when its pins and records are durable.
   *
   * @throws HoldfastError `EVENT_INVALID` (`details.reason`), `AUTHOR_REFUSED`, `RATE_LIMITED`; and, when it can be tried again,
   *   `OVERLOADED`, `STORE_FAILED`, `SHUTTING_DOWN`.
   */
  async submit(value: unknown): Promise<AnnouncementResult> {
    const { metrics } = this.#parts;
    metrics.announcements.eventsReceived++;
    try {
      const result = await this.#submit(value);
      metrics.announcements[result.outcome === "taken" ? "eventsTaken" : "eventsKnown"]++;
      return result;
    } catch (err) {
      metrics.announcements[isFinal(err) ? "eventsRefused" : "eventsFailed"]++;
      throw err;
    }
  }

  /** As {@link submit}, for an event that a relay sent. Never rejects. */
  async take(value: unknown): Promise<TakenEvent> {
    const { logger } = this.#parts;
    try {
      const { outcome, createdAtS } = await this.submit(value);
      return { outcome, createdAtS };
    } catch (err) {
      if (isFinal(err)) {
        logger.debug({ err }, "announcement refused");
        const earlyS = earlyInstantOf(err);
        return { outcome: earlyS === undefined ? "refused" : "early", createdAtS: earlyS };
      }
      logger.warn({ err }, "announcement could not be taken, it will be read again");
      return { outcome: "failed", createdAtS: undefined };
    }
  }

  async #submit(value: unknown): Promise<AnnouncementResult> {
    const event = parseNostrEvent(value);
    const known = this.#alreadyKnown(event);
    if (known !== undefined) return known;
    this.#assertWanted(event);
    const sibling = this.#underWay.get(event.id);
    if (sibling !== undefined) {
      // The same event from another relay. If that one was forged under this id, this one has its own chance.
      const result = await sibling.catch(() => undefined);
      if (result !== undefined) return { ...result, outcome: "known" };
    }
    const taking = this.#take(event);
    this.#underWay.set(event.id, taking);
    try {
      return await taking;
    } finally {
      if (this.#underWay.get(event.id) === taking) this.#underWay.delete(event.id);
    }
  }

  /** Ids are hashes: whatever else an event under a known id says, it is that event or a forged one. */
  #alreadyKnown(event: NostrEvent): AnnouncementResult | undefined {
    if (event.pubkey !== this.#options.ownPubkey && !this.#parts.log.hasSettled(event.id)) return undefined;
    const { id, createdAtS } = event;
    return { id, createdAtS, outcome: "known", cids: [], names: [], records: [], malformed: [] };
  }

  /** The checks that cost nothing come before the signature. */
  #assertWanted(event: NostrEvent): void {
    const nowMs = this.#parts.clock.nowMs();
    const nowS = Math.floor(nowMs / 1000);
    if (!this.#options.kinds.includes(event.kind) || !isPinAnnouncement(event))
      throw eventInvalid("NOT_AN_ANNOUNCEMENT", "is not a pin announcement");
    if ((expirationSOf(event) ?? Number.POSITIVE_INFINITY) <= nowS)
      throw eventInvalid("EXPIRED", "has expired");
    this.#parts.policy.assertMayAnnounce(event.pubkey, nowMs);
    // After the policy: relays are read again because of it, which is only worth it for those whose events are taken.
    const { createdAtS } = event;
    if (createdAtS > nowS + FUTURE_S_MAX) {
      const what = `was created more than ${FUTURE_S_MAX} s ahead of our clock`;
      throw eventInvalid("FROM_THE_FUTURE", what, { createdAtS });
    }
  }

  async #take(unverified: NostrEvent): Promise<AnnouncementResult> {
    const { metrics, logger, checkEvent } = this.#parts;
    const event = await verifyNostrEvent(unverified, checkEvent);
    const wishes = parsePinAnnouncement(event);
    if (wishes.malformed.length > 0) {
      metrics.announcements.valuesMalformed += wishes.malformed.length;
      const { malformed } = wishes;
      logger.debug({ event: event.id, author: event.pubkey, malformed }, "announcement has malformed values");
    }
    if (wishes.cids.length + wishes.names.length === 0)
      throw eventInvalid("EMPTY", "names nothing to be kept");
    const records = await this.#fulfil(event, wishes);
    metrics.announcements.cidsTaken += wishes.cids.length;
    return {
      id: event.id,
      createdAtS: event.createdAtS,
      outcome: "taken",
      cids: wishes.cids.map((cid) => cid.toString()),
      names: wishes.names.map((name) => name.text),
      records,
      malformed: wishes.malformed,
    };
  }

  /** Pins and records first, then the note that the event has settled: a crash between them only repeats them. */
  async #fulfil(event: VerifiedEvent, wishes: PinAnnouncement): Promise<AnnouncementResult["records"]> {
    const { log, policy, pins, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const author = event.pubkey;
    const newCids = wishes.cids.filter((cid) => !pins.isClaimedBy(cid, author));
    // Cumulative events repeat what they said before: only what is new uses up a quota. Each event is a row, so none is free.
    const newNames = wishes.names.filter((name) => !this.#parts.records.isHeld(name));
    const subjects = Math.max(1, newCids.length + newNames.length);
    using reserved = policy.reserve(author, subjects, nowMs);
    if (newCids.length > 0) await pins.add(newCids, { author, label: wishes.label, createdAtMs: nowMs });
    const records: AnnouncementResult["records"][number][] = [];
    for (const record of wishes.records) {
      records.push({ name: record.name.text, outcome: await this.#publish(record, event) });
    }
    this.#lookUpMissing(wishes);
    await log.settle({
      id: event.id,
      createdAtS: event.createdAtS,
      settledAtS: Math.floor(nowMs / 1000),
      cids: wishes.cids.length,
      names: wishes.names.length,
      charge: reserved === undefined ? undefined : { author, day: reserved.day, subjects },
    });
    return records;
  }

  /** The signature of the event says nothing about the name: its record is validated like any other. */
  async #publish({ name, bytes }: AnnouncedRecord, event: VerifiedEvent): Promise<"taken" | "refused"> {
    const { records, metrics, logger } = this.#parts;
    try {
      await records.publish(name, bytes);
      metrics.announcements.recordsTaken++;
      return "taken";
    } catch (err) {
      if (!isHoldfastError(err) || err.code !== "RECORD_INVALID") throw err;
      metrics.announcements.recordsRefused++;
      logger.debug({ err, event: event.id, name: name.text }, "announced record refused");
      return "refused";
    }
  }

  #lookUpMissing({ names, records }: PinAnnouncement): void {
    const announced = new Set(records.map(({ name }) => name.text));
    for (const name of names) {
      if (!announced.has(name.text) && !this.#parts.records.isHeld(name)) this.#parts.names.want(name);
    }
  }
}

/** The `created_at` of an event that is refused because it lies ahead of our clock. */
function earlyInstantOf(err: unknown): number | undefined {
  if (!isHoldfastError(err) || err.details["reason"] !== "FROM_THE_FUTURE") return undefined;
  return Number(err.details["createdAtS"]);
}

/** Whether trying again would change nothing. */
function isFinal(err: unknown): boolean {
  if (!isHoldfastError(err)) return false;
  return err.code !== "OVERLOADED" && err.code !== "STORE_FAILED" && err.code !== "SHUTTING_DOWN";
}
