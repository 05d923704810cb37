import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HoldfastError } from "@holdfast/core";
import { base32 } from "multiformats/bases/base32";
import type { CID } from "multiformats/cid";
import { isBlockOf } from "../../content/block-hash.ts";
import type { Block } from "../../content/block-store.ts";
import { forEachLimited } from "./for-each-limited.ts";

/** Writes and fsyncs in flight per put. Measured: 200 × 256 KiB take 238 ms with 1, 160 ms with 8, and no less with 32. */
const WRITES_MAX = 8;

/** A digest of 128 bytes is the largest that IPFS accepts; its base32 name still fits a file name. */
const MULTIHASH_BYTES_MAX = 132;

const TEMPORARY = "incoming";
const CORRUPT = "corrupt";

/**
 * One file per block, `<directory>/<shard>/<multihash in base32>`, where the shard is the name's last two characters but one
 * (1,024 folders, evenly filled because the name ends in a hash).
 *
 * A block appears under its name only by a rename after its bytes have reached the disk, so a file that exists is
 * complete whenever the process dies. One process writes; other threads of it may read the same folder at the same time.
 */
export class BlockFiles {
  readonly #directory: string;
  /** Per file: what is being done to it. A put and the removal of a corrupt copy must not overlap. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** Folders that survive a crash of the machine: one fsync of their parent for all that a put makes, not one each. */
  readonly #durableShards = new Set<string>();

  /** Makes the folder and sweeps what a crash left behind; only whoever writes does that. @throws Error of the disk. */
  static async create(directory: string): Promise<BlockFiles> {
    await mkdir(join(directory, TEMPORARY), { recursive: true });
    await syncFolder(dirname(directory));
    await sweepTemporaryFiles(join(directory, TEMPORARY));
    return new BlockFiles(directory);
  }

  /** For reading a folder that may not be there yet. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The bytes as they are stored, unverified. */
  async get(cid: CID): Promise<Uint8Array | undefined> {
    const file = fileOf(cid);
    return file === undefined ? undefined : readIfPresent(join(this.#directory, file));
  }

  /** By name only. */
  async has(cid: CID): Promise<boolean> {
    const file = fileOf(cid);
    return file !== undefined && (await exists(join(this.#directory, file)));
  }

  /** As `BlockStore.put`. */
  async put(blocks: readonly Block[]): Promise<void> {
    const shards = new Set<string>();
    try {
      await forEachLimited(blocks, WRITES_MAX, async ({ cid, bytes }) => {
        const file = fileOf(cid);
        if (file === undefined)
          throw new HoldfastError("STORE_FAILED", "the multihash is too long to be stored");
        await this.#exclusively(file, () => this.#write(file, bytes));
        shards.add(shardOf(file));
      });
      // A rename is durable once its folder is. Also for blocks that were there already: their rename may not be yet.
      await forEachLimited([...shards], WRITES_MAX, (shard) => syncFolder(join(this.#directory, shard)));
      const isNew = [...shards].some((shard) => !this.#durableShards.has(shard));
      if (isNew) await syncFolder(this.#directory);
      for (const shard of shards) this.#durableShards.add(shard);
    } catch (cause) {
      if (cause instanceof HoldfastError) throw cause;
      throw new HoldfastError("STORE_FAILED", "the blocks could not be written", { cause });
    }
  }

  async #write(file: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#directory, file);
    const present = await readIfPresent(path);
    // Compared, not assumed: acknowledging on a corrupt copy would lose the block.
    if (present !== undefined && Buffer.compare(present, bytes) === 0) return;
    await this.#makeShard(shardOf(file));
    const temporary = join(this.#directory, TEMPORARY, randomUUID());
    try {
      await writeDurably(temporary, bytes);
      await rename(temporary, path);
    } catch (err) {
      // The first error is what matters; a leftover is swept at the next start.
      await rm(temporary, { force: true }).catch(() => {});
      throw err;
    }
  }

  async #makeShard(shard: string): Promise<void> {
    if (!this.#durableShards.has(shard)) await mkdir(join(this.#directory, shard), { recursive: true });
  }

  /** Moves the file away unless a put has repaired it meanwhile. Kept, not deleted: it is evidence of a failing disk. */
  async setAsideIfCorrupt(cid: CID): Promise<void> {
    const file = fileOf(cid);
    if (file === undefined) return;
    await this.#exclusively(file, async () => {
      const path = join(this.#directory, file);
      try {
        const bytes = await readIfPresent(path);
        if (bytes === undefined || isBlockOf(cid, bytes)) return;
        await mkdir(join(this.#directory, CORRUPT), { recursive: true });
        await rename(path, join(this.#directory, CORRUPT, nameOf(file)));
      } catch {
        // Nothing more can be done on a disk that refuses; the read is a miss either way and was counted.
      }
    });
  }

  async #exclusively<T>(file: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(file);
    const turn = before === undefined ? work() : before.then(work, work);
    this.#busy.set(file, turn);
    try {
      return await turn;
    } finally {
      if (this.#busy.get(file) === turn) this.#busy.delete(file);
    }
  }
}

/** Relative to the store's folder; undefined for a multihash that cannot be a file name. */
function fileOf(cid: CID): string | undefined {
  const { bytes } = cid.multihash;
  if (bytes.byteLength > MULTIHASH_BYTES_MAX) return undefined;
  const name = base32.baseEncode(bytes);
  return join(name.slice(-3, -1).padStart(2, "_"), name);
}

const shardOf = (file: string): string => file.slice(0, file.indexOf("/"));
const nameOf = (file: string): string => file.slice(file.indexOf("/") + 1);

async function readIfPresent(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new HoldfastError("STORE_FAILED", "a block could not be read", { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if (isMissing(cause)) return false;
    throw new HoldfastError("STORE_FAILED", "a block could not be looked up", { cause });
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function sweepTemporaryFiles(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { force: true });
}

function isMissing(err: unknown): boolean {
  return err instanceof Error && "code" in err && err.code === "ENOENT";
}
