import { BaseBlockstore } from "blockstore-core";
import { NotFoundError } from "@libp2p/interface";
import { LRUCache } from "lru-cache";
import type { CID } from "multiformats/cid";
import { blockKeyOf } from "../../content/block-hash.ts";
import type { BlockStore } from "../../content/block-store.ts";
import { ownCopy } from "./protocol.ts";

/** Blocks fetched for our readers, kept a while for the peers that ask for them. */
const FETCHED_BYTES_MAX = 64 * 1024 * 1024;

/** What the node serves to peers: the durable blocks, and what it fetched lately. By multihash, so codecs do not matter. */
export class ThreadBlockstore extends BaseBlockstore {
  readonly #vault: Pick<BlockStore, "get" | "has"> | undefined;
  readonly #fetched = new LRUCache<string, Uint8Array>({
    maxSize: FETCHED_BYTES_MAX,
    sizeCalculation: (bytes) => bytes.byteLength + 1,
  });

  constructor(vault: Pick<BlockStore, "get" | "has"> | undefined) {
    super();
    this.#vault = vault;
  }

  /** The bytes, not to be changed or transferred. */
  async read(cid: CID): Promise<Uint8Array | undefined> {
    return this.#fetched.get(blockKeyOf(cid)) ?? (await this.#vault?.get(cid));
  }

  /** Keeps a copy: what bitswap gives is a view of a whole network message. */
  keep(cid: CID, bytes: Uint8Array): void {
    this.#fetched.set(blockKeyOf(cid), ownCopy(bytes));
  }

  override async has(cid: CID): Promise<boolean> {
    return this.#fetched.has(blockKeyOf(cid)) || (await this.#vault?.has(cid)) === true;
  }

  override async *get(cid: CID): AsyncGenerator<Uint8Array> {
    const bytes = await this.read(cid);
    if (bytes === undefined) throw new NotFoundError("the block is not held");
    yield bytes;
  }

  override async put(
    cid: CID,
    value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<CID> {
    if (value instanceof Uint8Array) {
      this.keep(cid, value);
      return cid;
    }
    const parts: Uint8Array[] = [];
    for await (const part of value) parts.push(part);
    this.keep(cid, Buffer.concat(parts));
    return cid;
  }

  override delete(cid: CID): void {
    this.#fetched.delete(blockKeyOf(cid));
  }
}
