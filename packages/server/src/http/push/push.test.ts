import { expect, it } from "vitest";
import {
  createTestName,
  makeValidatedRecord,
  TEST_VALUE,
  type TestKey,
} from "../../../test/support/records.ts";
import type { StoredRecord } from "../../records/record-store.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import { Push } from "./push.ts";
import { PushUpdate } from "./push-update.ts";
import type { Change } from "./recent-changes.ts";
import { Turns } from "./turns.ts";
import { until } from "../../../test/support/until.ts";

const key = createTestName();

/** Its turns end after so many pieces, not when a busy machine has taken its time over them. */
const createPush = (metrics = new Metrics()): Push => new Push(metrics, new Turns(() => 0));

async function storedRecord(sequence: bigint, of: TestKey = key, value = TEST_VALUE): Promise<StoredRecord> {
  const record = await makeValidatedRecord(of, { sequence, value });
  return { record, origin: "client", receivedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678), checkedAtMs: 0 };
}

async function change(sequence: bigint, of: TestKey = key): Promise<Change> {
  return { id: `id-${sequence}`, name: of.name, stored: await storedRecord(sequence, of) };
}

function listener() {
  const heard: { name: string; sequence: number }[] = [];
  return {
    heard,
    send: (update: PushUpdate) =>
      void heard.push(
        JSON.parse(/data: (.*)/.exec(update.event.toString())?.[1] ?? "") as (typeof heard)[number],
      ),
  };
}

it("R10: tells each subscriber once, in its spelling, and nobody who did not subscribe or has left", async () => {
  const push = createPush();
  const [base36, base58, gone, other] = [listener(), listener(), listener(), listener()];
  push.subscribe(base36, key.name, "k51…");
  push.subscribe(base36, key.name, "k51…");
  push.subscribe(base58, key.name, "12D3…");
  push.subscribe(gone, key.name, "k51…");
  push.subscribe(other, createTestName().name, "k51-other");
  push.unsubscribe(gone, key.name.text, "k51…");
  push.announce(await change(3n));
  expect(base36.heard).toMatchObject([{ name: "k51…", sequence: 3 }]);
  expect(base58.heard).toMatchObject([{ name: "12D3…", sequence: 3 }]);
  expect([...gone.heard, ...other.heard]).toEqual([]);
});

it("makes one message for all who use a spelling", async () => {
  const push = createPush();
  const frames: Buffer[] = [];
  for (let i = 0; i < 3; i++) push.subscribe({ send: ({ frame }) => void frames.push(frame) }, key.name, "n");
  push.announce(await change(1n));
  expect(new Set(frames).size).toBe(1);
});

it("counts subscriptions and forgets names that nobody wants", () => {
  const metrics = new Metrics();
  const push = createPush(metrics);
  const one = listener();
  push.subscribe(one, key.name, "a");
  push.subscribe(one, key.name, "b");
  expect(metrics.push.subscriptions).toBe(2);
  push.unsubscribe(one, key.name.text, "a");
  push.unsubscribe(one, key.name.text, "a");
  push.unsubscribe(one, key.name.text, "b");
  expect(metrics.push.subscriptions).toBe(0);
});

it("R42: sends to many in turns, in the order of the changes, and lets other work in between", async () => {
  const push = createPush();
  const listeners = Array.from({ length: 1000 }, listener);
  for (const each of listeners) push.subscribe(each, key.name, "n");
  const [first, second] = [await change(1n), await change(2n)];
  push.announce(first);
  push.announce(second);
  const afterFirstTurn = listeners.filter(({ heard }) => heard.length > 0).length;
  expect(afterFirstTurn).toBeGreaterThan(0);
  expect(afterFirstTurn).toBeLessThanOrEqual(32);
  let turns = 0;
  for (; listeners.some(({ heard }) => heard.length < 2); turns++) await new Promise(setImmediate);
  expect(turns).toBeGreaterThan(20);
  expect(listeners.every(({ heard }) => heard[0]?.sequence === 1 && heard[1]?.sequence === 2)).toBe(true);
});

it("says what is behind the changes under way only after they were sent", async () => {
  const push = createPush();
  const order: string[] = [];
  for (let i = 0; i < 200; i++) push.subscribe({ send: () => void order.push("change") }, key.name, "n");
  push.announce(await change(1n));
  push.behind(() => void order.push("behind"));
  await until(() => expect(order).toHaveLength(201));
  expect(order.at(-1)).toBe("behind");
});

it("R42: when more is stored than can be sent, leaves out what was superseded since, and never the last change", async () => {
  const metrics = new Metrics();
  const push = createPush(metrics);
  const [busy, quiet] = [createTestName(), createTestName()];
  const listeners = Array.from({ length: 100 }, listener);
  for (const each of listeners) {
    push.subscribe(each, busy.name, "busy");
    push.subscribe(each, quiet.name, "quiet");
  }
  const changes = await Promise.all(Array.from({ length: 1000 }, async (_, i) => change(BigInt(i), busy)));
  for (const each of changes) push.announce(each);
  push.announce(await change(1n, quiet));
  await until(() => expect(listeners.every(({ heard }) => heard.at(-1)?.name === "quiet")).toBe(true));
  const heard =
    listeners[0]?.heard.filter(({ name }) => name === "busy").map(({ sequence }) => sequence) ?? [];
  expect(metrics.push.updatesLeftOut).toBeGreaterThan(0);
  expect(heard).toHaveLength(1000 - metrics.push.updatesLeftOut);
  expect(heard).toEqual([...heard].sort((a, b) => a - b));
  expect(heard.at(-1)).toBe(999);
});

it("forms frames of every size as RFC 6455 has it", async () => {
  const stored = await storedRecord(1n);
  const payloadOf = (spelling: string) => {
    const { frame } = new PushUpdate(spelling, stored, { id: "x" });
    expect(frame[0]).toBe(0x81);
    const length = frame[1] ?? 0;
    if (length < 126) return [length, frame.subarray(2)] as const;
    if (length === 126) return [frame.readUInt16BE(2), frame.subarray(4)] as const;
    return [Number(frame.readBigUInt64BE(2)), frame.subarray(10)] as const;
  };
  const [overhead] = payloadOf("");
  for (const length of [65_535, 65_536, 100_000]) {
    const spelling = "x".repeat(length - overhead);
    const [told, payload] = payloadOf(spelling);
    expect([told, payload.length]).toEqual([length, length]);
    expect(JSON.parse(payload.toString())).toMatchObject({ name: spelling });
  }
});

it("spells numbers above 2^53 exactly, and gives the CID or the whole value", async () => {
  const read = (stored: StoredRecord) =>
    JSON.parse(/data: (.*)/.exec(new PushUpdate("n", stored).event.toString())?.[1] ?? "") as unknown;
  expect(read(await storedRecord(2n ** 60n + 1n))).toMatchObject({
    sequenceText: "1152921504606846977",
    cid: TEST_VALUE.slice("/ipfs/".length),
    timestamp: "2026-01-02T03:04:05.678Z",
    snapshot: true,
  });
  const value = `/ipns/${key.name.text}/a`;
  expect(read(await storedRecord(1n, key, value))).toMatchObject({ cid: value, value });
  const folder = `${TEST_VALUE}/a/b`;
  const cid = TEST_VALUE.slice("/ipfs/".length);
  expect(read(await storedRecord(1n, key, folder))).toMatchObject({ cid, value: folder });
});
