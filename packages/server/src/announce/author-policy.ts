import { HoldfastError } from "@holdfast/core";
import type { AnnouncementLog } from "./announcement-log.ts";

export interface AuthorRules {
  /** Public keys whose announcements are taken without quotas. */
  readonly listed: ReadonlySet<string>;
  /** Whether those of everybody else are taken, within quotas. */
  readonly isOpen: boolean;
  /** Never taken. */
  readonly denied: ReadonlySet<string>;
}

/** For authors that are not listed. A day is one of UTC. */
export interface AuthorQuotas {
  /** CIDs and names that are new under this key; one at least for each event. */
  readonly subjectsPerDay: number;
  /** Of the content that was pinned for the key: past it, further announcements are refused. */
  readonly bytesPerDay: number;
  /** Of all such authors together: keys cost nothing, so a quota for each alone would be none. */
  readonly subjectsPerDayOfAll: number;
}

/** A part of an author's quota that an event under way has taken. Disposing gives it back: what was charged, the log counts by then. */
export interface Reservation extends Disposable {
  readonly day: number;
}

const DAY_MS = 86_400_000;

/** Whose announcements are taken, and how many (R25). */
export class AuthorPolicy {
  readonly #rules: AuthorRules;
  readonly #quotas: AuthorQuotas;
  readonly #log: Pick<AnnouncementLog, "usageOf" | "subjectsOf">;
  /** Subjects of events under way, which the log does not count yet. */
  readonly #reserved = new Map<string, number>();
  #reservedOfAll = 0;

  constructor(
    log: Pick<AnnouncementLog, "usageOf" | "subjectsOf">,
    { rules, quotas }: { readonly rules: AuthorRules; readonly quotas: AuthorQuotas },
  ) {
    this.#log = log;
    this.#rules = rules;
    this.#quotas = quotas;
  }

  /**
   * Before anything is paid for an event: its author is one whose events are taken, and has not used up the day.
   *
   * @throws HoldfastError `AUTHOR_REFUSED`, `RATE_LIMITED`.
   */
  assertMayAnnounce(author: string, nowMs: number): void {
    const { listed, isOpen, denied } = this.#rules;
    if (denied.has(author) || !(listed.has(author) || isOpen))
      throw new HoldfastError("AUTHOR_REFUSED", "announcements of this author are not taken here");
    if (!this.hasQuota(author)) return;
    this.#assertRoom(author, 1, nowMs);
    const { bytes } = this.#log.usageOf(author, dayOf(nowMs));
    if (bytes >= this.#quotas.bytesPerDay) throw overQuota("bytes of this author", nowMs);
  }

  /**
   * Takes all of an event's new subjects out of the quotas, or nothing.
   *
   * @returns undefined for an author without quotas.
   * @throws HoldfastError `RATE_LIMITED`.
   */
  reserve(author: string, subjects: number, nowMs: number): Reservation | undefined {
    if (!this.hasQuota(author)) return undefined;
    this.#assertRoom(author, subjects, nowMs);
    this.#add(author, subjects);
    return { day: dayOf(nowMs), [Symbol.dispose]: () => this.#add(author, -subjects) };
  }

  /** Whether what is pinned for this author counts. */
  hasQuota(author: string): boolean {
    return !this.#rules.listed.has(author);
  }

  #assertRoom(author: string, subjects: number, nowMs: number): void {
    const day = dayOf(nowMs);
    const ofAuthor = this.#log.usageOf(author, day).subjects + (this.#reserved.get(author) ?? 0);
    if (ofAuthor + subjects > this.#quotas.subjectsPerDay) throw overQuota("pins of this author", nowMs);
    const ofAll = this.#log.subjectsOf(day) + this.#reservedOfAll;
    if (ofAll + subjects > this.#quotas.subjectsPerDayOfAll)
      throw overQuota("pins of unlisted authors", nowMs);
  }

  #add(author: string, subjects: number): void {
    const reserved = (this.#reserved.get(author) ?? 0) + subjects;
    if (reserved > 0) this.#reserved.set(author, reserved);
    else this.#reserved.delete(author);
    this.#reservedOfAll += subjects;
  }
}

/** Days since the Unix epoch. */
export function dayOf(nowMs: number): number {
  return Math.floor(nowMs / DAY_MS);
}

function overQuota(what: string, nowMs: number): HoldfastError {
  const retryAfterS = Math.ceil(((dayOf(nowMs) + 1) * DAY_MS - nowMs) / 1000);
  const details = { retryAfterS };
  return new HoldfastError("RATE_LIMITED", `too many ${what} today`, { details });
}
