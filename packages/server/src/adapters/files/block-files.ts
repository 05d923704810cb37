import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { isBlockOf } from "../../content/block-hash.ts";
import { type Block, type HeldBlock, PUT_AT_GRAIN_MS } from "../../content/block-store.ts";
import { fileOf, isMissing, listFiles, nameOf, shardOf, shardsIn } from "./block-file-names.ts";
import { FileTotal } from "./file-total.ts";
import { forEachLimited } from "./for-each-limited.ts";
import { syncFolder } from "./sync-folder.ts";

/** Writes and fsyncs in flight per put. Measured: 200 × 256 KiB take 238 ms with 1, 160 ms with 8, and no less with 32. */
const WRITES_MAX = 8;

const TEMPORARY = "incoming";
const CORRUPT = "corrupt";
const NEVER_ENDED = { signal: new AbortController().signal };

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
  readonly #total: FileTotal | undefined;
  /** All that there are: what would be in another one is not there, and the disk need not be asked. Only whoever writes knows. */
  readonly #shards: Set<string> | undefined;
  /** The folder whose files are being counted: nothing may change in it. */
  #counting: { readonly shard: string; readonly end: Promise<void> } | undefined;
  #count: Promise<void> = Promise.resolve();
  /** Puts and deletions under way. */
  readonly #changes = new Set<Promise<void>>();
  #isClosed = false;

  /** Makes the folder and sweeps what a crash left behind; only whoever writes does that. @throws Error of the disk. */
  static async create(directory: string): Promise<BlockFiles> {
    await mkdir(join(directory, TEMPORARY), { recursive: true });
    await syncFolder(dirname(directory));
    await sweepTemporaryFiles(join(directory, TEMPORARY));
    const shards = await shardsWithFiles(directory);
    const files = new BlockFiles(directory, {
      total: await FileTotal.open(directory, shards),
      shards: new Set(shards),
    });
    files.#count = files.#countFiles();
    return files;
  }

  /** For reading a folder that may not be there yet. */
  constructor(
    directory: string,
    writing: { readonly total?: FileTotal; readonly shards?: Set<string> } = {},
  ) {
    this.#directory = directory;
    this.#total = writing.total;
    this.#shards = writing.shards;
  }

  /** Of all files; only whoever writes knows it. After a crash what it was before, until they are counted. */
  get heldBytes(): number {
    return this.#total?.bytes ?? 0;
  }

  /** The bytes as they are stored, unverified. */
  async get(cid: CID): Promise<Uint8Array | undefined> {
    const file = this.#placeOf(cid);
    return file === undefined ? undefined : readIfPresent(join(this.#directory, file));
  }

  /** By name only. */
  async has(cid: CID): Promise<boolean> {
    const file = this.#placeOf(cid);
    return file !== undefined && (await exists(join(this.#directory, file)));
  }

  /** As `BlockStore.put`. */
  put(blocks: readonly Block[], nowMs: number): Promise<void> {
    return this.#change("written", blocks, async () => {
      const shards = new Set<string>();
      await forEachLimited(blocks, WRITES_MAX, async ({ cid, bytes }) => {
        const file = fileOf(cid);
        if (file === undefined)
          throw new HoldfastError("STORE_FAILED", "the multihash is too long to be stored");
        await this.#exclusively(file, () => this.#write(file, bytes, nowMs));
        shards.add(shardOf(file));
      });
      // A rename is durable once its folder is. Also for blocks that were there already: their rename may not be yet.
      await forEachLimited([...shards], WRITES_MAX, (shard) => syncFolder(join(this.#directory, shard)));
      const isNew = [...shards].some((shard) => !this.#durableShards.has(shard));
      if (isNew) await syncFolder(this.#directory);
      for (const shard of shards) this.#durableShards.add(shard);
    });
  }

  /** As `SweepableBlockStore.delete`. What is deleted may be back after a crash of the machine: the next sweep finds it. */
  delete(cids: readonly CID[]): Promise<void> {
    const files = cids.map(fileOf).filter((file) => file !== undefined);
    return this.#change("deleted", files, () =>
      forEachLimited(files, WRITES_MAX, (file) => this.#exclusively(file, () => this.#remove(file))),
    );
  }

  /** As `SweepableBlockStore.list`. */
  async *list(options: { readonly signal: AbortSignal }): AsyncGenerator<readonly HeldBlock[]> {
    try {
      for (const shard of await shardsIn(this.#directory)) yield* listFiles(this.#directory, shard, options);
    } catch (cause) {
      options.signal.throwIfAborted();
      throw new HoldfastError("STORE_FAILED", "the blocks could not be listed", { cause });
    }
  }

  /** Settles all that was accepted. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled([this.#count, ...this.#changes]);
    // What cannot be written down is counted at the next start.
    await this.#total?.close().catch(() => {});
  }

  async #change(what: string, items: readonly unknown[], work: () => Promise<void>): Promise<void> {
    if (items.length === 0) return;
    if (this.#isClosed) throw new HoldfastError("SHUTTING_DOWN", "the block store is closing");
    const change = Promise.resolve(this.#total?.beforeChange()).then(work);
    this.#changes.add(change);
    try {
      await change;
    } catch (cause) {
      if (cause instanceof HoldfastError) throw cause;
      throw new HoldfastError("STORE_FAILED", `the blocks could not be ${what}`, { cause });
    } finally {
      this.#changes.delete(change);
    }
  }

  async #remove(file: string): Promise<void> {
    const path = join(this.#directory, file);
    try {
      const { size } = await stat(path);
      await rm(path);
      this.#total?.change(shardOf(file), -size);
    } catch (err) {
      if (!isMissing(err)) throw err;
    }
  }

  async #write(file: string, bytes: Uint8Array, nowMs: number): Promise<void> {
    const path = join(this.#directory, file);
    const present = await readIfPresent(path);
    // Compared, not assumed: acknowledging on a corrupt copy would lose the block.
    if (present !== undefined && Buffer.compare(present, bytes) === 0) return touch(path, nowMs);
    await this.#makeShard(shardOf(file));
    const temporary = join(this.#directory, TEMPORARY, randomUUID());
    try {
      await writeDurably(temporary, bytes, nowMs);
      await rename(temporary, path);
      this.#total?.change(shardOf(file), bytes.byteLength - (present?.byteLength ?? 0));
    } catch (err) {
      // The first error is what matters; a leftover is swept at the next start.
      await rm(temporary, { force: true }).catch(() => {});
      throw err;
    }
  }

  async #makeShard(shard: string): Promise<void> {
    if (!this.#durableShards.has(shard)) await mkdir(join(this.#directory, shard), { recursive: true });
    this.#shards?.add(shard);
  }

  /** Where its file is if there is one; undefined when there is none for sure. */
  #placeOf(cid: CID): string | undefined {
    const file = fileOf(cid);
    return file === undefined || this.#shards?.has(shardOf(file)) === false ? undefined : file;
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
        this.#total?.change(shardOf(file), -bytes.byteLength);
      } catch {
        // Nothing more can be done on a disk that refuses; the read is a miss either way and was counted.
      }
    });
  }

  /** Never rejects: what cannot be counted now is counted at the next start. */
  async #countFiles(): Promise<void> {
    for (const shard of this.#total?.uncounted ?? []) {
      const { promise: end, resolve } = Promise.withResolvers<void>();
      this.#counting = { shard, end };
      try {
        await Promise.allSettled(
          [...this.#busy].filter(([file]) => shardOf(file) === shard).map(([, turn]) => turn),
        );
        let bytes = 0;
        for await (const page of listFiles(this.#directory, shard, NEVER_ENDED))
          bytes += page.reduce((sum, { byteLength }) => sum + byteLength, 0);
        this.#total?.noteCounted(shard, bytes);
      } catch {
        return;
      } finally {
        this.#counting = undefined;
        resolve();
      }
      if (this.#isClosed) return;
    }
  }

  async #exclusively<T>(file: string, work: () => Promise<T>): Promise<T> {
    if (this.#counting?.shard === shardOf(file)) await this.#counting.end;
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

/** Empty folders are removed: a sweep leaves many behind. */
async function shardsWithFiles(directory: string): Promise<string[]> {
  const filled: string[] = [];
  for (const shard of await shardsIn(directory)) {
    try {
      await rmdir(join(directory, shard));
    } catch {
      // There is something in it, as it should be; whatever else it is, reading will tell.
      filled.push(shard);
    }
  }
  return filled;
}

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

async function writeDurably(path: string, bytes: Uint8Array, nowMs: number): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.utimes(nowMs / 1000, nowMs / 1000);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** A file's time is when its block was put last. */
async function touch(path: string, nowMs: number): Promise<void> {
  const { mtimeMs } = await stat(path);
  if (mtimeMs < nowMs - PUT_AT_GRAIN_MS) await utimes(path, nowMs / 1000, nowMs / 1000);
}

async function sweepTemporaryFiles(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { force: true });
}
