import { HoldfastError, isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { IDENTITY_CODE } from "../../content/block-hash.ts";
import type { BlockStore } from "../../content/block-store.ts";
import { isLeafCodec, linksOf } from "../../content/dag-codecs.ts";
import { KeySet } from "../../content/key-set.ts";
import { SweepPace } from "./sweep-pace.ts";

/** 400 MiB of marks. */
const BLOCKS_MAX = 12_000_000;
/** Links that were found and not followed yet, of one DAG. */
const WAITING_LINKS_MAX = 500_000;

export interface MarkedRoot {
  readonly root: CID;
  /** All below it is needed too, not only this block. */
  readonly recursive: boolean;
}

/** Why a DAG could not be followed to its end. */
export interface DagGap {
  readonly root: CID;
  readonly cid: CID;
  readonly problem: "is not here" | "cannot be read with its codec";
}

/**
 * The blocks that some DAGs need. Marks only ever add, and what is missing is marked as well: it must stay when it comes.
 * DAGs that have to be complete are marked first: below a gap that was accepted for one, another would not be looked at again.
 */
export class SweepMarks {
  readonly #store: Pick<BlockStore, "get" | "has">;
  readonly #pace: SweepPace;
  readonly #blocksMax: number;
  readonly #marked = new KeySet();
  /** Whose links are followed: the same bytes have other links under another codec. */
  readonly #followed = new KeySet({ byCodec: true });

  constructor(
    store: Pick<BlockStore, "get" | "has">,
    { signal, blocksMax = BLOCKS_MAX }: { readonly signal: AbortSignal; readonly blocksMax?: number },
  ) {
    this.#store = store;
    this.#pace = new SweepPace(signal);
    this.#blocksMax = blocksMax;
  }

  /** How many blocks are marked. */
  get size(): number {
    return this.#marked.size;
  }

  has(cid: CID): boolean {
    return this.#marked.has(cid);
  }

  /**
   * Marks what a root needs, as far as it can be followed.
   *
   * @returns the first gap; undefined when everything is here.
   * @throws HoldfastError `STORE_FAILED` when the disk refuses, `CONTENT_UNSUPPORTED` when there is more than can be kept in
   *   mind; the signal's reason when it aborts. Then the marks are of no use.
   */
  async mark({ root, recursive }: MarkedRoot): Promise<DagGap | undefined> {
    const waiting = [root];
    let gap: DagGap | undefined;
    for (let cid = waiting.pop(); cid !== undefined; cid = waiting.pop()) {
      const isNew = this.#marked.add(cid);
      if (this.#marked.size > this.#blocksMax) throw tooMuch(`more than ${this.#blocksMax} blocks`);
      const found =
        recursive && !isLeafCodec(cid.code) ? await this.#follow(cid) : await this.#look(cid, isNew);
      if (typeof found === "string") gap ??= { root, cid, problem: found };
      else waiting.push(...found);
      if (waiting.length > WAITING_LINKS_MAX) throw tooMuch(`more than ${WAITING_LINKS_MAX} links at once`);
    }
    return gap;
  }

  async #look(cid: CID, isNew: boolean): Promise<readonly CID[] | DagGap["problem"]> {
    await this.#pace.step();
    // What was looked for already was found, or its DAG has a gap of its own.
    if (!isNew || cid.multihash.code === IDENTITY_CODE) return [];
    return (await this.#store.has(cid)) ? [] : "is not here";
  }

  async #follow(cid: CID): Promise<readonly CID[] | DagGap["problem"]> {
    if (!this.#followed.add(cid)) return [];
    const isInlined = cid.multihash.code === IDENTITY_CODE;
    const bytes = isInlined ? cid.multihash.digest : await this.#store.get(cid);
    await this.#pace.step(bytes?.byteLength);
    if (bytes === undefined) return "is not here";
    try {
      return linksOf(cid, bytes);
    } catch (err) {
      if (isHoldfastError(err)) return "cannot be read with its codec";
      throw err;
    }
  }
}

function tooMuch(what: string): HoldfastError {
  return new HoldfastError("CONTENT_UNSUPPORTED", `too much to keep in mind: ${what}`);
}
