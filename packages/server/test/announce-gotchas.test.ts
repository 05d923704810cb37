/** protocols.md §7, gotcha test 25: each of its parts is a test here. */
import { HoldfastError, type NostrEvent, wireEventOf } from "@holdfast/core";
import { finalizeEvent, verifyEvent } from "nostr-tools/pure";
import { expect, test, vi } from "vitest";
import { RELAY_POLICY } from "../src/policies.ts";
import { blockOf } from "./support/blocks.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startRelayProxy } from "./support/relay-proxy.ts";
import { fails } from "./support/scripted-pinner.ts";
import {
  announcementOf,
  AUTHOR,
  nowS,
  startAnnounce,
  STRANGER,
  uniqueAnnouncementOf,
} from "./support/start-announce.ts";
import { until } from "./support/until.ts";
import { startRelay } from "./support/start-relay.ts";

// Each test starts a node or two, with threads of their own: on a machine that has much else to do that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const cidOf = (text: string): string => blockOf(text).cid.toString();

/** As a relay sends it for our subscription to new events. */
const frameOf = (event: NostrEvent): string => JSON.stringify(["EVENT", "holdfast-1", wireEventOf(event)]);

test("gotcha 25a, R25: an event with a wrong signature, a wrong id, or changed after it was verified is ignored", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await until(() => expect(node.relays.status()[0]?.isCaughtUp).toBe(true));
  const good = announcementOf([cidOf("good")]);
  await proxy.inject(frameOf({ ...good, sig: announcementOf([cidOf("other")]).sig }));
  await proxy.inject(frameOf({ ...good, id: "0".repeat(64) }));
  await proxy.inject(frameOf({ ...good, content: '{"changed":true}' }));
  await until(() => expect(node.metrics.announcements.eventsRefused).toBe(3));
  // The forged ones have the id of this one: they must not have made it known.
  await proxy.inject(frameOf(good));
  await until(() => expect(node.wished()).toEqual([cidOf("good")]));

  const secret = new Uint8Array(32).fill(1);
  const tags = [
    ["d", "ipfs-pin"],
    ["cid", cidOf("evil")],
  ];
  const verified = finalizeEvent({ kind: 30_078, created_at: nowS(), tags: [], content: "" }, secret);
  expect(verifyEvent(verified)).toBe(true);
  // The library remembers its verdict on the object, and a spread copies it.
  const copied = { ...verified, tags };
  expect(verifyEvent(copied)).toBe(true);
  const open = await startAnnounce({ rules: { isOpen: true } });
  const refused = { code: "EVENT_INVALID", details: { reason: "SIGNATURE_INVALID" } };
  await expect(open.announcements.submit(copied)).rejects.toMatchObject(refused);
  expect(open.wished()).toEqual([]);
});

test("gotcha 25b, R26: all cid tags of an event count, and garbage among them is reported once", async () => {
  const node = await startAnnounce();
  const cids = [cidOf("a"), "not-a-cid", "not-a-cid", cidOf("b")];
  const result = await node.announcements.submit(wireEventOf(announcementOf(cids)));
  expect(result.cids).toEqual([cidOf("a"), cidOf("b")]);
  expect(result.malformed).toEqual([{ tag: "cid", value: "not-a-cid" }]);
  expect(node.metrics.announcements.valuesMalformed).toBe(1);
  expect(node.wished()).toEqual([cidOf("a"), cidOf("b")]);
});

test.each([["first"], ["second"]])(
  "gotcha 25c, R27: of two events of one key, d and second, the CIDs of both are pinned, the %s one first",
  async (order) => {
    await using relay = await startRelay();
    await using proxy = await startRelayProxy(relay.url);
    const node = await startAnnounce({ relayUrls: [proxy.url] });
    await until(() => expect(node.relays.status()[0]?.isCaughtUp).toBe(true));
    const createdAtS = nowS();
    const events = ["a", "b"].map((text) => announcementOf([cidOf(text)], { createdAtS }));
    for (const event of order === "first" ? events : events.toReversed()) await proxy.inject(frameOf(event));
    await until(() => expect(new Set(node.wished())).toEqual(new Set([cidOf("a"), cidOf("b")])));
  },
);

