import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { ownCopy } from "./protocol.ts";

/** A republished record keeps its bytes; it is worth telling once in a while, not each time. */
const RECENT_MAX = 8_192;
const RECENT_MS = 10 * 60 * 1_000;
/** How many may be on their way to the main thread. */
const UNTAKEN_MAX = 256;

/** The records that peers push, on their way to the main thread: deduplicated and bounded. */
export class Captures {
  readonly #post: (routingKey: Uint8Array, record: Uint8Array) => void;
  readonly #recent = new LRUCache<string, true>({ max: RECENT_MAX, ttl: RECENT_MS });
  #untaken = 0;
  #dropped = 0;

  constructor(post: (routingKey: Uint8Array, record: Uint8Array) => void) {
    this.#post = post;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Our own put of these bytes is about to pass through the store: it is no news. */
  ignore(routingKey: Uint8Array, record: Uint8Array): void {
    this.#recent.set(digestOf(routingKey, record), true);
  }

  add(routingKey: Uint8Array, record: Uint8Array): void {
    const digest = digestOf(routingKey, record);
    if (this.#recent.has(digest)) return;
    if (this.#untaken >= UNTAKEN_MAX) {
      this.#dropped++;
      return;
    }
    this.#recent.set(digest, true);
    this.#untaken++;
    this.#post(ownCopy(routingKey), ownCopy(record));
  }

  /** The main thread dealt with one. */
  taken(): void {
    this.#untaken--;
  }
}

function digestOf(routingKey: Uint8Array, record: Uint8Array): string {
  return createHash("sha256").update(routingKey).update(record).digest("base64");
}
