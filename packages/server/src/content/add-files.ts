import { HoldfastError } from "@holdfast/core";
import { code as dagPbCode } from "@ipld/dag-pb";
import {
  type ImportCandidate,
  importer,
  type ImporterOptions,
  type InProgressImportResult,
  type WritableStorage,
} from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced, type FileLayout } from "ipfs-unixfs-importer/layout";
import type { CID } from "multiformats/cid";
import type { AddOptions } from "./add-options.ts";
import { TreePaths } from "./add-tree-paths.ts";
import { BlockBatch } from "./block-batch.ts";
import type { BlockStore } from "./block-store.ts";
import { createBlock } from "./dag-block.ts";

/** As many links as Kubo puts in a file node (`Import.UnixFSFileMaxLinks`). */
const FILE_LINKS_MAX = 174;
/** Kubo shards a directory above this sum of name and CID bytes (`Import.UnixFSHAMTDirectorySizeThreshold`). */
const SHARD_THRESHOLD_BYTES = 256 * 1024;
/** Bounds the blocks of one add: `chunker=size-1` would otherwise make a file per byte. */
const BLOCK_COUNT_MAX = 200_000;
/** Chunks of one file that are hashed and collected at once. */
const CHUNKS_IN_FLIGHT = 8;

const SHA2_256 = 0x12;

/** What is to be added, in the order of arrival. A path has `/` between its segments; a nameless file has none. */
export type AddEntry =
  | { readonly kind: "file"; readonly path: string | undefined; readonly content: AsyncIterable<Uint8Array> }
  | {
      readonly kind: "symlink";
      readonly path: string | undefined;
      readonly target: AsyncIterable<Uint8Array>;
    }
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
  const tree = new TreePaths({ isWrapped: options.wrapWithDirectory });
  const candidates = candidatesOf(entries, tree, options, onProgress);
  const added: AddedEntry[] = [];
  const roots: CID[] = [];
  const importing = importerOptions(options);
  if (options.wrapWithDirectory) importing.dagBuilder = namedByCid(importing);
  for await (const { path = "", cid, size } of importer(candidates, storageOf(batch), importing)) {
    const isRoot = options.wrapWithDirectory ? path === "" : !path.includes("/");
    if (isRoot) roots.push(cid);
    const isNameless = path === "" && !options.wrapWithDirectory;
    added.push({ path: isNameless ? cid.toString() : path, cid, dagBytes: BigInt(size) });
  }
  await batch.finish();
  return { entries: withEmptyDirectories(added, tree.sentDirectories, options), roots, cids: batch.cids };
}

/** The one block of a directory without entries. */
const EMPTY_DIRECTORY = Uint8Array.of(0x0a, 0x02, 0x08, 0x01);

/** The importer stores empty directories, but says nothing of those inside another one. */
function withEmptyDirectories(
  added: readonly AddedEntry[],
  directories: readonly string[],
  { cidVersion: version }: AddOptions,
): readonly AddedEntry[] {
  const said = new Set(added.map(({ path }) => path));
  const missing = directories.filter((path) => !said.has(path));
  if (missing.length === 0) return added;
  const { cid } = createBlock(EMPTY_DIRECTORY, { version, codecCode: dagPbCode, hashCode: SHA2_256 });
  const byParent = Map.groupBy(
    missing.map((path): AddedEntry => ({ path, cid, dagBytes: BigInt(EMPTY_DIRECTORY.byteLength) })),
    ({ path }) => path.slice(0, Math.max(0, path.lastIndexOf("/"))),
  );
  // Children before parents.
  return added.flatMap((entry) => [...(byParent.get(entry.path) ?? []), entry]);
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

function importerOptions(options: AddOptions): ImporterOptions {
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

/** In a directory that wraps everything, what has no name is called by its CID, which is known only when it is made. */
function namedByCid(options: ImporterOptions): NonNullable<ImporterOptions["dagBuilder"]> {
  const single = { ...options, wrapWithDirectory: false };
  return async function* build(source, blockstore) {
    for await (const candidate of source) {
      const isNameless = candidate.path === undefined || candidate.path === "";
      yield async () => {
        const alone = "content" in candidate ? { content: candidate.content } : { ...candidate, path: "-" };
        for await (const { cid, size, unixfs } of importer([alone], blockstore, { ...single })) {
          const path = isNameless ? cid.toString() : (candidate.path ?? "");
          return { cid, size, path, originalPath: path, ...(unixfs === undefined ? {} : { unixfs }) };
        }
        throw new TypeError("the importer makes something of every candidate");
      };
    }
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
  tree: TreePaths,
  options: AddOptions,
  onProgress: OnProgress,
): AsyncGenerator<ImportCandidate> {
  for await (const entry of entries) {
    if (entry.kind === "directory") {
      tree.addDirectory(entry.path);
      yield { path: entry.path };
      continue;
    }
    const { path } = entry;
    if (path !== undefined) tree.addFile(path);
    if (entry.kind === "symlink") {
      yield { path: path ?? "", link: await targetOf(entry.target) };
      continue;
    }
    const { content } = entry;
    const watched = options.progress ? withProgress(content, path ?? "", onProgress) : content;
    yield { ...(path === undefined ? {} : { path }), content: watched };
  }
}

/** As long as Linux allows one to be. */
const SYMLINK_TARGET_BYTES_MAX = 4096;

async function targetOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let targetBytes = 0;
  for await (const chunk of chunks) {
    targetBytes += chunk.byteLength;
    if (targetBytes > SYMLINK_TARGET_BYTES_MAX) {
      throw invalid(`the target of a symlink is longer than ${SYMLINK_TARGET_BYTES_MAX} bytes`);
    }
    pieces.push(chunk);
  }
  // Kubo makes a node of it that no reader takes for a symlink.
  if (targetBytes === 0) throw invalid("a symlink without a target");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(pieces));
  } catch (cause) {
    throw new HoldfastError("INVALID_ARGUMENT", "the target of a symlink is not UTF-8", { cause });
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

const DISCARD: BlockStore = {
  get: () => Promise.resolve(undefined),
  has: () => Promise.resolve(false),
  put: () => Promise.resolve(),
};

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
