import type { RelayReader } from "../../announce/relays.ts";
import type { Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { catchUp, type PageEvent, type PageRequest } from "./catch-up.ts";
import { HighWater } from "./high-water.ts";
import { prefixOf } from "./relay-frames.ts";
import type { RelaySession } from "./relay-session.ts";
import { type Subscription, SubscriptionEnded } from "./subscription.ts";

export interface FollowOptions {
  readonly relayUrl: string;
  /** The relay has said that it answers nobody whom it does not know. */
  readonly authenticateFirst: boolean;
  readonly pageEvents: number;
  /** Waits before the relay is asked again; shorter when the connection ends. */
  readonly pause: () => Promise<void>;
  readonly onCaughtUp: (isCaughtUp: boolean) => void;
  /** Told what the relay refuses. */
  readonly onProblem: (problem: string) => void;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** An event could not be taken; what the relay has is to be read again. */
class TakeFailed extends Error {
  override readonly name = "TakeFailed";

  constructor() {
    super("an event could not be taken");
  }
}

/**
 * Reads a relay as long as the session lasts: first the new events are subscribed to, without an instant, because they have the
 * one that their author chose; then everything is read that the relay had before. Settles after the session has ended.
 */
export async function followRelay(
  session: RelaySession,
  reader: RelayReader,
  options: FollowOptions,
): Promise<void> {
  const { timers, relayUrl, logger } = options;
  const highWater = new HighWater({
    timers,
    save: (createdAtS) => reader.saveHighWater(relayUrl, createdAtS),
    onSaveFailed: (err) => logger.warn({ err }, "how far the relay was read could not be saved"),
  });
  const reading = new Reading(session, reader, highWater, options);
  let mayAuthenticate = !options.authenticateFirst || !(await session.authenticate());
  while (!session.hasEnded) {
    const problem = await reading.untilRefused();
    options.onCaughtUp(false);
    if (session.hasEnded) break;
    logger.info({ problem }, "relay has to be asked again");
    if (prefixOf(problem) === "auth-required" && mayAuthenticate && (await session.authenticate())) {
      // Once: a relay that does not remember it is asked again after a pause.
      mayAuthenticate = false;
      continue;
    }
    mayAuthenticate = true;
    options.onProblem(problem);
    await options.pause();
  }
  await highWater.finish();
}

class Reading {
  readonly #session: RelaySession;
  readonly #reader: RelayReader;
  readonly #highWater: HighWater;
  readonly #options: FollowOptions;

  constructor(session: RelaySession, reader: RelayReader, highWater: HighWater, options: FollowOptions) {
    this.#session = session;
    this.#reader = reader;
    this.#highWater = highWater;
    this.#options = options;
  }

  /** Settles with the reason why the relay has to be asked again. */
  async untilRefused(): Promise<string> {
    const { filters } = this.#reader;
    this.#highWater.restart();
    const live = this.#subscribe(filters.map((filter) => ({ ...filter, limit: 1 })));
    try {
      await live.stored;
      await this.#readStored(live);
      if (live.hasFailed) throw new TakeFailed();
      await this.#highWater.complete();
      this.#options.onCaughtUp(true);
      return await Promise.race([live.closed, live.failed.then(() => new TakeFailed().message)]);
    } catch (err) {
      if (err instanceof SubscriptionEnded || err instanceof TakeFailed) return err.message;
      throw err;
    } finally {
      live.close();
    }
  }

  async #readStored(live: Subscription): Promise<void> {
    const { relayUrl, pageEvents, logger } = this.#options;
    const onGap = (createdAtS: number): void => {
      logger.warn({ createdAtS }, "relay has more events of one second than it gives");
    };
    const window = { sinceS: this.#reader.sinceS(relayUrl), limit: pageEvents };
    for (const filter of this.#reader.filters) {
      await catchUp(filter, window, (request) => this.#readPageInTheEnd(request, live), onGap);
    }
  }

  /**
   * A page that the relay does not give now is asked for again, instead of everything from the start: one that gives a few pages
   * at a time would never be read to its end.
   */
  async #readPageInTheEnd(request: PageRequest, live: Subscription): Promise<readonly PageEvent[]> {
    for (;;) {
      try {
        return await this.#readPage(request);
      } catch (err) {
        if (!(err instanceof SubscriptionEnded) || !isPassing(err.message)) throw err;
        this.#options.onProblem(err.message);
        await this.#options.pause();
        if (live.isOver || live.hasFailed) throw err;
      }
    }
  }

  async #readPage(request: PageRequest): Promise<readonly PageEvent[]> {
    const page = this.#subscribe([request]);
    try {
      await page.stored;
      if (page.hasFailed) throw new TakeFailed();
      return page.events;
    } finally {
      page.close();
    }
  }

  #subscribe(filters: Parameters<RelaySession["subscribe"]>[0]): Subscription {
    return this.#session.subscribe(filters, (event) => this.#highWater.track(this.#reader.take(event)));
  }
}

function isPassing(problem: string): boolean {
  const prefix = prefixOf(problem);
  return prefix === "rate-limited" || prefix === "error";
}
