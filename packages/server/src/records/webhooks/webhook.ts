import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { RecordStore } from "../record-store.ts";
import type { WebhookQueue } from "./webhook-queue.ts";
import type { RefusalOptions } from "./webhook-refusals.ts";

/** The endpoint works and does not want this delivery: it says that the request is wrong. */
export class WebhookRefusedError extends Error {
  override readonly name = "WebhookRefusedError";
}

/**
 * Posts a body to an endpoint, once.
 *
 * @throws WebhookRefusedError; any other Error when it was not confirmed for another reason, which its message tells.
 */
export type PostWebhook = (
  url: string,
  body: string,
  options: { readonly signal: AbortSignal },
) => Promise<void>;

export interface WebhookOptions extends RefusalOptions {
  /** Deliveries to one endpoint at the same time, of different names. */
  readonly deliveriesMax: number;
  /** After nothing could be delivered; doubled with each further time, up to the largest. */
  readonly firstPauseMs: number;
  readonly pauseMsMax: number;
}

export interface WebhookParts {
  readonly queue: WebhookQueue;
  readonly post: PostWebhook;
  /** Where the queue is: what is in memory may be older than what was just queued. */
  readonly store: Pick<RecordStore, "get">;
  readonly clock: Clock;
  readonly timers: Timers;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What the operator sees. Counters are since the start of the process. */
export interface WebhookStatus {
  /** Without its query, which may have a secret. */
  readonly url: string;
  readonly state: "idle" | "delivering" | "pausing";
  /** Names that wait; counted up to 10,000. */
  readonly waiting: number;
  readonly delivered: number;
  readonly failed: number;
  readonly failuresInARow: number;
  readonly lastDeliveredAt: string | null;
  readonly lastError: string | null;
  readonly nextAttemptAt: string | null;
}
