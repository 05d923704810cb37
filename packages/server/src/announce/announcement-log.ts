/** What an author took of a day. */
export interface AuthorUsage {
  /** CIDs, records and names that nobody had asked for under this key before. */
  readonly subjects: number;
  /** Of content that was pinned for the author. */
  readonly bytes: number;
}

/** An event whose wishes are durable. */
export interface SettledEvent {
  readonly id: string;
  readonly createdAtS: number;
  readonly settledAtS: number;
  readonly cids: number;
  readonly names: number;
  /** Counted for an author with quotas. */
  readonly charge: { readonly author: string; readonly day: number; readonly subjects: number } | undefined;
}

/**
 * Which events were taken, how far each relay was read, and what authors used. Writes settle when they have reached the disk;
 * they throw as every write does (`OVERLOADED`, `STORE_FAILED`, `SHUTTING_DOWN`).
 */
export interface AnnouncementLog {
  hasSettled(eventId: string): boolean;
  /** One commit: from now on the event has settled, and is counted. */
  settle(event: SettledEvent): Promise<void>;

  /** @param day days since the Unix epoch. */
  usageOf(author: string, day: number): AuthorUsage;
  /** Subjects of all authors with quotas. */
  subjectsOf(day: number): number;
  chargeBytes(author: string, day: number, bytes: number): Promise<void>;

  /**
   * Up to which `created_at` a relay was read. Belongs to the scope too, what it was asked for: for a new author or kind it has
   * to be read from the start.
   */
  highWaterS(relayUrl: string, scope: string): number | undefined;
  saveHighWater(relayUrl: string, scope: string, createdAtS: number): Promise<void>;

  /** Forgets events that settled before one instant and were created before another, and days before this one. */
  forgetEvents(before: {
    readonly settledBeforeS: number;
    readonly createdBeforeS: number;
    readonly day: number;
  }): Promise<void>;

  /** CIDs and names that settled events asked for, since the database exists. */
  totals(): { readonly cids: number; readonly names: number };
}
