import { type IpnsName, parseIpnsName } from "@holdfast/core";

/** A name as the client wrote it; updates use the same spelling. */
export interface SpelledName {
  readonly name: IpnsName;
  readonly spelling: string;
}

export type SubscriberMessage =
  | { readonly action: "subscribe"; readonly names: readonly SpelledName[]; readonly snapshot: boolean }
  | { readonly action: "unsubscribe"; readonly names: readonly SpelledName[] }
  | { readonly action: "ping" }
  | { readonly action: "malformed"; readonly problem: string };

const NAMES_PER_MESSAGE_MAX = 1_000;
const SPELLING_LENGTH_MAX = 128;

/** Reads what a subscriber says. Never throws; names that are not names are left out, and so are repetitions. */
export function readSubscriberMessage(data: Buffer, isBinary: boolean): SubscriberMessage {
  if (isBinary) return malformed("text frames only");
  let message: unknown;
  try {
    message = JSON.parse(data.toString("utf8"));
  } catch {
    return malformed("Invalid JSON");
  }
  if (typeof message !== "object" || message === null) return malformed("not an object");
  const { action, names, snapshot } = message as Readonly<Record<string, unknown>>;
  if (action === "ping") return { action };
  if (action !== "subscribe" && action !== "unsubscribe") return malformed("unknown action");
  if (!Array.isArray(names)) return malformed("names is not an array");
  if (names.length > NAMES_PER_MESSAGE_MAX)
    return malformed(`more than ${NAMES_PER_MESSAGE_MAX} names in a message`);
  const spelled = namesIn(names);
  return action === "subscribe"
    ? { action, names: spelled, snapshot: snapshot === true }
    : { action, names: spelled };
}

function namesIn(candidates: readonly unknown[]): SpelledName[] {
  const bySpelling = new Map<string, SpelledName>();
  for (const spelling of candidates) {
    if (typeof spelling !== "string" || spelling.length > SPELLING_LENGTH_MAX) continue;
    try {
      bySpelling.set(spelling, { name: parseIpnsName(spelling), spelling });
    } catch {
      // Not a name: it is left out of `subscribed`, which is how the client learns of it.
    }
  }
  return [...bySpelling.values()];
}

function malformed(problem: string): SubscriberMessage {
  return { action: "malformed", problem };
}
