import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { base32 } from "multiformats/bases/base32";
import { CID } from "multiformats/cid";
import { decode as decodeDigest } from "multiformats/hashes/digest";
import type { HeldBlock } from "../../content/block-store.ts";

/** A digest of 128 bytes is the largest that IPFS accepts; its base32 name still fits a file name. */
const MULTIHASH_BYTES_MAX = 132;
const RAW_CODEC = 0x55;
const PAGE_BLOCKS = 64;

/** Relative to the store's folder; undefined for a multihash that cannot be a file name. */
export function fileOf(cid: CID): string | undefined {
  const { bytes } = cid.multihash;
  if (bytes.byteLength > MULTIHASH_BYTES_MAX) return undefined;
  const name = base32.baseEncode(bytes);
  return join(name.slice(-3, -1).padStart(2, "_"), name);
}

export const shardOf = (file: string): string => file.slice(0, file.indexOf("/"));
export const nameOf = (file: string): string => file.slice(file.indexOf("/") + 1);

/** The folders that hold blocks. None when the store's folder is not there. */
export async function shardsIn(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && /^[a-z2-7_]{2}$/.test(entry.name))
      .map(({ name }) => name);
  } catch (err) {
    if (isMissing(err)) return [];
    throw err;
  }
}

/** The blocks of one folder, in pages. @throws Error of the disk; the signal's reason when it aborts. */
export async function* listFiles(
  directory: string,
  shard: string,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<readonly HeldBlock[]> {
  const names = await readdir(join(directory, shard));
  for (let at = 0; at < names.length; at += PAGE_BLOCKS) {
    signal.throwIfAborted();
    const page = names.slice(at, at + PAGE_BLOCKS).map((name) => heldBlockOf(directory, shard, name));
    yield (await Promise.all(page)).filter((block) => block !== undefined);
  }
}

/** Undefined for what is no block, or was deleted meanwhile. */
async function heldBlockOf(directory: string, shard: string, name: string): Promise<HeldBlock | undefined> {
  const cid = cidOf(name);
  if (cid === undefined) return undefined;
  try {
    const { size, mtimeMs } = await stat(join(directory, shard, name));
    return { cid, byteLength: size, putAtMs: Math.floor(mtimeMs) };
  } catch (err) {
    if (isMissing(err)) return undefined;
    throw err;
  }
}

function cidOf(name: string): CID | undefined {
  try {
    return CID.createV1(RAW_CODEC, decodeDigest(base32.baseDecode(name)));
  } catch {
    // Not a file of ours: it is neither counted nor touched.
    return undefined;
  }
}

export function isMissing(err: unknown): boolean {
  return err instanceof Error && "code" in err && err.code === "ENOENT";
}
