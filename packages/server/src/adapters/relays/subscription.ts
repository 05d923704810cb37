import type { TakenEvent } from "../../announce/relays.ts";
import type { Timers } from "../../telemetry/clock.ts";
import type { PageEvent } from "./catch-up.ts";

export interface SubscriptionParts {
  readonly take: (event: unknown) => Promise<TakenEvent>;
  readonly timers: Timers;
  /** Without a sign of it for so long, before all that was stored has come, it is given up. */
  readonly stallMsMax: number;
  /** A relay that sends more before it says that this was all is not asked any further. */
  readonly storedEventsMax: number;
  /** Called once. @param hasEnded the relay knows already that it is over. */
  readonly onClose: (hasEnded: boolean) => void;
}

/** The relay does not send these events. The message is the relay's. */
export class SubscriptionEnded extends Error {
  override readonly name = "SubscriptionEnded";
}

/** What a relay sends for one REQ. */
export class Subscription {
  /**
   * Settles when everything that the relay had was sent and handled. Rejects with SubscriptionEnded when it ends before.
   */
  readonly stored: Promise<void>;
  /** Settles with the relay's message when it sends no more, or the connection ends. */
  readonly closed: Promise<string>;
  /** Settles when one of its events could not be taken: what the relay has must be read again. */
  readonly failed: Promise<void>;
  /** What was sent before `stored` settled. */
  readonly events: PageEvent[] = [];
  readonly #parts: SubscriptionParts;
  readonly #stored = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<string>();
  readonly #failed = Promise.withResolvers<void>();
  readonly #underWay = new Set<Promise<unknown>>();
  #isStored = false;
  #isOver = false;
  #hasFailed = false;
  #cancelStall: () => void;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    this.stored = this.#stored.promise;
    this.closed = this.#closed.promise;
    this.failed = this.#failed.promise;
    // Those who wait hear of it; often nobody does.
    this.stored.catch(() => undefined);
    this.#cancelStall = this.#startStall();
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** The relay sends no more, or we have read enough. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Never rejects. */
  take(event: unknown): Promise<unknown> {
    if (!this.#isStored) {
      this.#notePageEvent(event);
      this.#cancelStall();
      this.#cancelStall = this.#startStall();
    }
    const taking = this.#parts.take(event).then(({ outcome }) => {
      this.#underWay.delete(taking);
      if (outcome !== "failed") return;
      this.#hasFailed = true;
      this.#failed.resolve();
    });
    this.#underWay.add(taking);
    return taking;
  }

  noteStoredSent(): void {
    if (this.#isStored) return;
    this.#isStored = true;
    this.#cancelStall();
    void Promise.all(this.#underWay).then(() => this.#stored.resolve());
  }

  /** The relay has ended it. */
  end(message: string): void {
    this.#finish(message, true);
  }

  /** We have read enough. */
  close(): void {
    this.#finish("closed", false);
  }

  #finish(message: string, hasEnded: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelStall();
    this.#stored.reject(new SubscriptionEnded(message));
    this.#closed.resolve(message);
    this.#parts.onClose(hasEnded);
  }

  #startStall(): () => void {
    return this.#parts.timers.after(this.#parts.stallMsMax, () => this.end("error: the relay is silent"));
  }

  #notePageEvent(event: unknown): void {
    if (typeof event !== "object" || event === null || !("id" in event) || !("created_at" in event)) return;
    if (this.events.length >= this.#parts.storedEventsMax) this.end("error: more events than were asked for");
    const { id, created_at: createdAtS } = event;
    if (typeof id === "string" && id.length === 64 && Number.isSafeInteger(createdAtS))
      this.events.push({ id, createdAtS: Number(createdAtS) });
  }
}
