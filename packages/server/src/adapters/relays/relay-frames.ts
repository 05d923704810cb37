/** What a relay sends. Everything else, whatever it is, is `other`. */
export type RelayFrame =
  | { readonly kind: "event"; readonly subscription: string; readonly event: unknown }
  | { readonly kind: "eose"; readonly subscription: string }
  | { readonly kind: "closed"; readonly subscription: string; readonly message: string }
  | { readonly kind: "ok"; readonly eventId: string; readonly isAccepted: boolean; readonly message: string }
  | { readonly kind: "auth"; readonly challenge: string }
  | { readonly kind: "notice"; readonly message: string }
  | { readonly kind: "other" };

const OTHER: RelayFrame = { kind: "other" };
const MESSAGE_LENGTH_MAX = 200;
/** It goes back in a signed event. */
const CHALLENGE_LENGTH_MAX = 1_024;

/**
 * Reads one frame. Never throws.
 *
 * @see https://github.com/nostr-protocol/nips/blob/master/01.md#from-relay-to-client-sending-events-and-notices
 */
export function parseRelayFrame(text: string): RelayFrame {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return OTHER;
  }
  if (!Array.isArray(frame)) return OTHER;
  const [type, first, second, third] = frame as unknown[];
  if (typeof first !== "string") return OTHER;
  switch (type) {
    case "EVENT":
      return { kind: "event", subscription: first, event: second };
    case "EOSE":
      return { kind: "eose", subscription: first };
    case "CLOSED":
      return { kind: "closed", subscription: first, message: shortened(second) };
    case "OK":
      return typeof second === "boolean"
        ? { kind: "ok", eventId: first, isAccepted: second, message: shortened(third) }
        : OTHER;
    case "AUTH":
      return first.length > CHALLENGE_LENGTH_MAX ? OTHER : { kind: "auth", challenge: first };
    case "NOTICE":
      return { kind: "notice", message: shortened(first) };
    default:
      return OTHER;
  }
}

/** The machine-readable word before the colon of an OK or CLOSED message. */
export function prefixOf(message: string): string {
  return /^([a-z-]+):/.exec(message)?.[1] ?? "";
}

function shortened(text: unknown): string {
  return typeof text === "string" ? text.slice(0, MESSAGE_LENGTH_MAX) : "";
}
