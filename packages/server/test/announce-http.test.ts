import { EVENT_BYTES_MAX, wireEventOf } from "@holdfast/core";
import { expect, onTestFinished, test, vi } from "vitest";
import { announceRoute } from "../src/http/routes/announce.ts";
import { WritePolicy } from "../src/http/write-policy.ts";
import { blockOf } from "./support/blocks.ts";
import { ManualClock } from "./support/manual-clock.ts";
import {
  announcementOf,
  AUTHOR,
  nowS,
  startAnnounce,
  type StartAnnounceOptions,
  STRANGER,
} from "./support/start-announce.ts";
import { startHttp } from "./support/start-http.ts";
import { until } from "./support/until.ts";

// Each test starts a node or two, with threads of their own: on a machine that has much else to do that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const cidOf = (text: string): string => blockOf(text).cid.toString();

async function startDoor(options: StartAnnounceOptions = {}, policy: "open" | "closed" | "token" = "open") {
  const node = await startAnnounce(options);
  const writePolicy = new WritePolicy({ kind: policy, tokens: ["0123456789abcdef"] });
  const route = announceRoute({ announcements: node.announcements, writePolicy });
  const http = await startHttp({ server: { routes: [route] } });
  onTestFinished(() => http[Symbol.asyncDispose]());
  const post = (body: string): Promise<Response> => fetch(`${http.url}/announce`, { method: "POST", body });
  return { node, url: http.url, post };
}

const bodyOf = (...args: Parameters<typeof announcementOf>): string =>
  JSON.stringify(wireEventOf(announcementOf(...args)));

test("a signed announcement is taken as from a relay: 202 the first time, 200 afterwards", async () => {
  const { node, post } = await startDoor();
  const body = bodyOf([cidOf("a"), "garbage"]);
  const first = await post(body);
  expect(first.status).toBe(202);
  expect(first.headers.get("cache-control")).toBe("no-store");
  expect(await first.json()).toEqual({
    id: (JSON.parse(body) as { id: string }).id,
    outcome: "taken",
    cids: [cidOf("a")],
    names: [],
    records: [],
    malformed: [{ tag: "cid", value: "garbage" }],
  });
  expect(node.wished()).toEqual([cidOf("a")]);
  const second = await post(body);
  expect(second.status).toBe(200);
  expect(await second.json()).toMatchObject({ outcome: "known" });
  expect(node.pins.claims(blockOf("a").cid)).toEqual([
    expect.objectContaining({ source: "nostr", holder: AUTHOR.pubkey }),
  ]);
});

test.each<[string, number, () => string]>([
  ["no JSON", 400, () => "{"],
  ["bytes that are not UTF-8", 400, () => "\ud800"],
  ["no event", 400, () => "{}"],
  [
    "an event without a valid signature",
    400,
    () => bodyOf([cidOf("a")]).replace('"content":"{}"', '"content":"x"'),
  ],
  ["another kind", 400, () => bodyOf([cidOf("a")], { kind: 1 })],
  ["another d", 400, () => bodyOf([cidOf("a")], { d: "else" })],
  ["nothing to be kept", 400, () => bodyOf([])],
  [
    "an event that has expired",
    400,
    () => bodyOf([cidOf("a")], { tags: [["expiration", String(nowS() - 1)]] }),
  ],
  ["an event from the future", 400, () => bodyOf([cidOf("a")], { createdAtS: nowS() + 1_000 })],
  ["an author who is not listed", 403, () => bodyOf([cidOf("a")], { by: STRANGER })],
  ["65,537 bytes", 413, () => bodyOf([cidOf("a")]).padEnd(EVENT_BYTES_MAX + 1)],
])("%s is answered with %i", async (_what, status, makeBody) => {
  const { node, post } = await startDoor();
  const response = await post(makeBody());
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(node.wished()).toEqual([]);
});

test("65,536 bytes are taken", async () => {
  const { post } = await startDoor();
  expect((await post(bodyOf([cidOf("a")]).padEnd(EVENT_BYTES_MAX))).status).toBe(202);
});

test("over a quota is answered with 429 and when to try again; nothing of the event was taken", async () => {
  const quotas = { subjectsPerDay: 3 };
  // Its day does not end meanwhile.
  const clock = new ManualClock();
  const { node, post } = await startDoor({ rules: { isOpen: true }, quotas, clock });
  expect((await post(bodyOf([cidOf("a"), cidOf("b")], { by: STRANGER }))).status).toBe(202);
  const refused = await post(bodyOf([cidOf("c"), cidOf("d")], { by: STRANGER }));
  expect(refused.status).toBe(429);
  const retryAfterS = Number(refused.headers.get("retry-after"));
  expect(retryAfterS).toBeGreaterThan(0);
  expect(retryAfterS).toBeLessThanOrEqual(86_400);
  expect(node.wished()).toEqual([cidOf("a"), cidOf("b")]);
  // What was asked for before costs nothing: cumulative events say it again and again.
  const cumulative = bodyOf([cidOf("a"), cidOf("b"), cidOf("e")], { by: STRANGER });
  expect((await post(cumulative)).status).toBe(202);
});

test("an author over the bytes of the day is refused before the signature is checked", async () => {
  const clock = new ManualClock();
  const { node, post } = await startDoor({ rules: { isOpen: true }, quotas: { bytesPerDay: 1_000 }, clock });
  const day = Math.floor(clock.nowMs() / 86_400_000);
  await node.log.chargeBytes(STRANGER.pubkey, day, 1_000);
  expect((await post(bodyOf([cidOf("a")], { by: STRANGER }))).status).toBe(429);
  expect((await post(bodyOf([cidOf("a")]))).status).toBe(202);
});

test("a denied author is refused, listed or not", async () => {
  const rules = { isOpen: true, denied: new Set([AUTHOR.pubkey]) };
  const { post } = await startDoor({ rules });
  expect((await post(bodyOf([cidOf("a")]))).status).toBe(403);
});

test("a queue that is full is answered with 503, and the same event is taken later", async () => {
  const { node, post } = await startDoor({ pins: { queuedMax: 1 } });
  expect((await post(bodyOf([cidOf("a")]))).status).toBe(202);
  const body = bodyOf([cidOf("b")]);
  const refused = await post(body);
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("1");
  node.pins.start();
  await until(async () => expect((await post(body)).status).toBe(202));
});

test("a node that takes no writes takes no announcements; a token is not asked for", async () => {
  expect((await (await startDoor({}, "closed")).post(bodyOf([cidOf("a")]))).status).toBe(403);
  expect((await (await startDoor({}, "token")).post(bodyOf([cidOf("a")]))).status).toBe(202);
});
