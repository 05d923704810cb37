import { isHoldfastError, parseNostrKey } from "@holdfast/core";

export interface NostrAuthors {
  /** Public keys, 64 hex digits, whose announcements are taken without quotas. */
  readonly listed: ReadonlySet<string>;
  /** Those of everybody else are taken within quotas. */
  readonly isOpen: boolean;
}

const RELAYS_MAX = 32;

/** Relays of one list are one relay when only case or a slash at the end differ. */
export function parseRelays(value: string): readonly string[] {
  if (value === "none") return [];
  const urls = new Set(listOf(value).map(normalRelayUrl));
  if (urls.size === 0 || urls.size > RELAYS_MAX || urls.has(undefined)) {
    throw new Error(`is not a comma list of 1 to ${RELAYS_MAX} ws:// or wss:// URLs, or none`);
  }
  return [...urls].filter((url) => url !== undefined);
}

function normalRelayUrl(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol !== "ws:" && url?.protocol !== "wss:") return undefined;
  if (`${url.hash}${url.username}${url.password}` !== "") return undefined;
  return url.href.replace(/\/$/, "");
}

export function parseAuthors(value: string): NostrAuthors {
  const words = value === "none" ? [] : listOf(value);
  const keys = words.filter((word) => word !== "open");
  return { listed: publicKeysOf(keys), isOpen: keys.length < words.length };
}

export function parseDenied(value: string): ReadonlySet<string> {
  return publicKeysOf(value === "none" ? [] : listOf(value));
}

/** Undefined: one is made and kept in the data folder. */
export function parsePrivateKey(value: string): string | undefined {
  if (value === "generated") return undefined;
  return readKey(value, "nsec");
}

/** Announcements of ours have the first kind. */
export function parseKinds(value: string): readonly number[] {
  const kinds = listOf(value).map((item) => (/^\d{1,5}$/.test(item) ? Number(item) : Number.NaN));
  if (kinds.length === 0 || !kinds.every((kind) => kind <= 65_535))
    throw new Error("is not a comma list of event kinds from 0 to 65535");
  return [...new Set(kinds)];
}

function publicKeysOf(words: readonly string[]): ReadonlySet<string> {
  return new Set(words.map((word) => readKey(word, "npub")));
}

function readKey(text: string, prefix: "npub" | "nsec"): string {
  try {
    return parseNostrKey(text, prefix);
  } catch (err) {
    if (!isHoldfastError(err)) throw err;
    throw new Error(`has a key that is ${err.message}`, { cause: err });
  }
}

function listOf(value: string): readonly string[] {
  return value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
