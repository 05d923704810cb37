import { HoldfastError } from "@holdfast/core";
import { exporter, type ReadableStorage, walkPath } from "ipfs-unixfs-exporter";
import type { CID } from "multiformats/cid";
import type { Retrieval } from "./retrieval.ts";
import type { DirectoryEntry } from "./unixfs-node.ts";

/**
 * Finds a name in a directory that is spread over many blocks (a HAMT); reads one block per level.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` when the shards are malformed, and what reading a block throws.
 */
export async function findInShards(
  directory: CID,
  name: string,
  retrieval: Retrieval,
): Promise<CID | undefined> {
  // The exporter takes a path as text in which a backslash escapes; such a name is looked for one by one.
  if (/[\\/]/.test(name)) {
    for await (const entry of shardedEntries(directory, retrieval)) if (entry.name === name) return entry.cid;
    return undefined;
  }
  let found: CID | undefined;
  try {
    for await (const step of walkPath(`${directory.toString()}/${name}`, storageOf(retrieval)))
      found = step.cid;
  } catch (err) {
    if (isNotFound(err)) return undefined;
    throw translated(directory, err);
  }
  return found;
}

/** All entries, in the order of the shards. Reads every block of the directory. */
export async function* shardedEntries(directory: CID, retrieval: Retrieval): AsyncGenerator<DirectoryEntry> {
  try {
    // As text: the exporter has its own copy of the CID class and takes no instance of ours.
    const entry = await exporter(directory.toString(), storageOf(retrieval));
    if (entry.type !== "directory") return;
    for await (const { name, cid, size } of entry.entries()) {
      yield { name, cid, dagBytes: size === undefined ? undefined : Number(size) };
    }
  } catch (err) {
    throw translated(directory, err);
  }
}

function storageOf(retrieval: Retrieval): ReadableStorage {
  return {
    async *get(cid: CID): AsyncGenerator<Uint8Array> {
      yield await retrieval.get(cid);
    },
  };
}

function isNotFound(err: unknown): boolean {
  return err instanceof Error && err.name === "NotFoundError";
}

/** Errors of reading a block pass through; the library's own mean that the shards make no sense. */
function translated(directory: CID, err: unknown): unknown {
  const isTheirs =
    err instanceof Error && ["NotUnixFSError", "BadPathError", "NoResolverError"].includes(err.name);
  if (!isTheirs) return err;
  return new HoldfastError(
    "CONTENT_UNSUPPORTED",
    `${directory.toString()} is not a directory that can be read`,
    {
      cause: err,
    },
  );
}
