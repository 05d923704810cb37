import {
  parseCid,
  parseNostrEvent,
  parsePinAnnouncement,
  subjectOfCid,
  type WireEvent,
} from "@holdfast/core";
import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import { SimplePool, useWebSocketImplementation } from "nostr-tools/pool";
import { verifyEvent } from "nostr-tools/pure";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { RELAY_POLICY } from "../src/policies.ts";
import { blockOf } from "./support/blocks.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { authorOf } from "./support/nostr-authors.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startRelayProxy } from "./support/relay-proxy.ts";
import { nowS, startAnnounce, type TestAnnounce, uniqueAnnouncementOf } from "./support/start-announce.ts";
import { until } from "./support/until.ts";
import { startRelay, type TestRelay } from "./support/start-relay.ts";

useWebSocketImplementation(WebSocket);

// Each test starts a node or two, with threads of their own: on a machine that has much else to do that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const rootOf = (text: string) => blockOf(text).cid;
const cidOf = (text: string): string => rootOf(text).toString();

/** The value of `d` of each event that the relay has, with the event. */
async function storedBy(relay: TestRelay): Promise<Map<string, WireEvent>> {
  const stored = await relay.stored();
  return new Map(stored.map((event) => [event.tags.find(([name]) => name === "d")?.[1] ?? "", event]));
}

async function untilSent({ announcer }: TestAnnounce): Promise<void> {
  await until(() => expect(announcer.status()).toEqual({ waiting: 0, walk: undefined }));
}

/** How many events somebody has given to the relay. */
const sentTo = (relay: TestRelay): number => relay.received.filter(([type]) => type === "EVENT").length;

/** As the reference system does: the last tag of each name wins. */
function readAsReference(event: WireEvent): { cid?: string; ipns?: string } {
  const read: { cid?: string; ipns?: string } = {};
  for (const [name, value] of event.tags) {
    if (name === "cid" && value !== undefined) read.cid = value;
    if (name === "ipns" && value !== undefined) read.ipns = value;
  }
  return read;
}

test("R27: each CID has an event of its own that a plain client finds by t, and the legacy event has all, the newest last", async () => {
  await using relay = await startRelay();
  const node = await startAnnounce({ relayUrls: [relay.url] });
  for (const text of ["a", "b", "c"]) {
    await node.announcer.announceCids([rootOf(text)]);
    await untilSent(node);
  }
  const stored = await storedBy(relay);
  expect([...stored.keys()].sort()).toEqual([
    "ipfs-pin",
    ...["a", "b", "c"].map((text) => subjectOfCid(rootOf(text))).sort(),
  ]);
  const legacy = stored.get("ipfs-pin");
  expect(legacy && readAsReference(legacy)).toEqual({ cid: cidOf("c") });
  expect(legacy?.tags.filter(([name]) => name === "cid").map(([, cid]) => cid)).toEqual(
    ["a", "b", "c"].map(cidOf),
  );

  const pool = new SimplePool();
  onTestFinished(() => pool.destroy());
  // Asked until the relay says that this was all; by itself the client gives up after four seconds.
  const patience = { maxWait: 15_000 };
  const found = await pool.querySync([relay.url], { kinds: [30_078], "#t": ["ipfs-pin"] }, patience);
  const foundCids = found.map((event) => readAsReference(event).cid);
  expect(new Set(foundCids)).toEqual(new Set(["a", "b", "c"].map(cidOf)));
  expect(found.every((event) => verifyEvent(event) && event.pubkey === node.own.pubkey)).toBe(true);
  const byLegacy = await pool.querySync([relay.url], { kinds: [30_078], "#d": ["ipfs-pin"] }, patience);
  expect(byLegacy).toHaveLength(1);
});

