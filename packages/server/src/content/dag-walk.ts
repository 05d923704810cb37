import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";

/** Links that were found and not followed yet. */
const WAITING_LINKS_MAX = 500_000;

export interface WalkOptions {
  /** Nodes that are read before their turn. */
  readonly readAhead: number;
  /** Distinct nodes; more is an error. */
  readonly nodesMax: number;
  /** Keys of {@link nodeKeyOf} whose DAGs are left out. */
  readonly known?: ReadonlySet<string>;
}

export interface WalkedNode<T> {
  readonly value: T;
  /** In their order; repeated ones are followed once. */
  readonly links: readonly CID[];
}

/**
 * Visits every node of a DAG once: depth first, parents before children, in the order of the links.
 *
 * @param read is called for some nodes before it is their turn, and may be called for nodes that are never visited when the
 *   walk ends early: give it a signal.
 * @throws HoldfastError `CONTENT_UNSUPPORTED` for a DAG that is too large; whatever `read` throws.
 */
export async function* walkDag<T>(
  root: CID,
  read: (cid: CID) => Promise<WalkedNode<T>>,
  options: WalkOptions,
): AsyncGenerator<{ readonly cid: CID; readonly value: T }> {
  const seen = new Set<string>();
  const waiting: CID[] = [root];
  const ahead = new ReadAhead(read);
  const isNew = (cid: CID): boolean => {
    const key = nodeKeyOf(cid);
    return !seen.has(key) && options.known?.has(key) !== true;
  };
  for (let cid = waiting.pop(); cid !== undefined; cid = waiting.pop()) {
    if (!isNew(cid)) continue;
    seen.add(nodeKeyOf(cid));
    if (seen.size > options.nodesMax) throw tooLarge(`more than ${options.nodesMax} blocks`);
    const { value, links } = await ahead.take(cid);
    for (const link of links.toReversed()) {
      if (isNew(link)) waiting.push(link);
    }
    if (waiting.length > WAITING_LINKS_MAX) throw tooLarge(`more than ${WAITING_LINKS_MAX} links at once`);
    ahead.start(waiting.slice(-options.readAhead).toReversed().filter(isNew), options.readAhead);
    yield { cid, value };
  }
}

class ReadAhead<T> {
  readonly #read: (cid: CID) => Promise<T>;
  readonly #reading = new Map<string, Promise<T>>();

  constructor(read: (cid: CID) => Promise<T>) {
    this.#read = read;
  }

  start(cids: readonly CID[], readsMax: number): void {
    for (const cid of cids) {
      const key = nodeKeyOf(cid);
      if (this.#reading.size >= readsMax) return;
      if (this.#reading.has(key)) continue;
      const reading = this.#read(cid);
      // A failure counts when it is this node's turn, which may never come.
      reading.catch(() => {});
      this.#reading.set(key, reading);
    }
  }

  async take(cid: CID): Promise<T> {
    const key = nodeKeyOf(cid);
    const reading = this.#reading.get(key) ?? this.#read(cid);
    this.#reading.delete(key);
    return reading;
  }
}

/** Not the multihash: the same bytes have other links under another codec. */
export function nodeKeyOf({ bytes }: CID): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function tooLarge(what: string): HoldfastError {
  return new HoldfastError("CONTENT_UNSUPPORTED", `this DAG is too large: ${what}`);
}
