import { type IpnsName, parseIpnsName } from "@holdfast/core";

/** A name as the client wrote it; updates use the same spelling. */
export interface SpelledName {
  readonly name: IpnsName;
  readonly spelling: string;
}

export interface WantedName extends SpelledName {
  /** The client has the record with this sequence and wants what is newer; undefined when it says nothing about that. */
  readonly since: bigint | undefined;
}

export type SubscriberMessage =
  | { readonly action: "subscribe"; readonly names: readonly WantedName[]; readonly snapshot: boolean }
  | { readonly action: "unsubscribe"; readonly names: readonly SpelledName[] }
  | { readonly action: "ping" }
  | { readonly action: "malformed"; readonly problem: string };

const NAMES_PER_MESSAGE_MAX = 1_000;
const SPELLING_LENGTH_MAX = 128;

/** Less than any sequence: whatever is held is newer. */
const HAS_NOTHING = -1n;

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
  const { action, names, snapshot, since } = message as Readonly<Record<string, unknown>>;
  if (action === "ping") return { action };
  if (action !== "subscribe" && action !== "unsubscribe") return malformed("unknown action");
  if (!Array.isArray(names)) return malformed("names is not an array");
  if (names.length > NAMES_PER_MESSAGE_MAX)
    return malformed(`more than ${NAMES_PER_MESSAGE_MAX} names in a message`);
  const spelled = spelledNames(names);
  if (action === "unsubscribe") return { action, names: spelled };
  if (since !== undefined && (typeof since !== "object" || since === null || Array.isArray(since)))
    return malformed("since is not an object");
  const sinceOf = new Map<string, unknown>(Object.entries(since ?? {}));
  const wanted = spelled.map((each) => ({ ...each, since: sequenceIn(sinceOf, each.spelling) }));
  return { action, names: wanted, snapshot: snapshot === true };
}

/** The names among these, each spelling once. */
function spelledNames(candidates: readonly unknown[]): SpelledName[] {
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

/** A sequence as a number or, exact above 2^53, as text. Who sends anything else has nothing that counts. */
function sequenceIn(since: ReadonlyMap<string, unknown>, spelling: string): bigint | undefined {
  if (!since.has(spelling)) return undefined;
  const sequence = since.get(spelling);
  if (typeof sequence === "number" && Number.isSafeInteger(sequence)) return BigInt(sequence);
  if (typeof sequence === "string" && /^\d{1,20}$/.test(sequence)) return BigInt(sequence);
  return HAS_NOTHING;
}

function malformed(problem: string): SubscriberMessage {
  return { action: "malformed", problem };
}
