import type { NostrEvent } from "@holdfast/core";

/** A filter of NIP-01, without what a relay is asked for beside it (`since`, `until`, `limit`). */
export interface EventFilter {
  readonly kinds: readonly number[];
  readonly authors?: readonly string[];
  readonly "#d"?: readonly string[];
  readonly "#t"?: readonly string[];
}

/** What became of an event that a relay sent. */
export interface TakenEvent {
  /**
   * `taken`: everything it asks for is durable now. `known`: it was taken before. `refused`: nobody has to see it again.
   * `failed`: it could not be taken now, and has to be read again. `early`: it is from the future, unless our clock is behind: it
   * has to be read when a reading comes to it once more.
   */
  readonly outcome: "taken" | "known" | "refused" | "failed" | "early";
  /** Of an event that was taken, now or before, or is early. */
  readonly createdAtS: number | undefined;
}

/** Who reads what relays have. */
export interface RelayReader {
  /** Any of them. */
  readonly filters: readonly EventFilter[];
  /** Takes one event as it was parsed from the frame. Never rejects. */
  take(value: unknown): Promise<TakenEvent>;
  /** From which instant on everything has to be read from this relay. */
  sinceS(relayUrl: string): number;
  /** Notes that everything up to this `created_at` was read from the relay and is durable. */
  saveHighWater(relayUrl: string, createdAtS: number): Promise<void>;
}

/**
 * What a relay said to a published event. `confirmed`: it has it, or a newer one in its place. `refused`: it never takes it.
 * `later`: it does not take it now. `unknown`: it is not there, or said nothing in time.
 */
export interface PublishAnswer {
  readonly outcome: "confirmed" | "refused" | "later" | "unknown";
  /** As the relay wrote it, shortened. */
  readonly message: string;
}

export interface RelayStatus {
  readonly url: string;
  readonly isConnected: boolean;
  /** Since when it is as it is. */
  readonly sinceMs: number;
  /** Everything that the relay had when we came is read, and new events arrive. */
  readonly isCaughtUp: boolean;
  readonly lastEventAtMs: number | undefined;
  /** Why it is not connected, or what it refuses; for people. */
  readonly problem: string | undefined;
  readonly connects: number;
  readonly events: number;
  /** Frames that were dropped unread because they are too large, or are not what a relay sends. */
  readonly framesDropped: number;
}

/** The relays that the configuration names. They are connected again for ever. */
export interface Relays extends AsyncDisposable {
  readonly urls: readonly string[];
  readonly hasConnection: boolean;
  /** Connects. Without a reader nothing is read. `onConnected` is called each time when a relay is there. */
  start(reader: RelayReader | undefined, onConnected: () => void): void;
  /**
   * Gives an event to one relay and waits for its OK with the id of the event (R30). Never rejects.
   */
  publish(relayUrl: string, event: NostrEvent): Promise<PublishAnswer>;
  status(): readonly RelayStatus[];
}
