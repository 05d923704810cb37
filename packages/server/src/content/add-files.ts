import { HoldfastError } from "@holdfast/core";
import {
  type ImportCandidate,
  importer,
  type InProgressImportResult,
  type WritableStorage,
} from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced, type FileLayout } from "ipfs-unixfs-importer/layout";
import type { CID } from "multiformats/cid";
import type { AddOptions } from "./add-options.ts";
import { BlockBatch } from "./block-batch.ts";
import type { BlockStore } from "./block-store.ts";

/** As many links as Kubo puts in a file node (`Import.UnixFSFileMaxLinks`). */
const FILE_LINKS_MAX = 174;
/** Kubo shards a directory above this sum of name and CID bytes (`Import.UnixFSHAMTDirectorySizeThreshold`). */
const SHARD_THRESHOLD_BYTES = 256 * 1024;
/** Bounds the blocks of one add: `chunker=size-1` would otherwise make a file per byte. */
const BLOCK_COUNT_MAX = 200_000;
/** Chunks of one file that are hashed and collected at once. */
const CHUNKS_IN_FLIGHT = 8;

/** What is to be added, in the order of arrival. A path has `/` between its segments; a nameless file has none. */
export type AddEntry =
  | { readonly kind: "file"; readonly path: string | undefined; readonly content: AsyncIterable<Uint8Array> }
  | { readonly kind: "directory"; readonly path: string };

export interface AddedEntry {
  /** As it was sent; the CID for a nameless file, empty for the directory that wraps everything. */
  readonly path: string;
  readonly cid: CID;
  /** Size of all its blocks, as Kubo counts: twice for what is linked twice. */
  readonly dagBytes: bigint;
}

export interface Added {
  /** Every file, then the directories, children before parents. */
  readonly entries: readonly AddedEntry[];
  /** What nothing else that was added links to. */
  readonly roots: readonly CID[];
  /** Every distinct block. */
  readonly cids: readonly CID[];
}

/** Says how far the reading of one file is. What it returns is waited for. */
export type OnProgress = (path: string, readBytes: number) => Promise<void> | void;

/**
 * Makes UnixFS DAGs with the CIDs that Kubo gives for the same bytes and options, and stores their blocks while they
 * stream in. When it returns, every block is durable. After a failure some blocks may be stored, but the roots are not.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` for an impossible tree or too many blocks, `STORE_FAILED`; whatever the
 *   contents throw.
 */
export async function addFiles(
  entries: AsyncIterable<AddEntry>,
  vault: BlockStore,
  options: AddOptions,
  onProgress: OnProgress = () => {},
): Promise<Added> {
  const batch = new BlockBatch(options.onlyHash ? DISCARD : vault, { blockCountMax: BLOCK_COUNT_MAX });
  const candidates = candidatesOf(entries, options, onProgress);
  const added: AddedEntry[] = [];
  const roots: CID[] = [];
  for await (const { path = "", cid, size } of importer(
    candidates,
    storageOf(batch),
    importerOptions(options),
  )) {
    const isRoot = options.wrapWithDirectory ? path === "" : !path.includes("/");
    if (isRoot) roots.push(cid);
    const isNameless = path === "" && !options.wrapWithDirectory;
    added.push({ path: isNameless ? cid.toString() : path, cid, dagBytes: BigInt(size) });
  }
  await batch.finish();
  return { entries: added, roots, cids: batch.cids };
}

/** The importer only ever puts whole blocks. */
function storageOf(batch: BlockBatch): WritableStorage {
  return {
    put: async (cid, bytes) => {
      if (!(bytes instanceof Uint8Array)) throw new TypeError("the importer puts whole blocks");
      await batch.put(cid, bytes);
      return cid;
    },
  };
}

