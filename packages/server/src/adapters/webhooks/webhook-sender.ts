import { createHmac } from "node:crypto";
import { type PostWebhook, WebhookRefusedError } from "../../records/webhooks/webhook.ts";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import { Deadline } from "../http-client/deadline.ts";
import { readBody } from "../http-client/read-body.ts";

export interface WebhookSenderOptions {
  readonly secret: string;
  readonly userAgent: string;
  readonly requestMsMax?: number;
}

const REQUEST_MS_MAX = 10_000;
/** So much of an answer is read to keep the connection; its status says all. */
const ANSWER_BYTES_MAX = 4_096;

/** Request timeout, too early, too many requests: nothing is wrong with the delivery. */
const NOT_NOW_STATUS: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Posts JSON, signed: `X-Holdfast-Signature: sha256={hex}` is the HMAC-SHA256 of `{X-Holdfast-Timestamp}.{body}` with the
 * secret. Only a 2xx counts. Redirects are not followed: whom we tell is the operator's choice.
 */
export function createWebhookSender(clock: Clock & Timers, options: WebhookSenderOptions): PostWebhook {
  const { secret, userAgent, requestMsMax = REQUEST_MS_MAX } = options;
  return async (url, body, { signal }) => {
    const timestamp = String(Math.floor(clock.nowMs() / 1000));
    using deadline = new Deadline(clock, { requestMsMax, signal });
    const response = await deadline
      .orExpired(
        fetch(url, {
          method: "POST",
          headers: {
            "Content-Type": "application/json",
            // Unpacking could make much of little.
            "Accept-Encoding": "identity",
            "User-Agent": userAgent,
            "X-Holdfast-Timestamp": timestamp,
            "X-Holdfast-Signature": `sha256=${signatureOf(secret, timestamp, body)}`,
          },
          body,
          redirect: "manual",
          signal: deadline.signal,
        }),
      )
      .catch((err: unknown) => {
        throw explained(err);
      });
    const reader = response.body?.getReader();
    // However the body goes on, the status has said whether it was taken.
    await readBody(reader, ANSWER_BYTES_MAX, deadline).catch(() => reader?.cancel().catch(() => {}));
    const { ok, status } = response;
    if (ok) return;
    const isRefusal = status >= 400 && status < 500 && !NOT_NOW_STATUS.has(status);
    throw isRefusal ? new WebhookRefusedError(`HTTP ${status}`) : new Error(`HTTP ${status}`);
  };
}

function signatureOf(secret: string, timestamp: string, body: string): string {
  return createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
}

/** The platform says `fetch failed` and puts the reason behind it. */
function explained(err: unknown): Error {
  if (!(err instanceof Error)) return new Error(String(err));
  return err.cause instanceof Error ? new Error(`${err.message}: ${err.cause.message}`, { cause: err }) : err;
}
