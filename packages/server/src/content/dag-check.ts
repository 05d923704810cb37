import { isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { IDENTITY_CODE, isHashSupported } from "./block-hash.ts";
import type { BlockStore } from "./block-store.ts";
import { isLeafCodec, linksOf } from "./dag-codecs.ts";
import { nodeKeyOf, walkDag, type WalkedNode } from "./dag-walk.ts";

export interface DagCheckParts {
  readonly vault: BlockStore;
  /** Blocks that are held elsewhere here, where they could be evicted: what is pinned is moved into the vault. */
  readonly held?: Pick<HeldBlocks, "isHeld" | "get">;
}

interface HeldBlocks {
  isHeld(cid: CID): Promise<boolean>;
  get(cid: CID, options: { readonly signal: AbortSignal }): Promise<Uint8Array>;
}

const READ_AHEAD = 16;
const NODES_MAX = 1_000_000;
/** What is held is read within milliseconds. It may be evicted just now; the network is not asked for it. */
const HELD_READ_MS = 1_000;
/** Says nothing of the DAG: it may be complete the next time. */
const TEMPORARY: ReadonlySet<string> = new Set(["STORE_FAILED", "OVERLOADED"]);

/** Whether DAGs are in the vault as a whole. Never asks the network. */
export class DagCheck {
  readonly #parts: DagCheckParts;
  readonly #nodesMax: number;
  /** Nodes of DAGs that are complete. Roots of one CAR often share most of them. */
  readonly #complete = new Set<string>();

  /** @param options `nodesMax`: a DAG of more blocks than that counts as a problem. */
  constructor(parts: DagCheckParts, { nodesMax = NODES_MAX }: { readonly nodesMax?: number } = {}) {
    this.#parts = parts;
    this.#nodesMax = nodesMax;
  }

  /**
   * Undefined when every block of the DAG is in the vault now, otherwise what is wrong, in Kubo's words.
   *
   * @throws HoldfastError `STORE_FAILED`, `OVERLOADED` when the vault has no room; the signal's reason when it aborts.
   */
  async problemOf(root: CID, { signal }: { readonly signal: AbortSignal }): Promise<string | undefined> {
    const seen: string[] = [];
    try {
      const nodes = walkDag(root, (cid) => this.#read(cid, root), {
        readAhead: READ_AHEAD,
        nodesMax: this.#nodesMax,
        known: this.#complete,
      });
      for await (const { cid } of nodes) {
        signal.throwIfAborted();
        seen.push(nodeKeyOf(cid));
      }
    } catch (err) {
      if (err instanceof MissingBlockError) return err.message;
      if (isHoldfastError(err) && !TEMPORARY.has(err.code)) return err.message;
      throw err;
    }
    if (this.#complete.size + seen.length <= this.#nodesMax) for (const key of seen) this.#complete.add(key);
    return undefined;
  }

  async #read(cid: CID, root: CID): Promise<WalkedNode<undefined>> {
    if (isLeafCodec(cid.code)) {
      if (!(await this.#isInVault(cid))) throw new MissingBlockError(cid, root);
      return { value: undefined, links: [] };
    }
    const bytes = cid.multihash.code === IDENTITY_CODE ? cid.multihash.digest : await this.#bytesOf(cid);
    if (bytes === undefined) throw new MissingBlockError(cid, root);
    return { value: undefined, links: linksOf(cid, bytes) };
  }

  async #isInVault(cid: CID): Promise<boolean> {
    if (cid.multihash.code === IDENTITY_CODE || (await this.#parts.vault.has(cid))) return true;
    return (await this.#moveToVault(cid)) !== undefined;
  }

  async #bytesOf(cid: CID): Promise<Uint8Array | undefined> {
    return (await this.#parts.vault.get(cid)) ?? (await this.#moveToVault(cid));
  }

  async #moveToVault(cid: CID): Promise<Uint8Array | undefined> {
    const { held, vault } = this.#parts;
    if (held === undefined || !isHashSupported(cid) || !(await held.isHeld(cid))) return undefined;
    let bytes: Uint8Array;
    try {
      bytes = await held.get(cid, { signal: AbortSignal.timeout(HELD_READ_MS) });
    } catch {
      // Evicted in this moment: it is missing like any other.
      return undefined;
    }
    await vault.put([{ cid, bytes }]);
    return bytes;
  }
}

class MissingBlockError extends Error {
  override readonly name = "MissingBlockError";

  constructor(cid: CID, root: CID) {
    const where = cid.equals(root) ? "" : "block was not found locally (offline): ";
    super(`${where}ipld: could not find ${cid.toString()}`);
  }
}
