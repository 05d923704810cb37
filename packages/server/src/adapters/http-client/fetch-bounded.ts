import type { Timers } from "../../telemetry/clock.ts";
import { Deadline } from "./deadline.ts";
import { readBody, tooLarge } from "./read-body.ts";

export interface BoundedRequest {
  readonly url: string;
  readonly method?: "GET" | "PUT";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** From the request to the last byte of the answer: a drip must end. */
  readonly requestMsMax: number;
  /** Without a byte for so long it is given up. */
  readonly idleMsMax: number;
  readonly bytesMax: number;
  readonly signal: AbortSignal;
}

export interface BoundedAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Read for a status of 2xx only. */
  readonly bytes: Uint8Array;
}

/**
 * One request to a server that we do not trust, within bounds of time and bytes. Redirects are not followed: whom we ask is the
 * operator's choice, not the server's.
 *
 * @throws DeadlineError when it takes too long; Error when the body is too large or the connection fails; the signal's reason.
 */
export async function fetchBounded(
  { clock, fetch }: { readonly clock: Timers; readonly fetch: typeof globalThis.fetch },
  request: BoundedRequest,
): Promise<BoundedAnswer> {
  const { url, method = "GET", headers, body, bytesMax } = request;
  using deadline = new Deadline(clock, request);
  const response = await deadline.orExpired(
    fetch(url, {
      method,
      // Unpacking could make much of little.
      headers: { ...headers, "Accept-Encoding": "identity" },
      redirect: "manual",
      signal: deadline.signal,
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    }),
  );
  const reader = response.body?.getReader();
  try {
    const { status } = response;
    if (!response.ok) return { status, headers: response.headers, bytes: new Uint8Array() };
    if (Number(response.headers.get("content-length")) > bytesMax) throw tooLarge(bytesMax);
    return { status, headers: response.headers, bytes: await readBody(reader, bytesMax, deadline) };
  } finally {
    // Closes the connection unless the body has come to its end.
    reader?.cancel().catch(() => {});
  }
}

/** How long the server asked to be left alone; 0 when it did not. The form with a date is rare and not worth its parsing. */
export function retryAfterMsOf(headers: Headers): number {
  const text = headers.get("retry-after") ?? "";
  return /^\d{1,6}$/.test(text) ? Number(text) * 1000 : 0;
}