test("a record is announced with its bytes, and a newer one takes its place on the relay", async () => {
  await using relay = await startRelay();
  const node = await startAnnounce({ relayUrls: [relay.url] });
  const key = createTestName();
  for (const sequence of [1n, 2n]) {
    await node.records.publish(key.name, await makeRecord(key, { sequence }), { origin: "client" });
    await node.announcer.announceName(key.name);
    await untilSent(node);
  }
  const stored = await storedBy(relay);
  const event = stored.get(`ipfs-ipns:${key.name.text}`);
  const { records, names } = parsePinAnnouncement(parseNostrEvent(event));
  expect(names.map(({ text }) => text)).toEqual([key.name.text]);
  expect(records[0]?.bytes).toEqual(new Uint8Array(node.records.held(key.name)?.record.bytes ?? []));
  const expiration = event?.tags.find(([name]) => name === "expiration")?.[1];
  expect(Number(expiration)).toBeGreaterThan(nowS());
});

test("what one node announces another one pins, with its record", async () => {
  await using relay = await startRelay();
  const key = createTestName();
  const node = await startAnnounce({ relayUrls: [relay.url] });
  await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
  await node.announcer.announceName(key.name);
  await node.announcer.announceCids([rootOf("a")]);
  await untilSent(node);
  const rules = { listed: new Set([node.own.pubkey]) };
  const reader = await startAnnounce({ relayUrls: [relay.url], rules, own: authorOf(4) });
  await until(() => expect(reader.wished()).toEqual([cidOf("a")]));
  await until(() => expect(reader.records.held(key.name)?.record.sequence).toBe(1n));
  // The legacy event names both again.
  await until(() => expect(reader.metrics.announcements.eventsTaken).toBe(3));
});

test("of two announcements in one second the second has the later instant", async () => {
  await using relay = await startRelay();
  const node = await startAnnounce({ relayUrls: [relay.url], clock: new ManualClock(nowS() * 1000) });
  const instants: number[] = [];
  for (const text of ["a", "b", "c"]) {
    await node.announcer.announceCids([rootOf(text)]);
    await untilSent(node);
    instants.push((await storedBy(relay)).get("ipfs-pin")?.created_at ?? 0);
  }
  const [first = 0] = instants;
  expect(instants).toEqual([first, first + 1, first + 2]);
  // The clock is set back, and the process started again.
  await node.stop();
  const later = await startAnnounce({
    relayUrls: [relay.url],
    dataDir: node.dataDir,
    clock: new ManualClock((nowS() - 60) * 1000),
  });
  await later.announcer.announceCids([rootOf("d")]);
  await untilSent(later);
  expect((await storedBy(relay)).get("ipfs-pin")).toMatchObject({ created_at: first + 3 });
});

test("R30: an announcement that a relay has not confirmed is sent again, the same event, also after a restart", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  let lost = 0;
  proxy.onRelayFrame = (frame) => {
    if (!frame.startsWith('["OK"')) return [frame];
    lost++;
    return [];
  };
  const node = await startAnnounce({ relayUrls: [proxy.url], relay: { answerMsMax: 100 } });
  await node.announcer.announceCids([rootOf("a")]);
  await until(() => expect(lost).toBeGreaterThan(3));
  const sent = await storedBy(relay);
  expect(node.metrics.announcements.published).toBe(0);
  await node.stop();
  proxy.onRelayFrame = (frame) => [frame];
  const later = await startAnnounce({ relayUrls: [proxy.url], dataDir: node.dataDir });
  await untilSent(later);
  expect(later.metrics.announcements.published).toBe(2);
  expect(await storedBy(relay)).toEqual(sent);
});

test("an announcement waits while no relay is there, and succeeds with as many as were asked for", async () => {
  await using first = await startRelay();
  await using second = await startRelay();
  for (const relay of [first, second]) await relay.kill();
  const node = await startAnnounce({
    relayUrls: [first.url, second.url],
    announcer: { confirmationsMin: 2 },
  });
  await node.announcer.announceCids([rootOf("a")]);
  await first.revive();
  await until(() => expect(node.relays.hasConnection).toBe(true));
  await node.announcer.announceCids([rootOf("b")]);
  await until(async () => expect((await first.stored()).length).toBe(3));
  expect(node.metrics.announcements.published).toBe(0);
  await second.revive();
  await untilSent(node);
  expect(node.metrics.announcements.published).toBe(3);
  expect([...(await storedBy(second)).keys()].sort()).toEqual([...(await storedBy(first)).keys()].sort());
});

