import { ANNOUNCEMENT_TAG } from "@holdfast/core";
import type { Clock } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { AnnouncementLog } from "./announcement-log.ts";
import type { Announcements } from "./announcements.ts";
import { type AuthorRules, dayOf } from "./author-policy.ts";
import type { EventFilter, RelayReader, TakenEvent } from "./relays.ts";

export interface AnnouncementReaderParts {
  readonly announcements: Pick<Announcements, "take">;
  readonly log: Pick<AnnouncementLog, "highWaterS" | "saveHighWater" | "forgetEvents">;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface AnnouncementReaderOptions {
  readonly kinds: readonly number[];
  readonly rules: AuthorRules;
  readonly relayUrls: readonly string[];
}

/** `created_at` is chosen by the author and events arrive in another order: so much is read again (R29). */
const OVERLAP_S = 600;
const REMEMBER_S = 7 * 86_400;
/** Relays take a list of authors up to some length; a longer one is applied here only. */
const FILTER_AUTHORS_MAX = 100;

/** What is read from relays, and from when on. */
export class AnnouncementReader implements RelayReader {
  readonly filters: readonly EventFilter[];
  readonly #parts: AnnouncementReaderParts;
  readonly #relayUrls: readonly string[];
  /** What the cursors belong to. */
  readonly #scope: string;

  constructor(parts: AnnouncementReaderParts, { kinds, rules, relayUrls }: AnnouncementReaderOptions) {
    this.#parts = parts;
    this.#relayUrls = relayUrls;
    const listed = [...rules.listed].filter((author) => !rules.denied.has(author)).sort();
    const authors = rules.isOpen || listed.length > FILTER_AUTHORS_MAX ? {} : { authors: listed };
    // Legacy announcements have the fixed `d`, those with a `d` of their own have the `t`.
    this.filters = [
      { kinds, ...authors, "#d": [ANNOUNCEMENT_TAG] },
      { kinds, ...authors, "#t": [ANNOUNCEMENT_TAG] },
    ];
    this.#scope = JSON.stringify({
      kinds,
      listed,
      ...(rules.isOpen ? { denied: [...rules.denied].sort() } : {}),
    });
  }

  take(value: unknown): Promise<TakenEvent> {
    return this.#parts.announcements.take(value);
  }

  sinceS(relayUrl: string): number {
    return Math.max(0, (this.#parts.log.highWaterS(relayUrl, this.#scope) ?? 0) - OVERLAP_S);
  }

  /** Never moves back, and never past our own clock: an event from the future must not hide those that come before it. */
  async saveHighWater(relayUrl: string, createdAtS: number): Promise<void> {
    const { log, clock } = this.#parts;
    const highWaterS = Math.min(createdAtS, Math.floor(clock.nowMs() / 1000));
    if (highWaterS > (log.highWaterS(relayUrl, this.#scope) ?? 0))
      await log.saveHighWater(relayUrl, this.#scope, highWaterS);
  }

  /**
   * Forgets events and what authors used, when they are old. Events that a relay could send again, because it is read from before
   * them, are remembered longer.
   */
  async forgetOld(): Promise<void> {
    const { log, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const readFromS = this.#relayUrls.map((url) => this.sinceS(url));
    await log.forgetEvents({
      settledBeforeS: Math.floor(nowMs / 1000) - REMEMBER_S,
      createdBeforeS: Math.min(...readFromS),
      day: dayOf(nowMs) - 1,
    });
  }
}
