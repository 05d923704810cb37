import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { type HoldfastError, parseIpnsName, type ValidatedRecord } from "@holdfast/core";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { openRecordReader } from "../src/adapters/sqlite/record-reader.ts";
import { SqliteRecordStore, type SqliteRecordStoreOptions } from "../src/adapters/sqlite/record-store.ts";
import { spawnThread } from "../src/adapters/threads/spawn-thread.ts";
import { HISTORY_RECORDS_MAX } from "../src/records/record-store.ts";
import { recordStoreContract } from "./contracts/record-store.contract.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";
import { createTestName, makeValidatedRecord } from "./support/records.ts";
import { until } from "./support/until.ts";

const CLIENT = { origin: "client", receivedAtMs: 1000 } as const;
const logger = pino({ level: "silent" });
/** A module after which checkpoints fail as they do on a full disk. */
const REFUSED_CHECKPOINTS = `data:text/javascript,${encodeURIComponent(`
  import { DatabaseSync } from "node:sqlite";
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    if (sql.includes("wal_checkpoint")) throw new Error("database or disk is full");
    return exec.call(this, sql);
  };
`)}`;

recordStoreContract("sqlite", async () => {
  const dataDir = makeDataDir(MEMORY_FOLDER);
  const store = await SqliteRecordStore.open({ logger }, { dataDir });
  return {
    store,
    reopen: async () => {
      await store[Symbol.asyncDispose]();
      return SqliteRecordStore.open({ logger }, { dataDir });
    },
    survivesRestart: true,
  };
});

