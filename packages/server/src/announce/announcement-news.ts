import type { CID } from "multiformats/cid";
import type { Timers } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { AnnouncementOutbox, NewsItem } from "./announcement-outbox.ts";
import type { Announcer } from "./announcer.ts";

export interface AnnouncementNewsParts {
  readonly outbox: Pick<AnnouncementOutbox, "news" | "forgetNews">;
  readonly announcer: Pick<Announcer, "announceCids" | "announceName">;
  readonly timers: Timers;
  readonly logger: Logger;
}

const ITEMS_AT_ONCE = 100;
const FAILURE_PAUSE_MS = 5_000;

/**
 * Takes what the store noted as new to the announcer. It is forgotten here only when it is durable there: a crash in between
 * queues it twice, which replaces the same event.
 */
export class AnnouncementNews implements AsyncDisposable {
  readonly #parts: AnnouncementNewsParts;
  #running: Promise<void> | undefined;
  #isTaking = false;
  #hasMore = false;
  #isClosing = false;
  #cancelTimer: () => void = () => undefined;

  constructor(parts: AnnouncementNewsParts) {
    this.#parts = parts;
  }

  /** To be called when something may have been noted, and at the start for what an earlier run left. */
  take(): void {
    this.#hasMore = true;
    if (this.#isClosing || this.#isTaking) return;
    this.#isTaking = true;
    this.#running = this.#takeAll();
  }

  /** What is not taken yet waits for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    this.#cancelTimer();
    await this.#running;
  }

  async #takeAll(): Promise<void> {
    const { outbox, timers, logger } = this.#parts;
    this.#cancelTimer();
    try {
      while (this.#hasMore && !this.#isClosing) {
        this.#hasMore = false;
        const items = outbox.news(ITEMS_AT_ONCE);
        const last = items.at(-1);
        if (last === undefined) continue;
        await this.#announce(items);
        await outbox.forgetNews(last.id);
        this.#hasMore = true;
      }
    } catch (err) {
      logger.error({ err }, "something new could not be queued to be announced; it is tried again");
      this.#cancelTimer = timers.after(FAILURE_PAUSE_MS, () => this.take());
    } finally {
      this.#isTaking = false;
    }
  }

  async #announce(items: readonly NewsItem[]): Promise<void> {
    const { announcer } = this.#parts;
    const roots: CID[] = [];
    for (const { news } of items) {
      if (news === undefined) continue;
      if ("root" in news) roots.push(news.root);
      else await announcer.announceName(news.name);
    }
    await announcer.announceCids(roots);
  }
}