function importerOptions(options: AddOptions): Parameters<typeof importer>[2] {
  return {
    cidVersion: options.cidVersion,
    rawLeaves: options.rawLeaves,
    wrapWithDirectory: options.wrapWithDirectory,
    chunker: fixedSize({ chunkSize: options.chunkBytes }),
    layout: balancedWithoutContent,
    shardSplitStrategy: "links-bytes",
    shardSplitThresholdBytes: SHARD_THRESHOLD_BYTES,
    // One after the other: the parts of a request body arrive in order, so a second file cannot be read before the first.
    fileImportConcurrency: 1,
    blockWriteConcurrency: CHUNKS_IN_FLIGHT,
  };
}

const layout = balanced({ maxChildrenPerNode: FILE_LINKS_MAX });

/** The balanced layout keeps up to 174 leaves until their parent is made; without this it would keep their bytes as well. */
const balancedWithoutContent: FileLayout = (source, reduce) => layout(withoutContent(source), reduce);

async function* withoutContent(
  leaves: AsyncIterable<InProgressImportResult> | Iterable<InProgressImportResult>,
): AsyncGenerator<InProgressImportResult> {
  for await (const leaf of leaves) {
    const content = leaf.unixfs?.data;
    const isOnlyLeaf = "single" in leaf && leaf.single;
    if (leaf.unixfs !== undefined && content !== undefined && content.byteLength > 0 && !isOnlyLeaf) {
      delete leaf.unixfs.data;
      leaf.unixfs.addBlockSize(BigInt(content.byteLength));
    }
    yield leaf;
  }
}

async function* candidatesOf(
  entries: AsyncIterable<AddEntry>,
  options: AddOptions,
  onProgress: OnProgress,
): AsyncGenerator<ImportCandidate> {
  const tree = new TreePaths({ isWrapped: options.wrapWithDirectory });
  for await (const entry of entries) {
    if (entry.kind === "directory") {
      tree.addDirectory(entry.path);
      yield { path: entry.path };
      continue;
    }
    const { path, content } = entry;
    if (path === undefined) {
      if (options.wrapWithDirectory) throw invalid("a file needs a name to be wrapped with a directory");
    } else {
      tree.addFile(path);
    }
    const watched = options.progress ? withProgress(content, path ?? "", onProgress) : content;
    yield { ...(path === undefined ? {} : { path }), content: watched };
  }
}

/** As often as Kubo says how far it is. */
const PROGRESS_BYTES = 256 * 1024;

async function* withProgress(
  content: AsyncIterable<Uint8Array>,
  path: string,
  onProgress: OnProgress,
): AsyncGenerator<Uint8Array> {
  let readBytes = 0;
  let saidBytes = 0;
  for await (const chunk of content) {
    readBytes += chunk.byteLength;
    if (readBytes - saidBytes >= PROGRESS_BYTES) {
      saidBytes = readBytes;
      await onProgress(path, readBytes);
    }
    yield chunk;
  }
  if (saidBytes !== readBytes || readBytes === 0) await onProgress(path, readBytes);
}

/** Refuses trees in which one name would be two things: the importer would silently keep the last. */
class TreePaths {
  readonly #files = new Set<string>();
  readonly #directories = new Set<string>();
  readonly #isWrapped: boolean;

  constructor(options: { readonly isWrapped: boolean }) {
    this.#isWrapped = options.isWrapped;
  }

  addFile(path: string): void {
    this.#addParents(path);
    if (this.#directories.has(path)) throw invalid(`"${path}" was sent as a file and as a directory`);
    // At the top nothing refers to a file by its name: several may share one, as several commands would.
    if (!path.includes("/") && !this.#isWrapped) return;
    if (this.#files.has(path)) throw invalid(`"${path}" was sent twice`);
    this.#files.add(path);
  }

  addDirectory(path: string): void {
    this.#addParents(path);
    if (this.#files.has(path)) throw invalid(`"${path}" was sent as a file and as a directory`);
    this.#directories.add(path);
  }

  #addParents(path: string): void {
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
      const parent = path.slice(0, end);
      if (this.#files.has(parent)) throw invalid(`"${parent}" was sent as a file and as a directory`);
      this.#directories.add(parent);
    }
  }
}

const DISCARD: BlockStore = {
  get: () => Promise.resolve(undefined),
  has: () => Promise.resolve(false),
  put: () => Promise.resolve(),
};

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
