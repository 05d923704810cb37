import { wireEventOf, type NostrEvent } from "@holdfast/core";
import { expect, test, vi } from "vitest";
import { blockOf } from "./support/blocks.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { startRelayProxy } from "./support/relay-proxy.ts";
import {
  announcementOf,
  nowS,
  startAnnounce,
  STRANGER,
  type TestAnnounce,
  uniqueAnnouncementOf,
} from "./support/start-announce.ts";
import { until } from "./support/until.ts";
import { startRelay } from "./support/start-relay.ts";

// Each test starts a node or two, with threads of their own: on a machine that has much else to do that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const cidOf = (text: string): string => blockOf(text).cid.toString();
const cidsOf = (texts: readonly string[]): Set<string> => new Set(texts.map(cidOf));
const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index}`);

async function caughtUp(node: TestAnnounce): Promise<void> {
  await until(() => expect(node.relays.status().every(({ isCaughtUp }) => isCaughtUp)).toBe(true));
}

const frameOf = (event: NostrEvent): string => JSON.stringify(["EVENT", "holdfast-1", wireEventOf(event)]);

test("a relay that is killed and comes back has nothing that is missed, and nothing is taken twice", async () => {
  await using relay = await startRelay();
  const node = await startAnnounce({ relayUrls: [relay.url] });
  await caughtUp(node);
  await relay.accept(uniqueAnnouncementOf(cidOf("before")));
  await until(() => expect(node.wished()).toEqual([cidOf("before")]));
  for (const round of ["1", "2", "3"]) {
    await relay.kill();
    await relay.accept(uniqueAnnouncementOf(cidOf(round)));
    await relay.revive();
    await until(() => expect(node.wished()).toContain(cidOf(round)));
    await caughtUp(node);
  }
  await relay.accept(uniqueAnnouncementOf(cidOf("after")));
  await until(() => expect(new Set(node.wished())).toEqual(cidsOf(["before", "1", "2", "3", "after"])));
  // An event counts when it is written down as done, after its wishes.
  await until(() => expect(node.metrics.announcements.eventsTaken).toBe(5));
});

test("R27: two events of one author while we were off are both pinned when each has a d of its own", async () => {
  await using relay = await startRelay();
  const first = await startAnnounce({ relayUrls: [relay.url] });
  await caughtUp(first);
  await first.stop();
  await relay.accept(uniqueAnnouncementOf(cidOf("a")));
  await relay.accept(uniqueAnnouncementOf(cidOf("b")));
  await relay.accept(announcementOf([cidOf("legacy")]));
  const second = await startAnnounce({ relayUrls: [relay.url], dataDir: first.dataDir });
  await until(() => expect(new Set(second.wished())).toEqual(cidsOf(["a", "b", "legacy"])));
});

test("R29: after a restart only what came since is read, apart from the overlap, and a known event is not taken again", async () => {
  await using relay = await startRelay();
  const readAtS = nowS() - 5_000;
  for (const text of numbered(30)) {
    await relay.accept(uniqueAnnouncementOf(cidOf(text), { createdAtS: readAtS - 1_000 - Number(text) }));
  }
  await relay.accept(uniqueAnnouncementOf(cidOf("last"), { createdAtS: readAtS }));
  const first = await startAnnounce({ relayUrls: [relay.url] });
  await caughtUp(first);
  expect(first.wished()).toHaveLength(31);
  await first.stop();
  const before = relay.received.length;
  const second = await startAnnounce({ relayUrls: [relay.url], dataDir: first.dataDir });
  await caughtUp(second);
  // The newest one for each of two filters, and the one within the overlap.
  expect(second.relays.status()[0]?.events).toBeLessThan(6);
  expect(second.metrics.announcements.eventsTaken).toBe(0);
  const pages = relay.received
    .slice(before)
    .flatMap((message) => (message[0] === "REQ" ? message.slice(2) : []));
  expect(pages.slice(2)).toContainEqual(expect.objectContaining({ since: readAtS - 600 }));
});

test("events of another kind, with a plain t tag, are read when that kind is", async () => {
  await using relay = await startRelay();
  const tags = [["t", "ipfs-pin"]];
  await relay.accept(announcementOf([cidOf("a")], { kind: 78, d: "anything", tags }));
  await relay.accept(announcementOf([cidOf("b")], { kind: 1, d: "anything", tags }));
  const node = await startAnnounce({ relayUrls: [relay.url] });
  await caughtUp(node);
  expect(node.wished()).toEqual([cidOf("a")]);
  const other = await startAnnounce({ relayUrls: [relay.url], dataDir: await stopped(node), kinds: [1] });
  await caughtUp(other);
  expect(other.wished()).toEqual([cidOf("a"), cidOf("b")]);
});

test("an author who is listed later is read from the start", async () => {
  await using relay = await startRelay();
  await relay.accept(uniqueAnnouncementOf(cidOf("theirs"), { by: STRANGER, createdAtS: nowS() - 100_000 }));
  await relay.accept(uniqueAnnouncementOf(cidOf("ours")));
  const node = await startAnnounce({ relayUrls: [relay.url] });
  await caughtUp(node);
  expect(node.wished()).toEqual([cidOf("ours")]);
  const rules = { listed: new Set([STRANGER.pubkey]) };
  const later = await startAnnounce({ relayUrls: [relay.url], dataDir: await stopped(node), rules });
  await until(() => expect(later.wished()).toEqual([cidOf("ours"), cidOf("theirs")]));
});

test("a relay is read to its end in pages, whatever their size, and events of one second are not lost between them", async () => {
  await using relay = await startRelay({ pageMax: 7 });
  const texts = numbered(40);
  const startS = nowS() - 1_000;
  // Groups of five share a second.
  for (const text of texts) {
    await relay.accept(
      uniqueAnnouncementOf(cidOf(text), { createdAtS: startS + Math.floor(Number(text) / 5) }),
    );
  }
  const node = await startAnnounce({ relayUrls: [relay.url] });
  await caughtUp(node);
  expect(new Set(node.wished())).toEqual(cidsOf(texts));
});

test("the same event from several relays is one", async () => {
  await using first = await startRelay();
  await using second = await startRelay();
  const event = uniqueAnnouncementOf(cidOf("a"));
  for (const relay of [first, second]) await relay.accept(event);
  const node = await startAnnounce({ relayUrls: [first.url, second.url] });
  await caughtUp(node);
  expect(node.wished()).toEqual([cidOf("a")]);
  expect(node.metrics.announcements.eventsTaken).toBe(1);
});

test("one relay that is away, or is no relay, costs the others nothing", async () => {
  await using relay = await startRelay();
  await using away = await startRelay();
  await away.kill();
  await relay.accept(uniqueAnnouncementOf(cidOf("a")));
  const node = await startAnnounce({ relayUrls: [away.url, "ws://127.0.0.1:1", relay.url] });
  await until(() => expect(node.wished()).toEqual([cidOf("a")]));
  expect(node.relays.status().map(({ isConnected }) => isConnected)).toEqual([false, false, true]);
  await until(() => expect(node.relays.status()[0]?.problem).toMatch(/ECONNREFUSED/));
});

test("a connection that is cut in the middle of a page is made again, and the rest is read", async () => {
  await using relay = await startRelay({ pageMax: 20 });
  await using proxy = await startRelayProxy(relay.url);
  const texts = numbered(60);
  const startS = nowS() - 1_000;
  for (const text of texts) {
    await relay.accept(uniqueAnnouncementOf(cidOf(text), { createdAtS: startS + Number(text) }));
  }
  let frames = 0;
  proxy.onRelayFrame = (frame) => {
    if (++frames === 15 || frames === 60) proxy.cut();
    return [frame];
  };
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await until(() => expect(new Set(node.wished())).toEqual(cidsOf(texts)));
  await caughtUp(node);
  expect(node.relays.status()[0]?.connects).toBe(3);
  expect(node.metrics.announcements.eventsTaken).toBe(60);
});

test("an event that cannot be taken now keeps the cursor back and is read again", async () => {
  await using relay = await startRelay();
  const events = numbered(4).map((text) =>
    uniqueAnnouncementOf(cidOf(text), { createdAtS: nowS() - 100 + Number(text) }),
  );
  for (const event of events) await relay.accept(event);
  // One wish at a time has room: the others are refused as overload.
  const node = await startAnnounce({ relayUrls: [relay.url], pins: { queuedMax: 1 } });
  await until(() => expect(node.metrics.announcements.eventsFailed).toBeGreaterThan(3));
  expect(node.wished()).toHaveLength(1);
  expect(node.relays.status()[0]).toMatchObject({ isCaughtUp: false });
  // The queue empties as pins are made.
  node.pins.start();
  await until(() => expect(node.wished()).toHaveLength(4));
  await caughtUp(node);
  expect(node.metrics.announcements.eventsTaken).toBe(4);
});

test("frames of 1 MB are dropped unread, and what comes with them is taken", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await caughtUp(node);
  const large = Buffer.alloc(1024 * 1024, 0x20);
  large.write('["EVENT","holdfast-1",{"content":"');
  for (let index = 0; index < 20; index++) await proxy.inject(large);
  await relay.accept(uniqueAnnouncementOf(cidOf("a")));
  // So many bytes are read in five seconds.
  await until(() => expect(node.wished()).toEqual([cidOf("a")]), 45_000);
  expect(node.relays.status()[0]).toMatchObject({ framesDropped: 20, connects: 1 });
});

test("a relay that sends larger frames than any relay may is left, and connected again", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await caughtUp(node);
  await proxy.inject(Buffer.alloc(3 * 1024 * 1024, 0x20)).catch(() => undefined);
  await until(() => expect(node.relays.status()[0]?.connects).toBe(2));
});

test("a relay that drips its frames a byte at a time is given up, and costs the others nothing", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const node = await startAnnounce({ relayUrls: [proxy.url, relay.url], relay: { pingMs: 50 } });
  await caughtUp(node);
  proxy.drip(20);
  await relay.accept(uniqueAnnouncementOf(cidOf("a")));
  await until(() => expect(node.wished()).toEqual([cidOf("a")]));
  await until(() => expect(node.relays.status()[0]?.problem).toBe("the relay does not answer"));
});

test("a relay that says nothing after the handshake is left by the watchdog", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  proxy.onRelayFrame = () => [];
  const node = await startAnnounce({ relayUrls: [proxy.url], relay: { answerMsMax: 100 } });
  await until(() => expect(node.relays.status()[0]?.problem).toMatch(/silent/));
  proxy.onRelayFrame = (frame) => [frame];
  await relay.accept(uniqueAnnouncementOf(cidOf("a")));
  await until(() => expect(node.wished()).toEqual([cidOf("a")]));
});

test("a relay that answers late is waited for", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  proxy.delayMs = 150;
  await relay.accept(uniqueAnnouncementOf(cidOf("a")));
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await caughtUp(node);
  expect(node.wished()).toEqual([cidOf("a")]);
});

test("frames that no relay sends are counted and change nothing, and too many end the connection", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await caughtUp(node);
  const frames = ["", "null", "[]", "{", '["EVENT"]', '["EVENT","holdfast-1"]', '["OK","x"]', "[[]]"];
  for (const frame of frames) await proxy.inject(frame);
  await relay.accept(uniqueAnnouncementOf(cidOf("a")));
  await until(() => expect(node.wished()).toEqual([cidOf("a")]));
  expect(node.relays.status()[0]).toMatchObject({ framesDropped: frames.length - 1, connects: 1 });
  for (let index = 0; index < 1_000; index++) await proxy.inject("nonsense");
  await until(() => expect(node.relays.status()[0]?.connects).toBe(2), 30_000);
});

test("R25: a relay that floods with 10,000 events of an unlisted key is slowed down, not queued, and heard afterwards", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const relayTimers = new ManualClock();
  const node = await startAnnounce({
    relayUrls: [proxy.url],
    relayTimers,
    relay: { framesPerSecond: 5_000, bytesPerSecond: 1e9 },
  });
  await caughtUp(node);
  const flood = frameOf(announcementOf([cidOf("flood")], { by: STRANGER, content: "x".repeat(4_000) }));
  let isFlooding = true;
  const flooding = (async () => {
    for (let index = 0; index < 10_000; index++) await proxy.inject(flood);
    isFlooding = false;
  })();
  const { announcements } = node.metrics;
  // A tenth of a second's events, less some frames of before: then the rest has to wait, at the relay.
  await until(() => expect(announcements.eventsRefused).toBeGreaterThan(450));
  await until(() => expect(proxy.bytesNotTaken).toBeGreaterThan(0));
  expect(announcements.eventsRefused).toBeLessThanOrEqual(500);
  expect(isFlooding).toBe(true);
  await until(async () => {
    await relayTimers.advance(100);
    expect(isFlooding).toBe(false);
  }, 30_000);
  await flooding;
  await relay.accept(uniqueAnnouncementOf(cidOf("a")));
  await until(async () => {
    await relayTimers.advance(100);
    expect(node.wished()).toEqual([cidOf("a")]);
  });
  expect(announcements.eventsRefused).toBe(10_000);
  // No signature was checked for them.
  expect(node.metrics.signatures.rejected + node.metrics.signatures.verified).toBe(1);
  expect(node.relays.status()[0]?.connects).toBe(1);
});

test("a relay that gives a few pages at a time is read to its end, and what it refused is no problem afterwards", async () => {
  await using relay = await startRelay({ pageMax: 5 });
  await using proxy = await startRelayProxy(relay.url);
  const texts = numbered(60);
  const startS = nowS() - 1_000;
  for (const text of texts) {
    await relay.accept(uniqueAnnouncementOf(cidOf(text), { createdAtS: startS + Number(text) }));
  }
  let pagesLeft = 4;
  proxy.onRelayFrame = (frame) => {
    const [type, subscription] = JSON.parse(frame) as [string, string];
    if (type === "EOSE" && --pagesLeft < 0) {
      pagesLeft = 4;
      return [JSON.stringify(["CLOSED", subscription, "rate-limited: slow down"])];
    }
    return type === "EVENT" && pagesLeft === 0 ? [] : [frame];
  };
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await until(() => expect(new Set(node.wished())).toEqual(cidsOf(texts)), 30_000);
  await caughtUp(node);
  expect(node.relays.status()[0]).toMatchObject({ connects: 1, problem: undefined });
});

test("R29: what came while our clock was behind is read again once the clock is right", async () => {
  await using relay = await startRelay();
  await relay.accept(uniqueAnnouncementOf(cidOf("old"), { createdAtS: nowS() - 90_000 }));
  await relay.accept(uniqueAnnouncementOf(cidOf("early"), { createdAtS: nowS() - 3_600 }));
  const clock = new ManualClock((nowS() - 86_400) * 1_000);
  const node = await startAnnounce({ relayUrls: [relay.url], clock });
  await caughtUp(node);
  expect(node.wished()).toEqual([cidOf("old")]);
  await clock.advance(86_400_000);
  await relay.accept(uniqueAnnouncementOf(cidOf("new")));
  await until(() => expect(node.wished()).toEqual([cidOf("old"), cidOf("new")]));
  const later = await startAnnounce({ relayUrls: [relay.url], dataDir: await stopped(node) });
  await until(() => expect(new Set(later.wished())).toEqual(cidsOf(["old", "new", "early"])));
});

test("a relay that refuses us at first is told again who we are", async () => {
  await using relay = await startRelay({ authOnly: true });
  await using proxy = await startRelayProxy(relay.url);
  await relay.accept(uniqueAnnouncementOf(cidOf("a")));
  let refusals = 2;
  proxy.onRelayFrame = (frame) => {
    const [type, id] = JSON.parse(frame) as [string, string];
    if (type === "OK" && refusals-- > 0) return [JSON.stringify(["OK", id, false, "restricted: not paid"])];
    if (refusals < 0 || type === "AUTH" || type === "CLOSED") return [frame];
    return type === "EOSE" ? [JSON.stringify(["CLOSED", id, "auth-required: who are you?"])] : [];
  };
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await until(() => expect(node.wished()).toEqual([cidOf("a")]));
  await caughtUp(node);
  expect(node.relays.status()[0]?.connects).toBe(1);
});

async function stopped(node: TestAnnounce): Promise<string> {
  await node.stop();
  return node.dataDir;
}
