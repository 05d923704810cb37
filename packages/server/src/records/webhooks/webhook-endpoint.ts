import { recordUpdate } from "./record-update.ts";
import {
  type WebhookOptions,
  type WebhookParts,
  WebhookRefusedError,
  type WebhookStatus,
} from "./webhook.ts";
import type { WebhookDelivery } from "./webhook-queue.ts";
import { WebhookRefusals } from "./webhook-refusals.ts";

const WAITING_COUNTED_MAX = 10_000;
const ERROR_LENGTH_MAX = 200;

/**
 * One webhook. Tells it of each name that changed until it confirms, the names in the order of their changes and one name never
 * twice at a time. Each endpoint has its own pace: one that is dead costs the others nothing.
 */
export class WebhookEndpoint {
  readonly #url: string;
  readonly #parts: WebhookParts;
  readonly #options: WebhookOptions;
  readonly #abort = new AbortController();
  readonly #refusals: WebhookRefusals;
  #running: Promise<void> | undefined;
  #isWoken = false;
  #cancelPause: (() => void) | undefined;
  #cancelAlarm: (() => void) | undefined;
  #nextAttemptAtMs: number | undefined;
  /** Where in the queue it is. What failed is passed and tried again when the end was reached, so that nothing waits behind it. */
  #after = 0;
  #delivered = 0;
  #failed = 0;
  #failuresInARow = 0;
  #lastDeliveredAtMs: number | undefined;
  #lastError: string | undefined;

  constructor(url: string, parts: WebhookParts, options: WebhookOptions) {
    this.#url = url;
    this.#parts = parts;
    this.#options = options;
    this.#refusals = new WebhookRefusals(options);
  }

  /** Something may wait. Returns at once; while it pauses after a failure nothing is tried. */
  wake(): void {
    this.#isWoken = true;
    if (this.#running !== undefined || this.#cancelPause !== undefined || this.#abort.signal.aborted) return;
    this.#running = this.#deliverAll().finally(() => {
      this.#running = undefined;
      if (this.#isWoken) this.wake();
      else this.#setAlarm();
    });
  }

  status(): WebhookStatus {
    const { origin, pathname } = new URL(this.#url);
    const textOf = (ms: number | undefined): string | null =>
      ms === undefined ? null : new Date(ms).toISOString();
    return {
      url: origin + pathname,
      state:
        this.#cancelPause !== undefined ? "pausing" : this.#running !== undefined ? "delivering" : "idle",
      waiting: this.#parts.queue.waiting(this.#url, WAITING_COUNTED_MAX),
      delivered: this.#delivered,
      failed: this.#failed,
      failuresInARow: this.#failuresInARow,
      lastDeliveredAt: textOf(this.#lastDeliveredAtMs),
      lastError: this.#lastError ?? null,
      nextAttemptAt: textOf(this.#nextAttemptAtMs),
    };
  }

  /** Ends what is under way. What was not confirmed stays in the queue. */
  async close(): Promise<void> {
    this.#abort.abort(new Error("shutting down"));
    this.#cancelPause?.();
    this.#cancelAlarm?.();
    await this.#running;
  }

  async #deliverAll(): Promise<void> {
    try {
      while (!this.#abort.signal.aborted) {
        this.#isWoken = false;
        const batch = this.#nextBatch();
        if (batch === undefined) return;
        const isDone = await Promise.all(batch.map(async (delivery) => this.#deliver(delivery)));
        const done = batch.filter((_, index) => isDone[index]);
        await this.#parts.queue.remove(done);
        if (done.length === 0) return this.#pause();
        this.#failuresInARow = 0;
      }
    } catch (err) {
      // The store refused to be read or written: nothing is lost, what was delivered may be delivered again.
      this.#noteFailure(err);
      this.#pause();
    }
  }

  /** The next ones in the queue, from its beginning when its end was reached; undefined when there are none to try now. */
  #nextBatch(): readonly WebhookDelivery[] | undefined {
    const { queue, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const startedAfter = this.#after;
    let isSecondRound = false;
    for (;;) {
      const found = queue.next(this.#url, { after: this.#after, limit: this.#options.deliveriesMax });
      this.#after = found.at(-1)?.change ?? 0;
      const due = found.filter(({ change }) => !this.#refusals.isAtRest(change, nowMs));
      if (due.length > 0) return due;
      if (isSecondRound && (found.length === 0 || this.#after >= startedAfter)) return undefined;
      isSecondRound ||= found.length === 0;
    }
  }

  /** @returns whether the endpoint needs not be told any more. */
  async #deliver({ name, change }: WebhookDelivery): Promise<boolean> {
    const { store, post, clock, metrics } = this.#parts;
    try {
      const stored = store.get(name);
      if (stored === undefined || clock.nowMs() > stored.record.eolMs) {
        // Expired since: it is not given to anybody any more.
        metrics.webhooks.outdated++;
        return true;
      }
      const body = JSON.stringify({ ...recordUpdate(name.text, stored), change });
      await post(this.#url, body, { signal: this.#abort.signal });
    } catch (err) {
      if (err instanceof WebhookRefusedError) this.#refusals.note(change, clock.nowMs());
      this.#noteFailure(err);
      return false;
    }
    this.#refusals.forget(change);
    metrics.webhooks.delivered++;
    this.#delivered++;
    this.#lastDeliveredAtMs = clock.nowMs();
    return true;
  }

  #noteFailure(err: unknown): void {
    if (this.#abort.signal.aborted) return;
    const { metrics, logger } = this.#parts;
    metrics.webhooks.failed++;
    this.#failed++;
    this.#lastError = (err instanceof Error ? err.message : String(err)).slice(0, ERROR_LENGTH_MAX);
    logger.debug({ url: new URL(this.#url).origin, reason: this.#lastError }, "webhook not delivered");
  }

  /** For what is at rest. Anything new is delivered before. */
  #setAlarm(): void {
    const { clock, timers } = this.#parts;
    this.#cancelAlarm?.();
    const atMs = this.#refusals.nextAtMs(clock.nowMs());
    if (atMs === undefined || this.#cancelPause !== undefined || this.#abort.signal.aborted) return;
    this.#nextAttemptAtMs = atMs;
    this.#cancelAlarm = timers.after(atMs - clock.nowMs(), () => this.wake());
  }

  #pause(): void {
    if (this.#abort.signal.aborted) return;
    const { clock, timers, random, logger } = this.#parts;
    const { firstPauseMs, pauseMsMax } = this.#options;
    const pauseMs = Math.min(firstPauseMs * 2 ** this.#failuresInARow, pauseMsMax) * (0.5 + random() / 2);
    if (this.#failuresInARow === 0)
      logger.warn({ url: new URL(this.#url).origin, reason: this.#lastError }, "a webhook fails");
    this.#failuresInARow++;
    this.#nextAttemptAtMs = clock.nowMs() + pauseMs;
    this.#cancelPause = timers.after(pauseMs, () => {
      this.#cancelPause = undefined;
      this.#nextAttemptAtMs = undefined;
      this.wake();
    });
  }
}
