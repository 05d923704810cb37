import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { SqliteAnnouncements } from "../src/adapters/sqlite/announcements/announcements.ts";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import type { OutgoingAnnouncement, Subject } from "../src/announce/announcement-outbox.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";

const ID = "ab".repeat(32);
const SETTLED = { id: ID, createdAtS: 500, settledAtS: 1_000, cids: 2, names: 1, charge: undefined };

interface TestStore {
  readonly log: SqliteAnnouncements;
  /** Closes the store and opens it again. */
  readonly reopen: () => Promise<SqliteAnnouncements>;
}

async function openStore(): Promise<TestStore> {
  const dataDir = await mkdtemp(join(MEMORY_FOLDER, "holdfast-announce-store-"));
  const open = (): Promise<SqliteRecordStore> =>
    SqliteRecordStore.open({ logger: createLogger("silent") }, { dataDir });
  let store = await open();
  onTestFinished(async () => {
    await store[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });
  return {
    log: store.announcements,
    async reopen() {
      await store[Symbol.asyncDispose]();
      store = await open();
      return store.announcements;
    },
  };
}

const cidSubject = (text: string): Subject => ({ kind: "cid", d: `ipfs-pin:${text}`, items: [text] });

function only(announcements: readonly OutgoingAnnouncement[]): OutgoingAnnouncement {
  const [first] = announcements;
  if (first === undefined || announcements.length > 1) throw new Error(`there are ${announcements.length}`);
  return first;
}

test("an event that has settled is known after a restart, and counted once", async () => {
  const { log, reopen } = await openStore();
  expect(log.hasSettled(ID)).toBe(false);
  await log.settle(SETTLED);
  await log.settle(SETTLED);
  const later = await reopen();
  expect(later.hasSettled(ID)).toBe(true);
  expect(later.hasSettled("cd".repeat(32))).toBe(false);
  expect(later.totals()).toEqual({ cids: 2, names: 1 });
});

test("what an author used is counted by day, for itself and for all", async () => {
  const { log, reopen } = await openStore();
  await log.settle({ ...SETTLED, charge: { author: "a", day: 7, subjects: 3 } });
  await log.settle({ ...SETTLED, id: "cd".repeat(32), charge: { author: "b", day: 7, subjects: 4 } });
  await log.chargeBytes("a", 7, 100.6);
  const later = await reopen();
  expect(later.usageOf("a", 7)).toEqual({ subjects: 3, bytes: 101 });
  expect(later.usageOf("a", 8)).toEqual({ subjects: 0, bytes: 0 });
  expect(later.subjectsOf(7)).toBe(7);
  await later.forgetEvents({ settledBeforeS: 0, createdBeforeS: 0, day: 8 });
  expect(later.subjectsOf(7)).toBe(0);
});

test("a cursor belongs to a relay and what it was asked for, and never moves back", async () => {
  const { log, reopen } = await openStore();
  await log.saveHighWater("ws://a", "x", 100);
  await log.saveHighWater("ws://a", "x", 90);
  await log.saveHighWater("ws://a", "y", 50);
  const later = await reopen();
  expect(later.highWaterS("ws://a", "x")).toBe(100);
  expect(later.highWaterS("ws://a", "y")).toBe(50);
  expect(later.highWaterS("ws://b", "x")).toBeUndefined();
});

test("an event is forgotten only when it is old and no relay is read from before it", async () => {
  const { log } = await openStore();
  await log.settle(SETTLED);
  await log.forgetEvents({ settledBeforeS: 1_000, createdBeforeS: 9_999, day: 0 });
  await log.forgetEvents({ settledBeforeS: 9_999, createdBeforeS: 500, day: 0 });
  expect(log.hasSettled(ID)).toBe(true);
  await log.forgetEvents({ settledBeforeS: 1_001, createdBeforeS: 501, day: 0 });
  expect(log.hasSettled(ID)).toBe(false);
});

test("what is queued is due until it is settled, also after a restart", async () => {
  const { log, reopen } = await openStore();
  await log.queue([cidSubject("a")], 1_000);
  expect(log.due(999, 10)).toEqual([]);
  const { turn } = only(log.due(1_000, 10));
  await log.saveEvent({ d: "ipfs-pin:a", turn, eventJson: "{}", createdAtS: 77 });
  const progress = {
    d: "ipfs-pin:a",
    turn,
    settledRelays: ["ws://a", "ws://b"],
    confirmations: 1,
    attempts: 3,
  };
  await log.settleOutgoing({ ...progress, nextAttemptAtMs: 5_000 });
  const later = await reopen();
  expect(later.nextAttemptAtMs()).toBe(5_000);
  expect(later.waiting()).toBe(1);
  expect(only(later.due(5_000, 10))).toEqual({
    kind: "cid",
    d: "ipfs-pin:a",
    items: ["a"],
    turn,
    eventJson: "{}",
    createdAtS: 77,
    settledRelays: ["ws://a", "ws://b"],
    confirmations: 1,
    attempts: 3,
  });
  await later.settleOutgoing({ ...progress, nextAttemptAtMs: undefined });
  expect(later.nextAttemptAtMs()).toBeUndefined();
  expect(later.waiting()).toBe(0);
});

test("what is queued anew meanwhile is not settled by what was said about it before, and its instant is kept", async () => {
  const { log } = await openStore();
  await log.queue([cidSubject("a")], 1_000);
  const { turn } = only(log.due(1_000, 10));
  await log.queue([cidSubject("a")], 2_000);
  await log.saveEvent({ d: "ipfs-pin:a", turn, eventJson: "{}", createdAtS: 77 });
  await log.settleOutgoing({
    d: "ipfs-pin:a",
    turn,
    settledRelays: ["ws://a"],
    confirmations: 1,
    attempts: 1,
    nextAttemptAtMs: undefined,
  });
  const again = only(log.due(2_000, 10));
  expect(again).toMatchObject({ eventJson: undefined, createdAtS: 77, settledRelays: [], attempts: 0 });
  expect(again.turn).toBeGreaterThan(turn);
});

test("the newest are given oldest first; what is done and old is forgotten, except those", async () => {
  const { log } = await openStore();
  for (const text of ["a", "b", "c", "d"]) await log.queue([cidSubject(text)], 1_000);
  expect(log.newest("cid", 3)).toEqual(["b", "c", "d"]);
  await log.queue([cidSubject("b")], 1_000);
  expect(log.newest("cid", 3)).toEqual(["c", "d", "b"]);
  for (const { d, turn } of log.due(1_000, 10)) {
    if (d === "ipfs-pin:a") continue;
    const done = { d, turn, settledRelays: [], confirmations: 1, attempts: 1, nextAttemptAtMs: undefined };
    await log.settleOutgoing(done);
  }
  await log.forgetOutgoing(2_000, 1);
  // One is not done, one is the newest.
  expect(log.newest("cid", 10)).toEqual(["a", "b"]);
});

test("names are listed in pages, and the walk is remembered", async () => {
  const { log, reopen } = await openStore();
  const names: Subject[] = ["x", "y", "z"].map((text) => ({
    kind: "name",
    d: `ipfs-ipns:${text}`,
    items: [text],
  }));
  const others: Subject[] = ["ipfs-ipmt", "ipfs-ipns"].map((d) => ({ kind: "legacy", d, items: [] }));
  await log.queue([...names, ...others, cidSubject("a")], 1);
  expect(log.names("", 2).map(({ items }) => items[0])).toEqual(["x", "y"]);
  expect(log.names("ipfs-ipns:y", 2)).toEqual([{ kind: "name", d: "ipfs-ipns:z", items: ["z"] }]);
  const walk = { startedAtMs: 5, after: undefined, pages: 0, cids: 0 };
  await log.saveWalk(walk);
  await log.saveWalk({ ...walk, after: 9, pages: 1, cids: 50 });
  const later = await reopen();
  expect(later.walk()).toEqual({ startedAtMs: 5, after: 9, pages: 1, cids: 50 });
  await later.saveWalk(undefined);
  expect(later.walk()).toBeUndefined();
});