test("gotcha 25d, R29: an event that is 300 s older than what was read is taken after a reconnect, and no other one again", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const createdAtS = nowS() - 10;
  await relay.accept(uniqueAnnouncementOf(cidOf("a"), { createdAtS }));
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await until(() => expect(node.relays.status()[0]?.isCaughtUp).toBe(true));
  expect(highWatersOf(node)).toEqual([createdAtS]);
  await relay.kill();
  await until(() => expect(node.relays.status()[0]?.isConnected).toBe(false));
  await relay.accept(uniqueAnnouncementOf(cidOf("b"), { createdAtS: createdAtS - 300 }));
  await relay.revive();
  await until(() => expect(node.wished()).toEqual([cidOf("a"), cidOf("b")]));
  await until(() => expect(node.relays.status()[0]?.isCaughtUp).toBe(true));
  expect(node.metrics.announcements).toMatchObject({ eventsTaken: 2, eventsRefused: 0, eventsFailed: 0 });
  expect(node.metrics.announcements.eventsKnown).toBeGreaterThan(0);
});

test("gotcha 25e: an event from tomorrow is ignored and does not move the cursor", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const createdAtS = nowS() - 10;
  await relay.accept(uniqueAnnouncementOf(cidOf("a"), { createdAtS }));
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await until(() => expect(node.relays.status()[0]?.isCaughtUp).toBe(true));
  await proxy.inject(frameOf(uniqueAnnouncementOf(cidOf("b"), { createdAtS: nowS() + 86_400 })));
  await until(() => expect(node.metrics.announcements.eventsRefused).toBe(1));
  await node.stop();
  const later = await startAnnounce({ dataDir: node.dataDir });
  expect(highWatersOf(later, proxy.url)).toEqual([createdAtS]);
  expect(later.wished()).toEqual([cidOf("a")]);
});

test("gotcha 25e: an event within the 900 s that relays allow moves the cursor no further than our clock", async () => {
  await using relay = await startRelay();
  await relay.accept(uniqueAnnouncementOf(cidOf("a"), { createdAtS: nowS() + 600 }));
  const node = await startAnnounce({ relayUrls: [relay.url] });
  await until(() => expect(node.relays.status()[0]?.isCaughtUp).toBe(true));
  expect(highWatersOf(node)[0]).toBeLessThanOrEqual(nowS());
  expect(node.wished()).toEqual([cidOf("a")]);
});

test("gotcha 25f, R30: AUTH and NOTICE before the OK are no answer, and the OK for another event is none", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const relayTimers = new ManualClock();
  const node = await startAnnounce({ relayUrls: [proxy.url], relayTimers });
  await until(() => expect(node.relays.status()[0]?.isCaughtUp).toBe(true));
  const ofAnother = JSON.stringify(["OK", "f".repeat(64), true, ""]);
  const noise = ['["AUTH","challenge"]', '["NOTICE","hello"]', ofAnother, '["EVENT","holdfast-1",{}]'];
  proxy.onRelayFrame = (frame) => (frame.startsWith('["OK"') ? [...noise, frame] : [frame]);
  const confirmed = await node.relays.publish(proxy.url, uniqueAnnouncementOf(cidOf("a"), { by: node.own }));
  expect(confirmed.outcome).toBe("confirmed");
  proxy.onRelayFrame = (frame) => (frame.startsWith('["OK"') ? noise : [frame]);
  const unknown = node.relays.publish(proxy.url, uniqueAnnouncementOf(cidOf("b"), { by: node.own }));
  // With the event the last of the noise has come.
  await until(() => expect(node.relays.status()[0]?.events).toBe(2));
  await relayTimers.advance(RELAY_POLICY.answerMsMax);
  expect((await unknown).outcome).toBe("unknown");
});

test("gotcha 25f: an announcement that is confirmed twice, behind AUTH and NOTICE, is one success", async () => {
  await using relay = await startRelay();
  await using proxy = await startRelayProxy(relay.url);
  const noise = ['["AUTH","challenge"]', '["NOTICE","hello"]'];
  proxy.onRelayFrame = (frame) => (frame.startsWith('["OK"') ? [...noise, frame, frame] : [frame]);
  const node = await startAnnounce({ relayUrls: [proxy.url] });
  await node.announcer.announceCids([blockOf("a").cid]);
  // The CID has an event of its own and one in the legacy form.
  await until(() => expect(node.announcer.status().waiting).toBe(0));
  // Frames are heard in their order: when this is confirmed, so are all before it.
  const last = await node.relays.publish(proxy.url, uniqueAnnouncementOf(cidOf("b"), { by: node.own }));
  expect(last.outcome).toBe("confirmed");
  expect(node.metrics.announcements).toMatchObject({ published: 2, publishFailed: 0 });
});