test("a relay that refuses for good is not asked again", async () => {
  await using relay = await startRelay({ limitation: { max_message_length: 200 } });
  const node = await startAnnounce({ relayUrls: [relay.url] });
  await node.announcer.announceCids([rootOf("a")]);
  await untilSent(node);
  expect(node.metrics.announcements).toMatchObject({ published: 0, publishFailed: 2 });
  expect(sentTo(relay)).toBe(0);
});

test("our own events, and those of others that repeat them, are announced by nobody again", async () => {
  await using relay = await startRelay();
  const node = await startAnnounce({ relayUrls: [relay.url], rules: { isOpen: true } });
  await node.announcer.announceCids([rootOf("a")]);
  await untilSent(node);
  await until(() => expect(node.metrics.announcements.eventsKnown).toBeGreaterThan(0));
  expect(node.metrics.announcements.eventsTaken).toBe(0);
  expect(node.wished()).toEqual([]);
});

test("R15: announcing again walks all pins, page by page, and goes on where a restart interrupted it", async () => {
  await using relay = await startRelay();
  const roots = Array.from({ length: 230 }, (_, index) => rootOf(`pin ${index}`));
  const claim = { source: "add", holder: "", name: undefined, createdAtMs: 1 } as const;
  const offline = await startAnnounce();
  offline.pins.start();
  await offline.pins.add(roots.map((root) => ({ root, recursive: true, claim, isStored: true })));
  await until(() => expect(offline.pins.list({ state: "pinned", limit: 1_000 }).pins).toHaveLength(230));
  expect(await offline.announcer.reannounce()).toBe(true);
  expect(await offline.announcer.reannounce()).toBe(false);
  await offline.stop();
  const node = await startAnnounce({ relayUrls: [relay.url], dataDir: offline.dataDir });
  await untilSent(node);
  const pages = [...(await storedBy(relay))].filter(([d]) => d.startsWith("ipfs-pin:bulk:"));
  expect(pages).toHaveLength(5);
  const announced = pages.flatMap(([, event]) => parsePinAnnouncement(parseNostrEvent(event)).cids);
  expect(new Set(announced.map(String))).toEqual(new Set(roots.map(String)));
  // Again: each page takes the place of itself.
  expect(await node.announcer.reannounce()).toBe(true);
  await untilSent(node);
  expect([...(await storedBy(relay)).keys()].filter((d) => d.startsWith("ipfs-pin:bulk:"))).toHaveLength(5);
});

test("a legacy event has the 50 newest CIDs and no more", async () => {
  await using relay = await startRelay();
  const node = await startAnnounce({ relayUrls: [relay.url] });
  const roots = Array.from({ length: 60 }, (_, index) => rootOf(`many ${index}`));
  await node.announcer.announceCids(roots);
  await untilSent(node);
  const legacy = (await storedBy(relay)).get("ipfs-pin");
  const cids = legacy?.tags
    .filter(([name]) => name === "cid")
    .map(([, cid]) => parseCid(cid ?? "").toString());
  expect(cids).toEqual(roots.slice(10).map(String));
});

test("a relay that never answers does not keep the node from stopping", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const node = await startAnnounce({ relayUrls: [proxy.url], relay: { answerMsMax: 3_600_000 } });
  await until(() => expect(node.relays.status()[0]?.isCaughtUp).toBe(true));
  proxy.onRelayFrame = (frame) => (frame.startsWith('["OK"') ? [] : [frame]);
  await node.announcer.announceCids([rootOf("a")]);
  await until(async () => expect(await relay.stored()).toHaveLength(2));
  // In the time that the test has, not in an hour.
  await node.stop();
});

