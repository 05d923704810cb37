import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { wireEventOf } from "@holdfast/core";
import { expect, onTestFinished, test } from "vitest";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { readConfig } from "../src/config/config.ts";
import { Pins } from "../src/pins/pins.ts";
import type { RecordRouter } from "../src/records/lookup/record-router.ts";
import { createAnnounce } from "../src/start-announce.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { blockOf } from "./support/blocks.ts";
import { PINS_OPTIONS } from "./support/create-pins.ts";
import { createRecords } from "./support/create-records.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { ScriptedPinner } from "./support/scripted-pinner.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { announcementOf, AUTHOR, STRANGER } from "./support/start-announce.ts";
import { until } from "./support/until.ts";
import { startRelay, type TestRelay } from "./support/start-relay.ts";

const rootOf = (text: string) => blockOf(text).cid;
const cidOf = (text: string): string => rootOf(text).toString();

/** The part of a node that `start-announce.ts` builds, as the configuration says; only the backend that pins is scripted. */
async function startPart(
  env: Readonly<Record<string, string>>,
  { routers = [], ...options }: { routers?: readonly RecordRouter[]; dataDir?: string } = {},
) {
  const dataDir = options.dataDir ?? (await temporaryFolder());
  const stack = new AsyncDisposableStack();
  onTestFinished(() => stack.disposeAsync());
  const config = readConfig({ HOLDFAST_NETWORK: "lan", HOLDFAST_DATA_DIR: dataDir, ...env });
  const logger = createLogger("silent");
  const metrics = new Metrics();
  const store = stack.use(await SqliteRecordStore.open({ logger }, { dataDir }));
  const { records } = createRecords(routers, { parts: { store, clock: systemClock } });
  stack.defer(() => records.close());
  const shared = { clock: systemClock, timers: systemClock, random: Math.random, logger, metrics };
  const pins = stack.use(
    new Pins({ ...shared, store: store.pins, pinner: new ScriptedPinner() }, PINS_OPTIONS),
  );
  pins.start();
  const announce = await createAnnounce(
    config,
    { log: store.announcements, pins, records, metrics, logger },
    stack,
  );
  announce.start();
  const submit = (...args: Parameters<typeof announcementOf>) =>
    announce.announcements.submit(wireEventOf(announcementOf(...args)));
  const write = (text: string): Promise<void> =>
    pins.add([
      {
        root: rootOf(text),
        recursive: true,
        claim: { source: "add", holder: "", name: undefined, createdAtMs: 1 },
        isStored: true,
      },
    ]);
  return { announce, log: store.announcements, pins, records, submit, write, metrics, dataDir };
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(MEMORY_FOLDER, "holdfast-announce-node-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function subjectsAt(relay: TestRelay): Promise<Set<string>> {
  return new Set((await relay.stored()).map(({ tags }) => tags[0]?.[1] ?? ""));
}

test("without configuration nobody's announcements are taken, and there is no key", async () => {
  const { announce, submit, dataDir } = await startPart({});
  await expect(submit([cidOf("a")])).rejects.toMatchObject({ code: "AUTHOR_REFUSED" });
  expect(announce.status()).toMatchObject({ pubkey: undefined, outgoing: undefined, relays: [] });
  expect(await announce.reannounce()).toBe(false);
  await expect(readFile(join(dataDir, "nostr-key"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("a node without a network connects to no relay", async () => {
  await using relay = await startRelay();
  const env = {
    HOLDFAST_NETWORK: "offline",
    HOLDFAST_NOSTR_RELAYS: relay.url,
    HOLDFAST_NOSTR_AUTHORS: "open",
  };
  const { announce, submit } = await startPart(env);
  expect(announce.status().relays).toEqual([]);
  await expect(submit([cidOf("a")])).resolves.toMatchObject({ outcome: "taken" });
});

test.each([
  ["off", []],
  ["on", ["written"]],
  ["all", ["announced", "written"]],
])("with HOLDFAST_NOSTR_ANNOUNCE=%s these pins are announced: %j", async (setting, texts) => {
  await using relay = await startRelay();
  const { announce, pins, submit, write } = await startPart({
    HOLDFAST_NOSTR_RELAYS: relay.url,
    HOLDFAST_NOSTR_AUTHORS: AUTHOR.pubkey,
    HOLDFAST_NOSTR_ANNOUNCE: setting,
  });
  await submit([cidOf("announced")]);
  await write("written");
  await until(async () => expect(await pins.isPinned(rootOf("announced"))).toBe(true));
  await until(() => expect(announce.status().relays[0]?.isCaughtUp).toBe(true));
  const legacy = texts.length === 0 ? [] : ["ipfs-pin"];
  const expected = new Set([...legacy, ...texts.map((text) => `ipfs-pin:${cidOf(text)}`)]);
  await until(async () => expect(await subjectsAt(relay)).toEqual(expected));
  await until(() => expect(announce.status().outgoing?.waiting ?? 0).toBe(0));
});

test("R30: what was pinned and stored in the moment before a crash is announced at the next start", async () => {
  await using relay = await startRelay();
  const dataDir = await temporaryFolder();
  const key = createTestName();
  // What a process does before it is killed: the transactions are here, nobody was told of them.
  const logger = createLogger("silent");
  const store = await SqliteRecordStore.open({ logger }, { dataDir });
  await store.announcements.saveNewsScope("own");
  const shared = {
    clock: systemClock,
    timers: systemClock,
    random: Math.random,
    logger,
    metrics: new Metrics(),
  };
  const pins = new Pins({ ...shared, store: store.pins, pinner: new ScriptedPinner() }, PINS_OPTIONS);
  pins.start();
  const claims = { pinned: "add", announced: "nostr", released: "add" } as const;
  for (const [text, source] of Object.entries(claims)) {
    const claim = { source, holder: "", name: undefined, createdAtMs: 1 };
    await pins.add([{ root: rootOf(text), recursive: true, claim, isStored: true }]);
    await until(async () => expect(await pins.isPinned(rootOf(text))).toBe(true));
  }
  await pins.release(rootOf("released"), { source: "add", holder: "" });
  const { records } = createRecords([], { parts: { store, clock: systemClock } });
  await records.publish(key.name, await makeRecord(key), { origin: "client" });
  for (const part of [pins, store]) await part[Symbol.asyncDispose]();

  const env = { HOLDFAST_NOSTR_RELAYS: relay.url, HOLDFAST_NOSTR_ANNOUNCE: "on" };
  const { announce, log } = await startPart(env, { dataDir });
  const expected = new Set(["ipfs-pin", `ipfs-pin:${cidOf("pinned")}`, `ipfs-ipns:${key.name.text}`]);
  await until(async () => expect(await subjectsAt(relay)).toEqual(expected));
  await until(() => expect(announce.status().outgoing?.waiting).toBe(0));
  expect(log.news(10)).toEqual([]);
});

test("what was pinned for an author counts against the bytes of the day, of a listed one it does not", async () => {
  const { pins, submit } = await startPart({
    HOLDFAST_NOSTR_AUTHORS: `open,${AUTHOR.pubkey}`,
    HOLDFAST_NOSTR_BYTES_PER_DAY: "10",
  });
  for (const by of [AUTHOR, STRANGER]) {
    // The scripted backend says that each pin holds 10 bytes.
    await submit([cidOf(by.pubkey)], { by });
    await until(async () => expect(await pins.isPinned(rootOf(by.pubkey))).toBe(true));
  }
  await until(async () => {
    await expect(submit([cidOf("more")], { by: STRANGER })).rejects.toMatchObject({ code: "RATE_LIMITED" });
  });
  await expect(submit([cidOf("more")], { by: AUTHOR })).resolves.toMatchObject({ outcome: "taken" });
});

test("a name that is announced without a record is looked up", async () => {
  const key = createTestName();
  const router = new ScriptedRouter();
  router.records.set(key.name.text, [await makeRecord(key)]);
  const { records, submit } = await startPart(
    { HOLDFAST_NOSTR_AUTHORS: AUTHOR.pubkey },
    { routers: [router] },
  );
  await submit([], { tags: [["ipns", key.name.text]] });
  await until(() => expect(records.held(key.name)?.record.sequence).toBe(1n));
});

test("what was taken long ago is forgotten on a node without relays, too", async () => {
  const { announce, log } = await startPart({ HOLDFAST_NOSTR_AUTHORS: "open" });
  const id = "ab".repeat(32);
  const charge = { author: STRANGER.pubkey, day: 7, subjects: 3 };
  await log.settle({ id, createdAtS: 1_000, settledAtS: 1_000, cids: 1, names: 0, charge });
  announce.start();
  await until(() => expect(log.hasSettled(id)).toBe(false));
  expect(log.usageOf(STRANGER.pubkey, 7).subjects).toBe(0);
});

test("more confirmations than there are relays are not waited for", async () => {
  await using relay = await startRelay();
  const { announce, write, metrics } = await startPart({
    HOLDFAST_NOSTR_RELAYS: relay.url,
    HOLDFAST_NOSTR_ANNOUNCE: "on",
    HOLDFAST_NOSTR_CONFIRMATIONS: "2",
  });
  await write("written");
  // It is counted just before the outbox forgets it.
  await until(() => {
    expect(metrics.announcements.published).toBe(2);
    expect(announce.status().outgoing?.waiting).toBe(0);
  });
  expect(metrics.announcements.publishFailed).toBe(0);
});
