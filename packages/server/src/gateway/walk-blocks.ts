import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Retrieval } from "./retrieval.ts";

/** Blocks that are read ahead of the one that is being used: hides the latency of sources and of the disk. */
const AHEAD_BLOCKS = 12;
/**
 * For so long nothing is read beside a walk's first block, unless more is asked for: where blocks come one after the other
 * anyhow (one source, one core), those behind it would only make the first byte wait.
 */
const FIRST_ALONE_MS = 4;
/** Bound on what is read ahead, by the sizes that the parents claim. */
const AHEAD_BYTES = 8 * 1024 * 1024;
/**
 * Blocks that are held although their turn has not come. A walk into the depth leaves some behind on each level; the oldest of
 * them, whose turn is farthest away, are let go and read again.
 */
const HELD_MAX = 32;
/** For what does not say how large it is: a common chunk. */
const GUESSED_BYTES = 256 * 1024;
/** With the usual chunks these are 1 TiB. */
const SEEN_MAX = 4_000_000;

/** A block that will be visited. */
export interface Stop {
  readonly cid: CID;
  /** As its parent claims. */
  readonly bytesHint?: number;
}

interface Waiting<T extends Stop> {
  readonly stop: T;
  bytes?: Promise<Uint8Array>;
}

export interface Visit<T extends Stop> {
  readonly stop: T;
  readonly bytes: Uint8Array;
}

/** Blocks that were met before, bounded. */
export class SeenBlocks {
  readonly #keys = new Set<string>();

  has(cid: CID): boolean {
    return this.#keys.has(keyOf(cid));
  }

  /** @returns false when it was there already. @throws HoldfastError `CONTENT_UNSUPPORTED` for more than can be remembered. */
  add(cid: CID): boolean {
    const key = keyOf(cid);
    if (this.#keys.has(key)) return false;
    if (this.#keys.size >= SEEN_MAX)
      throw new HoldfastError("CONTENT_UNSUPPORTED", "the DAG has too many blocks");
    this.#keys.add(key);
    return true;
  }
}

/** Shorter than the text and cheaper to make. */
function keyOf({ bytes }: CID): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/**
 * Visits blocks depth first: each block, then what `expand` says lies below it, in that order. Some are read ahead, in the
 * order of the visit; nothing is read that will not be visited.
 *
 * @param options.seen blocks in it are not visited, nor is what lies below them; visited ones are added.
 * @throws HoldfastError as {@link SeenBlocks.add}, and what reading a block and `expand` throw.
 */
export async function* walkBlocks<T extends Stop>(
  start: readonly T[],
  expand: (stop: T, bytes: Uint8Array) => readonly T[],
  retrieval: Retrieval,
  { seen }: { readonly seen?: SeenBlocks | undefined } = {},
): AsyncGenerator<Visit<T>> {
  // The next one is the last one: pushing and popping there costs nothing, however wide the nodes are.
  const waiting = reversed(start);
  const ahead = new ReadAhead<T>(retrieval, seen);
  let isFirst = true;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen?.add(next.stop.cid) === false) {
      ahead.letGo(next);
      continue;
    }
    const bytes = isFirst ? await ahead.readAlone(next, waiting) : await ahead.readAmong(next, waiting);
    isFirst = false;
    ahead.letGo(next);
    yield { stop: next.stop, bytes };
    for (const below of reversed(expand(next.stop, bytes))) waiting.push(below);
  }
}

function reversed<T extends Stop>(stops: readonly T[]): Waiting<T>[] {
  return stops.map((stop) => ({ stop })).reverse();
}

class ReadAhead<T extends Stop> {
  readonly #retrieval: Retrieval;
  readonly #seen: SeenBlocks | undefined;
  readonly #held = new Set<Waiting<T>>();

  constructor(retrieval: Retrieval, seen: SeenBlocks | undefined) {
    this.#retrieval = retrieval;
    this.#seen = seen;
  }

  /** @param waiting those behind it; the next one is the last one. */
  readAmong(one: Waiting<T>, waiting: readonly Waiting<T>[]): Promise<Uint8Array> {
    const reading = this.#read(one);
    this.#readSomeOf(waiting, one);
    return reading;
  }

  /** The others only if it does not come soon. */
  async readAlone(one: Waiting<T>, waiting: readonly Waiting<T>[]): Promise<Uint8Array> {
    const { clock } = this.#retrieval;
    const cancel = clock.after(FIRST_ALONE_MS, () => this.#readSomeOf(waiting, one));
    try {
      return await this.#read(one);
    } finally {
      cancel();
    }
  }

  letGo(one: Waiting<T>): void {
    delete one.bytes;
    this.#held.delete(one);
  }

  #read(one: Waiting<T>): Promise<Uint8Array> {
    if (one.bytes !== undefined) return one.bytes;
    const reading = this.#retrieval.get(one.stop.cid);
    // Its turn may never come, when the client leaves or an earlier block fails.
    reading.catch(() => {});
    one.bytes = reading;
    this.#held.add(one);
    const [oldest] = this.#held;
    if (this.#held.size > HELD_MAX && oldest !== undefined && oldest !== one) this.letGo(oldest);
    return reading;
  }

  #readSomeOf(waiting: readonly Waiting<T>[], current: Waiting<T>): void {
    let aheadBytes = current.stop.bytesHint ?? GUESSED_BYTES;
    for (let i = waiting.length - 1; i >= Math.max(0, waiting.length - AHEAD_BLOCKS); i--) {
      const one = waiting[i];
      if (one === undefined || aheadBytes > AHEAD_BYTES) return;
      aheadBytes += one.stop.bytesHint ?? GUESSED_BYTES;
      if (this.#seen?.has(one.stop.cid) !== true) void this.#read(one);
    }
  }
}