test("a relay that takes announcements and says nothing about them does not hold up those for the others", async () => {
  await using relay = await startRelay();
  await using other = await startRelay();
  await using silent = await startRelayProxy(other.url);
  silent.onRelayFrame = (frame) => (frame.startsWith('["OK"') ? [] : [frame]);
  const relayTimers = new ManualClock();
  const node = await startAnnounce({
    relayUrls: [relay.url, silent.url],
    relayTimers,
    relay: { framesPerSecond: 1e6 },
  });
  await until(() => expect(node.relays.status().every(({ isCaughtUp }) => isCaughtUp)).toBe(true));
  await node.announcer.announceCids(Array.from({ length: 64 }, (_, index) => rootOf(`many ${index}`)));
  // Eight are on their way at once, and each waits for both relays.
  await until(() => expect([sentTo(relay), sentTo(other)]).toEqual([8, 8]));
  const last = uniqueAnnouncementOf(cidOf("last"), { by: node.own });
  // Its answer comes behind those to the eight.
  expect(await node.relays.publish(relay.url, last)).toMatchObject({ outcome: "confirmed" });
  expect(node.metrics.announcements.published).toBe(0);
  await relayTimers.advance(RELAY_POLICY.answerMsMax);
  // Time stands still from now on: nobody waits for the silent one a second time.
  await until(() => expect(node.metrics.announcements.published).toBe(65));
  expect(sentTo(other)).toBe(8);
});

test("announcing again goes on while announcements wait for a relay that is away", async () => {
  await using relay = await startRelay();
  const retryMs = { first: 3_600_000, max: 3_600_000 };
  const relayUrls = [relay.url, "ws://127.0.0.1:1"];
  const node = await startAnnounce({ relayUrls, announcer: { retryMs } });
  const claim = { source: "add", holder: "", name: undefined, createdAtMs: 1 } as const;
  node.pins.start();
  await node.pins.add([{ root: rootOf("pinned"), recursive: true, claim, isStored: true }]);
  await until(async () => expect(await node.pins.isPinned(rootOf("pinned"))).toBe(true));
  await node.announcer.announceCids(Array.from({ length: 100 }, (_, index) => rootOf(`many ${index}`)));
  await until(() => expect(node.metrics.announcements.published).toBe(101));
  expect(node.announcer.status().waiting).toBe(101);
  await node.announcer.reannounce();
  await until(() => expect(node.announcer.status().walk).toBeUndefined());
  await until(async () => expect([...(await storedBy(relay)).keys()]).toContain("ipfs-pin:bulk:0"));
});

test("a CID that is too long for relays is not announced, and holds up no other", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const long = Array.from({ length: 25 }, (_, index) =>
    CID.createV1(0x55, Digest.create(0x00, new Uint8Array(2_000).fill(index))),
  );
  // Not confirmed at first, so that the events are read back.
  proxy.onRelayFrame = (frame) => (frame.startsWith('["OK"') ? [] : [frame]);
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await node.announcer.announceCids(long);
  await node.announcer.announceCids([rootOf("a")]);
  await until(async () => expect([...(await storedBy(relay)).keys()]).toContain(subjectOfCid(rootOf("a"))));
  await node.stop();
  proxy.onRelayFrame = (frame) => [frame];
  await untilSent(await startAnnounce({ relayUrls: [proxy.url], dataDir: node.dataDir }));
  expect([...(await storedBy(relay)).keys()].sort()).toEqual(["ipfs-pin", subjectOfCid(rootOf("a"))]);
});

test("relays that are configured no longer are no reason to give up those that are", async () => {
  await using kept = await startRelay();
  await using removed = await startRelay();
  await kept.kill();
  const announcer = { confirmationsMin: 2 };
  const node = await startAnnounce({ relayUrls: [removed.url, kept.url], announcer });
  await node.announcer.announceCids([rootOf("a")]);
  await until(() => {
    const settledAt = node.log.due(Number.MAX_SAFE_INTEGER, 10).map(({ settledRelays }) => settledRelays);
    expect(settledAt).toEqual([[removed.url], [removed.url]]);
  });
  await node.stop();
  await using added = await startRelay();
  const { dataDir } = node;
  const later = await startAnnounce({ relayUrls: [added.url, kept.url], dataDir, announcer });
  await until(async () => expect(await added.stored()).toHaveLength(2));
  await kept.revive();
  await until(async () => expect(await kept.stored()).toHaveLength(2));
  await untilSent(later);
});
