import assert from "node:assert/strict";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { CID } from "multiformats/cid";
import { decode as decodeDigest } from "multiformats/hashes/digest";
import { isBlockOf } from "../../content/block-hash.ts";
import { PUT_AT_GRAIN_MS } from "../../content/block-store.ts";
import { checkpointAndClose } from "../threads/checkpoint-and-close.ts";
import { heldBytesOf, openForWriting } from "./small-blocks-database.ts";
import {
  type FromSmallBlocksThread,
  type SmallBlocksThreadOptions,
  type ToSmallBlocksThread,
  unpackBlocks,
} from "./small-blocks-messages.ts";

type Job = Exclude<ToSmallBlocksThread, { kind: "close" }>;

/** Keeps a commit short: the first put of a group waits for the whole group. */
const GROUP_BYTES_MAX = 8 * 1024 * 1024;
const RAW_CODEC = 0x55;
/** Free pages are given back to the file system when they are half of the file and this many: puts use the others again. */
const FREE_PAGES_MIN = 1024;
/** In one step, which takes some milliseconds. */
const FREED_PAGES_MAX = 4096;

assert(parentPort !== null, "small-blocks-thread runs as a worker only");
const port = parentPort;
const db = openForWriting((workerData as SmallBlocksThreadOptions).databasePath);
const statements = {
  // Compared, not assumed: acknowledging on a corrupt copy would lose the block.
  put: db.prepare(`
    INSERT INTO blocks (multihash, put_at_ms, bytes) VALUES (?, ?, ?)
    ON CONFLICT (multihash) DO UPDATE SET put_at_ms = excluded.put_at_ms, bytes = excluded.bytes
    WHERE put_at_ms < excluded.put_at_ms - ${PUT_AT_GRAIN_MS} OR bytes IS NOT excluded.bytes`),
  get: db.prepare("SELECT bytes FROM blocks WHERE multihash = ?"),
  setAside: db.prepare("INSERT INTO corrupt_blocks SELECT multihash, bytes FROM blocks WHERE multihash = ?"),
  delete: db.prepare("DELETE FROM blocks WHERE multihash = ?"),
} as const satisfies Record<string, StatementSync>;

port.on("message", (first: ToSmallBlocksThread) => {
  const { jobs, isLast } = drainMessages(first);
  if (jobs.length > 0) port.postMessage(commitGroup(db, jobs));
  if (!isLast) return;
  checkpointAndClose(db);
  port.close();
});

/** What arrived while the last commit ran shares the next one. */
function drainMessages(first: ToSmallBlocksThread): { jobs: Job[]; isLast: boolean } {
  const jobs: Job[] = [];
  let groupBytes = 0;
  let message: ToSmallBlocksThread | undefined = first;
  while (message !== undefined && message.kind !== "close") {
    jobs.push(message);
    if (message.kind === "put") groupBytes += message.blocks.content.byteLength;
    if (groupBytes >= GROUP_BYTES_MAX) break;
    message = (receiveMessageOnPort(port) as { message: ToSmallBlocksThread } | undefined)?.message;
  }
  return { jobs, isLast: message?.kind === "close" };
}

function commitGroup(database: DatabaseSync, jobs: readonly Job[]): FromSmallBlocksThread {
  const ids = jobs.map(({ id }) => id);
  try {
    database.exec("BEGIN IMMEDIATE");
    for (const job of jobs) runJob(job);
    const heldBytes = heldBytesOf(database);
    database.exec("COMMIT");
    if (jobs.some(({ kind }) => kind === "delete")) giveBackSpace(database);
    return { kind: "done", ids, heldBytes };
  } catch (err) {
    // SQLite has rolled back by itself after some errors (a full disk) and not after others.
    if (database.isTransaction) database.exec("ROLLBACK");
    return { kind: "failed", ids, reason: err instanceof Error ? err.message : String(err) };
  }
}

function giveBackSpace(database: DatabaseSync): void {
  try {
    const pages = Number(database.prepare("PRAGMA page_count").get()?.["page_count"]);
    const freePages = Number(database.prepare("PRAGMA freelist_count").get()?.["freelist_count"]);
    if (freePages >= Math.max(FREE_PAGES_MIN, pages / 2))
      database.exec(`PRAGMA incremental_vacuum(${FREED_PAGES_MAX})`);
  } catch {
    // The blocks are gone either way; later puts use the pages.
  }
}

function runJob(job: Job): void {
  if (job.kind === "put") {
    for (const [multihash, bytes] of unpackBlocks(job.blocks))
      statements.put.run(multihash, job.nowMs, bytes);
    return;
  }
  if (job.kind === "delete") {
    for (const [multihash] of unpackBlocks(job.blocks)) statements.delete.run(multihash);
    return;
  }
  const row = statements.get.get(job.multihash) as { bytes: Uint8Array } | undefined;
  // A put may have repaired it meanwhile.
  if (row === undefined || isBlockOf(CID.createV1(RAW_CODEC, decodeDigest(job.multihash)), row.bytes)) return;
  statements.setAside.run(job.multihash);
  statements.delete.run(job.multihash);
}
