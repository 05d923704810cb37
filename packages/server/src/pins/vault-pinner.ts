import { HoldfastError, isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { IDENTITY_CODE } from "../content/block-hash.ts";
import type { Block, BlockStore } from "../content/block-store.ts";
import type { Blocks } from "../content/blocks.ts";
import { DagCheck } from "../content/dag-check.ts";
import { isLeafCodec, linksOf } from "../content/dag-codecs.ts";
import { walkDag, type WalkedNode } from "../content/dag-walk.ts";
import type { PinStore } from "./pin-store.ts";
import { type Pinner, type PinOptions, type PinProgress, VAULT_REPOSITORY } from "./pinner.ts";

const READ_AHEAD = 16;
const NODES_MAX = 2_000_000;
/** What one commit of the vault takes: enough that syncing the disk is not what counts. */
const PUT_BLOCKS = 64;
const PUT_BYTES = 4 * 1024 * 1024;
const PAGE_PINS = 200;

interface Parts {
  readonly blocks: Pick<Blocks, "get">;
  readonly vault: BlockStore;
  /** Which pins there are. What they need is in the vault. */
  readonly pins: Pick<PinStore, "get" | "list">;
}

/**
 * Our own vault as the place where content is kept: pinning is to bring every block there. That it stays is the sweep's matter,
 * which goes by our table of pins; so a pin is one that the table has and whose blocks are in the vault.
 */
export class VaultPinner implements Pinner {
  readonly label = "vault";
  readonly repositoryId = VAULT_REPOSITORY;
  readonly #parts: Parts;
  readonly #nodesMax: number;

  constructor(parts: Parts, { nodesMax = NODES_MAX }: { readonly nodesMax?: number } = {}) {
    this.#parts = parts;
    this.#nodesMax = nodesMax;
  }

  async pin(root: CID, options: PinOptions): Promise<PinProgress> {
    // Nobody but us pins here.
    options.onAbsent?.();
    const brought = await this.#bring(root, options);
    const problem = await this.#problemOf(root, options);
    if (problem === undefined) return brought;
    throw new HoldfastError("STORE_FAILED", "the vault did not keep every block", {
      cause: new Error(problem),
    });
  }

  /** The table has forgotten it, or will: there is nothing else. */
  async unpin(): Promise<void> {}

  async isPinned(
    root: CID,
    options: { readonly recursive: boolean; readonly signal: AbortSignal },
  ): Promise<boolean> {
    const pin = this.#parts.pins.get(root);
    if (pin === undefined || (options.recursive && !pin.recursive)) return false;
    return (await this.#problemOf(root, options)) === undefined;
  }

  /** Roots whose own block is in the vault; whether all below it is there, {@link isPinned} says. */
  async *listPinned({
    recursive,
    signal,
  }: {
    readonly recursive: boolean;
    readonly signal: AbortSignal;
  }): AsyncGenerator<CID> {
    let after: number | undefined;
    do {
      signal.throwIfAborted();
      const page = this.#parts.pins.list({ limit: PAGE_PINS, after });
      for (const pin of page.pins) {
        if (pin.recursive === recursive && (await this.#isInVault(pin.root))) yield pin.root;
      }
      after = page.next;
    } while (after !== undefined);
  }

  async #bring(root: CID, { recursive, signal, onProgress }: PinOptions): Promise<PinProgress> {
    const ended = new AbortController();
    const either = AbortSignal.any([signal, ended.signal]);
    const read = (cid: CID): Promise<WalkedNode<Found>> =>
      this.#find(cid, root, { recursive, signal: either });
    let progress: PinProgress = { blocks: 0, bytes: 0 };
    let waiting: Block[] = [];
    let waitingBytes = 0;
    try {
      const nodes = walkDag(root, read, { readAhead: READ_AHEAD, nodesMax: this.#nodesMax });
      for await (const { cid, value } of nodes) {
        signal.throwIfAborted();
        if (value.isNew) {
          waiting.push({ cid, bytes: value.bytes });
          waitingBytes += value.bytes.byteLength;
        }
        if (waiting.length >= PUT_BLOCKS || waitingBytes >= PUT_BYTES) {
          await this.#keep(waiting);
          [waiting, waitingBytes] = [[], 0];
        }
        progress = progressWith(progress, value);
        onProgress?.(progress);
      }
      if (waiting.length > 0) await this.#keep(waiting);
      return progress;
    } finally {
      // What was read ahead is wanted by nobody any more.
      ended.abort();
    }
  }

  /** @throws HoldfastError `STORE_FAILED` also for a vault that has no room: that is not about this pin. */
  async #keep(blocks: readonly Block[]): Promise<void> {
    try {
      await this.#parts.vault.put(blocks);
    } catch (err) {
      if (!isHoldfastError(err) || err.code !== "OVERLOADED") throw err;
      throw new HoldfastError("STORE_FAILED", err.message, { cause: err });
    }
  }

  async #find(
    cid: CID,
    root: CID,
    { recursive, signal }: { readonly recursive: boolean; readonly signal: AbortSignal },
  ): Promise<WalkedNode<Found>> {
    const { vault, blocks } = this.#parts;
    const hasLinks = recursive && !isLeafCodec(cid.code);
    if (!hasLinks && (await this.#isInVault(cid)))
      return { value: { bytes: undefined, isNew: false }, links: [] };
    const stored = cid.multihash.code === IDENTITY_CODE ? undefined : await vault.get(cid);
    const bytes = stored ?? (await blocks.get(cid, { root, signal }));
    const isNew = stored === undefined && cid.multihash.code !== IDENTITY_CODE;
    return { value: { bytes, isNew }, links: hasLinks ? linksIn(cid, bytes) : [] };
  }

  async #problemOf(
    root: CID,
    { recursive, signal }: { readonly recursive: boolean; readonly signal: AbortSignal },
  ): Promise<string | undefined> {
    const { vault } = this.#parts;
    // What could be brought can be looked through, too: a lower bound here would be a failure for ever.
    const check = new DagCheck({ vault }, { nodesMax: this.#nodesMax });
    if (recursive) return await check.problemOf(root, { signal });
    return (await this.#isInVault(root)) ? undefined : `${root.toString()} is missing`;
  }

  async #isInVault(cid: CID): Promise<boolean> {
    return cid.multihash.code === IDENTITY_CODE || (await this.#parts.vault.has(cid));
  }
}

/** A block of the DAG: read, or known to be in the vault. */
type Found =
  | { readonly bytes: Uint8Array; readonly isNew: boolean }
  | { readonly bytes: undefined; readonly isNew: false };

/** A leaf that is here already brings nothing: it is not read, and must not hide the size of all others. */
function progressWith({ blocks, bytes = 0 }: PinProgress, found: Found): PinProgress {
  return { blocks: blocks + 1, bytes: bytes + (found.bytes?.byteLength ?? 0) };
}

/** @throws HoldfastError `CONTENT_UNSUPPORTED` also for a malformed block: nobody has a better one. */
function linksIn(cid: CID, bytes: Uint8Array): readonly CID[] {
  try {
    return linksOf(cid, bytes);
  } catch (err) {
    if (!isHoldfastError(err) || err.code !== "INVALID_ARGUMENT") throw err;
    throw new HoldfastError("CONTENT_UNSUPPORTED", err.message, { cause: err });
  }
}
