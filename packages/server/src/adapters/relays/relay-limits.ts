import type { Clock, Timers } from "../../telemetry/clock.ts";
import { Deadline } from "../http-client/deadline.ts";
import { readBody } from "../http-client/read-body.ts";

/** What a relay says about itself (NIP-11), as far as it concerns us; undefined where it says nothing. */
export interface RelayLimits {
  /** Of one frame that we send, in bytes. */
  readonly messageBytesMax: number | undefined;
  /** Greatest `limit` of a filter. */
  readonly limitMax: number | undefined;
  readonly authRequired: boolean;
}

const DOCUMENT_BYTES_MAX = 64 * 1024;
const REQUEST_MS_MAX = 5_000;
const UNKNOWN: RelayLimits = { messageBytesMax: undefined, limitMax: undefined, authRequired: false };

/**
 * Asks a relay for its limits. One that does not tell has none that we know. Never rejects.
 *
 * @see https://github.com/nostr-protocol/nips/blob/master/11.md
 */
export async function fetchRelayLimits(
  relayUrl: string,
  { timers, signal }: { readonly timers: Clock & Timers; readonly signal: AbortSignal },
): Promise<RelayLimits> {
  using deadline = new Deadline(timers, { requestMsMax: REQUEST_MS_MAX, signal });
  try {
    const response = await deadline.orExpired(
      fetch(relayUrl.replace(/^ws/, "http"), {
        headers: { Accept: "application/nostr+json" },
        redirect: "error",
        signal: deadline.signal,
      }),
    );
    const body = await readBody(response.body?.getReader(), DOCUMENT_BYTES_MAX, deadline);
    return response.ok ? parseRelayLimits(new TextDecoder().decode(body)) : UNKNOWN;
  } catch {
    // It is optional, and a relay that is away shows when we connect.
    return UNKNOWN;
  }
}

/** Anything that is not such a document says nothing. */
export function parseRelayLimits(text: string): RelayLimits {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return UNKNOWN;
  }
  const limitation: unknown =
    typeof document === "object" && document !== null && "limitation" in document && document.limitation;
  if (typeof limitation !== "object" || limitation === null) return UNKNOWN;
  const fields: Readonly<Record<string, unknown>> = { ...limitation };
  return {
    messageBytesMax: positive(fields["max_message_length"]),
    limitMax: positive(fields["max_limit"]),
    authRequired: fields["auth_required"] === true,
  };
}

function positive(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