test("gotcha 25g: a relay that closes with auth-required is authenticated to and asked again", async () => {
  await using relay = await startRelay({ authOnly: true });
  await relay.accept(uniqueAnnouncementOf(cidOf("a")));
  const node = await startAnnounce({ relayUrls: [relay.url] });
  await until(() => expect(node.wished()).toEqual([cidOf("a")]));
  const published = await node.relays.publish(relay.url, uniqueAnnouncementOf(cidOf("b"), { by: node.own }));
  expect(published.outcome).toBe("confirmed");
  expect(relay.received.map(([type]) => type).filter((type) => type === "AUTH")).toHaveLength(1);
});

test("gotcha 25h: an embedded record without a valid signature of its own is refused, one with it is stored", async () => {
  const node = await startAnnounce();
  const [good, bad] = [createTestName(), createTestName()];
  const forged = new Uint8Array(await makeRecord(bad));
  forged.set([(forged.at(-1) ?? 0) ^ 1], forged.length - 1);
  const tags = [
    ["ipns-record", good.name.text, Buffer.from(await makeRecord(good)).toString("base64")],
    ["ipns-record", bad.name.text, Buffer.from(forged).toString("base64")],
  ];
  const result = await node.announcements.submit(wireEventOf(announcementOf([], { tags })));
  expect(result.records).toEqual([
    { name: good.name.text, outcome: "taken" },
    { name: bad.name.text, outcome: "refused" },
  ]);
  expect(node.records.held(good.name)?.record.sequence).toBe(1n);
  expect(node.records.held(bad.name)).toBeUndefined();
  expect(node.metrics.announcements).toMatchObject({ recordsTaken: 1, recordsRefused: 1 });
});

test("gotcha 25i, R28: fifty CIDs that fail are tried a few times, then the queue is empty", async () => {
  const pinRetry = { restMs: 1, restMsMax: 1, fullRestMsMax: 1, attemptsMax: 3 };
  const node = await startAnnounce({ pins: { pinRetry, pinsPerSecondMax: 10_000 } });
  const cids = Array.from({ length: 50 }, (_, index) => blockOf(`dead ${index}`).cid);
  for (const cid of cids) node.pinner.script(cid, fails("CONTENT_NOT_FOUND"));
  await node.announcements.submit(wireEventOf(announcementOf(cids.map(String))));
  node.pins.start();
  const deadCount = (): number => node.pins.list({ state: "dead", limit: 100 }).pins.length;
  await until(() => expect(deadCount()).toBe(50));
  expect(node.pinner.attempts).toHaveLength(150);
});

test("gotcha 25j: an unlisted key that floods with 10,000 CIDs gets its quota, and a listed one is not hindered", async () => {
  const quotas = { subjectsPerDay: 200, subjectsPerDayOfAll: 300 };
  // Its day does not end meanwhile.
  const node = await startAnnounce({ rules: { isOpen: true }, quotas, clock: new ManualClock() });
  const codes = new Map<string, number>();
  const submit = async (event: NostrEvent): Promise<void> => {
    const code = await node.announcements.submit(wireEventOf(event)).then(
      () => "taken",
      (err: unknown) => (err instanceof HoldfastError ? err.code : "bug"),
    );
    codes.set(code, (codes.get(code) ?? 0) + 1);
  };
  for (let index = 0; index < 200; index++) {
    const cids = Array.from({ length: 50 }, (_, number) => cidOf(`flood ${index} ${number}`));
    await submit(announcementOf(cids, { by: STRANGER }));
  }
  expect(codes).toEqual(
    new Map([
      ["taken", 4],
      ["RATE_LIMITED", 196],
    ]),
  );
  expect(node.wished()).toHaveLength(200);
  await submit(announcementOf([cidOf("wanted")], { by: AUTHOR }));
  expect(node.wished()).toContain(cidOf("wanted"));
});

function highWatersOf(
  { log, relays }: Pick<Awaited<ReturnType<typeof startAnnounce>>, "log" | "relays">,
  ...urls: readonly string[]
): (number | undefined)[] {
  const scope = JSON.stringify({ kinds: [30_078, 78], listed: [AUTHOR.pubkey] });
  return [...relays.urls, ...urls].map((url) => log.highWaterS(url, scope));
}