describe("durability", { timeout: 60_000 }, () => {
  test("every acknowledged record is there after kill -9 under load", async () => {
    const dataDir = makeDataDir();
    const child = startWriterProcess(dataDir);
    const acknowledged = new Map<string, bigint>();
    let lines = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const [name = "", sequence = ""] = line.split(" ");
      acknowledged.set(name, BigInt(sequence));
      if (++lines === 400) child.kill("SIGKILL");
    }
    expect(lines).toBeGreaterThanOrEqual(400);

    const store = await openStore({ dataDir });
    expect(acknowledged.size).toBeGreaterThan(1);
    for (const [text, sequence] of acknowledged) {
      const stored = store.get(parseIpnsName(text))?.record.sequence ?? -1n;
      // One more than acknowledged is right: its commit finished and the process died before it could say so.
      expect([sequence, sequence + 1n]).toContain(stored);
    }
    expect(store.count()).toBe(acknowledged.size);
  });

  test("disposal settles every put that was accepted, keeps all of it and leaves no WAL behind", async () => {
    const dataDir = makeDataDir();
    const store = await openStore({ dataDir });
    const records = await makeRecords(300);
    const settled = Promise.all(records.map((record) => store.put(record, CLIENT)));
    records.forEach(({ name }) => store.confirm(name, 5000));
    const disposed = store[Symbol.asyncDispose]();
    await expect(store.put(await makeValidatedRecord(createTestName()), CLIENT)).rejects.toMatchObject({
      code: "SHUTTING_DOWN",
    });
    expect((await settled).every(({ outcome }) => outcome === "stored")).toBe(true);
    await disposed;
    expect(statSync(`${store.databasePath}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);

    const reopened = await openStore({ dataDir });
    expect(reopened.count()).toBe(300);
    for (const { name } of records) expect(reopened.get(name)?.checkedAtMs).toBe(5000);
  });

  test("confirmations noted while others are being written are kept by disposal too", async () => {
    const dataDir = makeDataDir();
    const store = await openStore({ dataDir, confirmDelayMs: 60_000 });
    const [first, second] = (await makeRecords(2)) as [ValidatedRecord, ValidatedRecord];
    await Promise.all([store.put(first, CLIENT), store.put(second, CLIENT)]);
    const release = holdWriteLock(store.databasePath);
    store.confirm(first.name, 5000);
    const put = store.put(first, CLIENT);
    store.confirm(second.name, 6000);
    store.confirm(first.name, 7000);
    const disposed = store[Symbol.asyncDispose]();
    release();
    await put;
    await disposed;
    const reopened = await openStore({ dataDir });
    expect(reopened.get(first.name)?.checkedAtMs).toBe(7000);
    expect(reopened.get(second.name)?.checkedAtMs).toBe(6000);
  });

  test("confirmations reach the disk without a put", async () => {
    const store = await openStore({ confirmDelayMs: 1 });
    const record = await makeValidatedRecord(createTestName());
    await store.put(record, CLIENT);
    store.confirm(record.name, 5000);
    using reader = openRecordReader(store.databasePath);
    await until(() => expect(reader.get(record.name)?.checkedAtMs).toBe(5000));
  });

  test("confirmations past the bound are dropped and the rest is kept", async () => {
    const store = await openStore({ confirmDelayMs: 60_000, confirmNamesMax: 2 });
    const records = await makeRecords(3);
    await Promise.all(records.map((record) => store.put(record, CLIENT)));
    for (const { name } of records) store.confirm(name, 5000);
    for (const { name } of records) store.confirm(name, 6000);
    expect(records.map(({ name }) => store.get(name)?.checkedAtMs)).toEqual([6000, 6000, 1000]);
  });
});

test("superseded records beyond the history are deleted from the file", { timeout: 60_000 }, async () => {
  const store = await openStore();
  const key = createTestName();
  for (let sequence = 1n; sequence <= 25n; sequence++) {
    await store.put(await makeValidatedRecord(key, { sequence }), CLIENT);
  }
  using db = openDatabase(store.databasePath);
  const row = db.prepare("SELECT count(*) AS kept, min(position) AS oldest FROM superseded_records").get();
  expect(row).toEqual({ kept: HISTORY_RECORDS_MAX - 1, oldest: 24 - (HISTORY_RECORDS_MAX - 1) });
});

describe("threads", { timeout: 60_000 }, () => {
  test("R39: while a commit is stuck, the event loop turns and reads answer", async () => {
    const store = await openStore();
    const [known, incoming] = (await makeRecords(2)) as [ValidatedRecord, ValidatedRecord];
    await store.put(known, CLIENT);

    // The write lock is held by this very thread: if a commit ran here, it would wait for itself and fail.
    const release = holdWriteLock(store.databasePath);
    let isSettled = false;
    const put = store.put(incoming, CLIENT).finally(() => (isSettled = true));
    for (let turn = 0; turn < 500; turn++) {
      await nextTurn();
      expect(store.get(known.name)?.record.sequence).toBe(1n);
    }
    expect(isSettled).toBe(false);
    expect(store.get(incoming.name)).toBeUndefined();
    release();
    expect((await put).outcome).toBe("stored");
    expect(store.get(incoming.name)).toBeDefined();
  });

  test("R39: puts that arrive while a commit runs share the next one", async () => {
    const store = await openStore();
    const records = await makeRecords(200);
    const release = holdWriteLock(store.databasePath);
    const commitsBefore = countWalCommits(store.databasePath);
    const puts: Promise<unknown>[] = [];
    for (let start = 0; start < records.length; start += 10) {
      for (const record of records.slice(start, start + 10)) puts.push(store.put(record, CLIENT));
      // Each turn is a message of its own.
      await nextTurn();
    }
    release();
    await Promise.all(puts);
    const commits = countWalCommits(store.databasePath) - commitsBefore;
    expect(commits).toBeGreaterThan(0);
    expect(commits).toBeLessThanOrEqual(3);
  });

  test("a full queue refuses with OVERLOADED, and what was accepted is stored", async () => {
    const store = await openStore({ waitingMax: 10 });
    const records = await makeRecords(15);
    const release = holdWriteLock(store.databasePath);
    const puts = records.map((record) => store.put(record, CLIENT));
    const refused = await Promise.allSettled(puts.slice(10));
    release();
    const stored = await Promise.all(puts.slice(0, 10));
    expect(stored.every(({ outcome }) => outcome === "stored")).toBe(true);
    for (const result of refused) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "OVERLOADED" } });
    }
    expect(store.count()).toBe(10);
    // Room again.
    const later = records[12] as ValidatedRecord;
    expect((await store.put(later, CLIENT)).outcome).toBe("stored");
  });

  test("a thread that dies fails what waits, is reported once, and reads go on", async () => {
    const dataDir = makeDataDir();
    const workers: Worker[] = [];
    const fatal: HoldfastError[] = [];
    const store = await SqliteRecordStore.open(
      {
        logger,
        onFatal: (err) => fatal.push(err),
        spawn: (...args) => {
          const worker = spawnThread(...args);
          workers.push(worker);
          return worker;
        },
      },
      { dataDir },
    );
    onTestFinished(() => store[Symbol.asyncDispose]());
    const [known, ...waiting] = (await makeRecords(20)) as [ValidatedRecord, ...ValidatedRecord[]];
    await store.put(known, CLIENT);

    // Terminated in the same turn, before the puts are posted: none of them can have been written.
    const puts = waiting.map((record) => store.put(record, CLIENT));
    const terminated = workers[0]?.terminate();
    for (const result of await Promise.allSettled(puts)) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "STORE_FAILED" } });
    }
    await terminated;
    await expect(store.put(known, CLIENT)).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(fatal).toHaveLength(1);
    expect(store.get(known.name)?.record.sequence).toBe(1n);
    await store[Symbol.asyncDispose]();

    // The lock went with the thread.
    const reopened = await openStore({ dataDir });
    expect(reopened.count()).toBe(1);
  });

  test("a reader of its own sees each put when it has settled", async () => {
    const store = await openStore();
    using reader = openRecordReader(store.databasePath);
    const record = await makeValidatedRecord(createTestName());
    expect(reader.get(record.name)).toBeUndefined();
    await store.put(record, { origin: "peer-push", receivedAtMs: 1234 });
    expect(reader.get(record.name)).toMatchObject({
      origin: "peer-push",
      receivedAtMs: 1234,
      checkedAtMs: 1234,
    });
    expect(reader.get(record.name)?.record.bytes).toEqual(new Uint8Array(record.bytes));
  });
});

describe("a disk that refuses", { timeout: 60_000 }, () => {
  test("a stop is no failure when what was committed cannot leave the write-ahead log", async () => {
    const dataDir = makeDataDir();
    const fatal: HoldfastError[] = [];
    const store = await SqliteRecordStore.open(
      {
        logger,
        onFatal: (err) => fatal.push(err),
        spawn: (module, callerUrl, options) =>
          spawnThread(module, callerUrl, {
            ...options,
            execArgv: ["--conditions=@holdfast/source", "--import", REFUSED_CHECKPOINTS],
          }),
      },
      { dataDir },
    );
    const record = await makeValidatedRecord(createTestName());
    await store.put(record, CLIENT);
    await store[Symbol.asyncDispose]();
    expect(fatal).toEqual([]);
    expect((await openStore({ dataDir })).get(record.name)?.record.bytes).toEqual(record.bytes);
  });

  test("every put of the failed commit gets STORE_FAILED, acknowledged ones stay, and the store recovers", async () => {
    const dataDir = makeDataDir();
    const store = await openStore({ dataDir, databasePagesMax: 100 });
    const records = await makeRecords(1000);
    const acknowledged: ValidatedRecord[] = [];
    let failure: unknown;
    for (let start = 0; failure === undefined; start += 10) {
      const group = records.slice(start, start + 10);
      const results = await Promise.allSettled(group.map((record) => store.put(record, CLIENT)));
      const failed = results.filter((result) => result.status === "rejected");
      expect([0, 10]).toContain(failed.length);
      if (failed.length === 0) acknowledged.push(...group);
      failure = failed[0]?.reason;
      for (const { name } of group) expect(store.get(name) === undefined).toBe(failed.length > 0);
    }
    expect(failure).toMatchObject({ code: "STORE_FAILED" });
    expect(store.isRefusingWrites).toBe(true);
    expect(acknowledged.length).toBeGreaterThan(50);
    expect(store.count()).toBe(acknowledged.length);

    // Room is made behind the store's back, as an operator would who empties a disk.
    const [dropped, ...kept] = acknowledged as [ValidatedRecord, ...ValidatedRecord[]];
    using db = openDatabase(store.databasePath);
    db.prepare("DELETE FROM records WHERE name <> ?").run((kept[0] as ValidatedRecord).name.multihash);
    expect((await store.put(dropped, CLIENT)).outcome).toBe("stored");
    expect(store.isRefusingWrites).toBe(false);
    expect(store.get(dropped.name)).toBeDefined();
    expect(store.get((kept[0] as ValidatedRecord).name)).toBeDefined();
  });

  test("a confirmation whose commit failed is still seen and is written later", async () => {
    const dataDir = makeDataDir();
    const store = await openStore({ dataDir, confirmDelayMs: 1 });
    const record = await makeValidatedRecord(createTestName());
    await store.put(record, CLIENT);
    using db = openDatabase(store.databasePath);
    db.exec("CREATE TRIGGER refuse BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'refused'); END");
    store.confirm(record.name, 5000);
    await expect(store.put(await makeValidatedRecord(createTestName()), CLIENT)).rejects.toMatchObject({
      code: "STORE_FAILED",
    });
    expect(store.get(record.name)?.checkedAtMs).toBe(5000);
    db.exec("DROP TRIGGER refuse");
    using reader = openRecordReader(store.databasePath);
    await until(() => expect(reader.get(record.name)?.checkedAtMs).toBe(5000));
  });

  test("a damaged row is a miss, does not lock its owner out and harms no other put", async () => {
    const store = await openStore();
    const key = createTestName();
    await store.put(await makeValidatedRecord(key, { sequence: 9n }), CLIENT);
    using db = openDatabase(store.databasePath);
    db.prepare("UPDATE records SET bytes = ?").run(Uint8Array.of(1, 2, 3));
    expect(store.get(key.name)).toBeUndefined();
    expect(store.history(key.name)).toEqual([]);

    const other = await makeValidatedRecord(createTestName());
    const mended = await makeValidatedRecord(key, { sequence: 3n });
    const results = await Promise.all([store.put(other, CLIENT), store.put(mended, CLIENT)]);
    expect(results.map(({ outcome }) => outcome)).toEqual(["stored", "stored"]);
    expect(store.get(key.name)?.record.sequence).toBe(3n);
  });
});

describe("opening", { timeout: 60_000 }, () => {
  test("a second store on the data directory is refused, in this process and in another", async () => {
    const dataDir = makeDataDir();
    const store = await openStore({ dataDir });
    await expect(SqliteRecordStore.open({ logger }, { dataDir })).rejects.toMatchObject({
      code: "STORE_FAILED",
      details: { reason: "locked" },
    });
    const child = startWriterProcess(dataDir);
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) lines.push(line);
    expect(lines).toEqual(["refused locked"]);

    // The refused ones took nothing away from the first.
    const record = await makeValidatedRecord(createTestName());
    expect((await store.put(record, CLIENT)).outcome).toBe("stored");
    await store[Symbol.asyncDispose]();
    const next = await openStore({ dataDir });
    expect(next.count()).toBe(1);
  });

  test("the lock of a killed process does not outlive it", async () => {
    const dataDir = makeDataDir();
    const child = startWriterProcess(dataDir);
    const exited = once(child, "exit");
    await once(child.stdout, "data");
    await expect(SqliteRecordStore.open({ logger }, { dataDir })).rejects.toMatchObject({
      details: { reason: "locked" },
    });
    child.kill("SIGKILL");
    await exited;
    const store = await openStore({ dataDir });
    expect(store.count()).toBeGreaterThan(0);
  });

  test("a database of a newer version is refused and left as it is", async () => {
    const dataDir = makeDataDir();
    const store = await openStore({ dataDir });
    await store[Symbol.asyncDispose]();
    using db = openDatabase(store.databasePath);
    db.exec("PRAGMA user_version = 1000");
    await expect(SqliteRecordStore.open({ logger }, { dataDir })).rejects.toMatchObject({
      code: "STORE_FAILED",
      message: expect.stringContaining("version 1000"),
      details: { reason: "newer-schema" },
    });
    expect(db.prepare("PRAGMA user_version").get()).toMatchObject({ user_version: 1000 });
  });

  test("a file that is no database is refused and left as it is", async () => {
    const dataDir = makeDataDir();
    const path = join(dataDir, "holdfast.db");
    const text = "this is not a database, but a text that is long enough to be looked at ".repeat(20);
    writeFileSync(path, text);
    await expect(SqliteRecordStore.open({ logger }, { dataDir })).rejects.toMatchObject({
      code: "STORE_FAILED",
      details: { reason: "unusable" },
    });
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("a data directory that cannot be made is refused with STORE_FAILED", async () => {
    const file = join(makeDataDir(), "file");
    writeFileSync(file, "");
    await expect(SqliteRecordStore.open({ logger }, { dataDir: join(file, "data") })).rejects.toMatchObject({
      code: "STORE_FAILED",
      details: { reason: "unusable" },
    });
  });
});

function makeDataDir(folder = tmpdir()): string {
  const dataDir = mkdtempSync(join(folder, "holdfast-store-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  return dataDir;
}

async function openStore(options: Partial<SqliteRecordStoreOptions> = {}): Promise<SqliteRecordStore> {
  const store = await SqliteRecordStore.open(
    { logger },
    { dataDir: options.dataDir ?? makeDataDir(), ...options },
  );
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}

function makeRecords(count: number): Promise<ValidatedRecord[]> {
  return Promise.all(Array.from({ length: count }, () => makeValidatedRecord(createTestName())));
}

function openDatabase(path: string): DatabaseSync {
  return new DatabaseSync(path, { timeout: 5_000 });
}

/** Keeps every other connection from committing until the returned function is called. */
function holdWriteLock(databasePath: string): () => void {
  const db = openDatabase(databasePath);
  db.exec("BEGIN IMMEDIATE");
  return () => db.close();
}

/** Frames of the WAL that end a transaction. @see https://sqlite.org/fileformat2.html#the_write_ahead_log */
function countWalCommits(databasePath: string): number {
  const wal = readFileSync(`${databasePath}-wal`);
  if (wal.length < 32) return 0;
  const pageBytes = wal.readUInt32BE(8);
  let commits = 0;
  for (let at = 32; at + 24 + pageBytes <= wal.length; at += 24 + pageBytes) {
    const isCurrent = wal.readUInt32BE(at + 8) === wal.readUInt32BE(16);
    if (isCurrent && wal.readUInt32BE(at + 4) > 0) commits += 1;
  }
  return commits;
}

function startWriterProcess(dataDir: string): ChildProcess & { stdout: NodeJS.ReadableStream } {
  const script = `import { writeUntilKilled } from ${JSON.stringify(new URL("support/store-writer-process.ts", import.meta.url).href)};
    await writeUntilKilled(${JSON.stringify(dataDir)});`;
  const child = spawn(
    process.execPath,
    ["--conditions=@holdfast/source", "--input-type=module", "--eval", script],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}
