import { HoldfastError } from "../errors.ts";

/** What is signed: an event without its id, author and signature. */
export interface EventTemplate {
  /** Seconds since the Unix epoch, chosen by the author. */
  readonly createdAtS: number;
  readonly kind: number;
  /** Each tag has a name and values. */
  readonly tags: readonly (readonly string[])[];
  readonly content: string;
}

/**
 * An event of the right form. Nothing says that it is signed: that is a {@link VerifiedEvent}.
 *
 * @see https://github.com/nostr-protocol/nips/blob/master/01.md#events-and-signatures
 */
export interface NostrEvent extends EventTemplate {
  /** 64 lower-case hex digits. */
  readonly id: string;
  /** The author: an x-only public key, 64 lower-case hex digits. */
  readonly pubkey: string;
  /** 128 lower-case hex digits. */
  readonly sig: string;
}

/** As relays write it. */
export interface WireEvent {
  readonly id: string;
  readonly pubkey: string;
  readonly created_at: number;
  readonly kind: number;
  readonly tags: readonly (readonly string[])[];
  readonly content: string;
  readonly sig: string;
}

/** Why an event is refused: `details.reason` of `EVENT_INVALID`. */
export type EventProblem =
  | "MALFORMED"
  | "TOO_LARGE"
  /** The id is not the hash of the event, or the signature is not of its author. */
  | "SIGNATURE_INVALID"
  /** `created_at` is too far ahead of our clock. */
  | "FROM_THE_FUTURE"
  /** Past its expiration (NIP-40). */
  | "EXPIRED"
  /** Another kind, or without the tags of a pin announcement. */
  | "NOT_AN_ANNOUNCEMENT"
  /** It names no CID and no IPNS name that can be read. */
  | "EMPTY";

/** What relays take by default. */
export const EVENT_BYTES_MAX = 65_536;
const TAGS_MAX = 2_000;
const KIND_MAX = 65_535;

/**
 * Reads an event from parsed JSON, into an object of its own: what else hangs on the given one (unknown fields, the mark by
 * which libraries remember that they verified it) stays behind.
 *
 * @throws HoldfastError `EVENT_INVALID`, reason `MALFORMED` or `TOO_LARGE`.
 */
export function parseNostrEvent(value: unknown): NostrEvent {
  if (typeof value !== "object" || value === null) throw eventInvalid("MALFORMED", "is not an object");
  const fields: Readonly<Record<string, unknown>> = { ...value };
  const { created_at: createdAtS, kind, content } = fields;
  if (!isWholeNumber(createdAtS, Number.MAX_SAFE_INTEGER)) throw malformedField("created_at");
  if (!isWholeNumber(kind, KIND_MAX)) throw malformedField("kind");
  if (typeof content !== "string") throw malformedField("content");
  const tags = tagsOf(fields["tags"]);
  const length = content.length + tags.flat().reduce((sum, text) => sum + text.length, 0);
  if (length > EVENT_BYTES_MAX) throw eventInvalid("TOO_LARGE", `has more than ${EVENT_BYTES_MAX} bytes`);
  return {
    id: hexOf(fields, "id", 64),
    pubkey: hexOf(fields, "pubkey", 64),
    createdAtS,
    kind,
    tags,
    content,
    sig: hexOf(fields, "sig", 128),
  };
}

/** For `JSON.stringify`. */
export function wireEventOf(event: NostrEvent): WireEvent {
  const { id, pubkey, createdAtS, kind, tags, content, sig } = event;
  return { id, pubkey, created_at: createdAtS, kind, tags, content, sig };
}

/**
 * The text whose SHA-256, as UTF-8, is the id. Control characters other than `\n \r \t \b \f` are escaped as JSON does and as
 * every library does, although NIP-01 wants them verbatim: who makes an event avoids them.
 */
export function serializeForId(pubkey: string, event: EventTemplate): string {
  return JSON.stringify([0, pubkey, event.createdAtS, event.kind, event.tags, event.content]);
}

/** The first value of the first tag of this name. */
export function tagValue(event: EventTemplate, name: string): string | undefined {
  return event.tags.find((tag) => tag[0] === name)?.[1];
}

/**
 * @param what completes the sentence `the event …`.
 * @param facts further `details`.
 */
export function eventInvalid(
  reason: EventProblem,
  what: string,
  facts: Readonly<Record<string, unknown>> = {},
): HoldfastError {
  return new HoldfastError("EVENT_INVALID", `the event ${what}`, { details: { ...facts, reason } });
}

function malformedField(field: string): HoldfastError {
  return eventInvalid("MALFORMED", `has no valid "${field}"`);
}

function isWholeNumber(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

function hexOf(fields: Readonly<Record<string, unknown>>, field: string, length: number): string {
  const value = fields[field];
  if (typeof value !== "string" || value.length !== length || !LOWER_HEX.test(value))
    throw malformedField(field);
  return value;
}

function tagsOf(value: unknown): readonly (readonly string[])[] {
  if (!Array.isArray(value) || value.length > TAGS_MAX) throw malformedField("tags");
  return value.map((tag: unknown) => {
    if (!Array.isArray(tag) || tag.length === 0) throw malformedField("tags");
    return tag.map((text: unknown) => {
      if (typeof text !== "string") throw malformedField("tags");
      return text;
    });
  });
}

const LOWER_HEX = /^[0-9a-f]+$/;
