import { expect, it, vi } from "vitest";
import { createTestName, makeValidatedRecord, TEST_VALUE } from "../../test/support/records.ts";
import type { StoredRecord } from "../records/record-store.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { Push, updateMessage } from "./push.ts";

const key = createTestName();

async function storedRecord(sequence: bigint, value = TEST_VALUE): Promise<StoredRecord> {
  const record = await makeValidatedRecord(key, { sequence, value });
  return { record, origin: "client", receivedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678), checkedAtMs: 0 };
}

function listener() {
  const heard: { name: string; sequence: number }[] = [];
  return {
    heard,
    send: (message: Buffer) => void heard.push(JSON.parse(message.toString()) as (typeof heard)[number]),
  };
}

it("R10: tells each subscriber once, in its spelling, and nobody who did not subscribe or has left", async () => {
  const push = new Push(new Metrics());
  const [base36, base58, gone, other] = [listener(), listener(), listener(), listener()];
  push.subscribe(base36, key.name, "k51…");
  push.subscribe(base36, key.name, "k51…");
  push.subscribe(base58, key.name, "12D3…");
  push.subscribe(gone, key.name, "k51…");
  push.subscribe(other, createTestName().name, "k51-other");
  push.unsubscribe(gone, key.name.text, "k51…");
  push.announce(key.name, await storedRecord(3n));
  expect(base36.heard).toMatchObject([{ name: "k51…", sequence: 3 }]);
  expect(base58.heard).toMatchObject([{ name: "12D3…", sequence: 3 }]);
  expect([...gone.heard, ...other.heard]).toEqual([]);
});

it("counts subscriptions and forgets names that nobody wants", () => {
  const metrics = new Metrics();
  const push = new Push(metrics);
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
  const push = new Push(new Metrics());
  const listeners = Array.from({ length: 1000 }, listener);
  for (const each of listeners) push.subscribe(each, key.name, "n");
  push.announce(key.name, await storedRecord(1n));
  push.announce(key.name, await storedRecord(2n));
  expect(listeners.filter(({ heard }) => heard.length > 0)).toHaveLength(256);
  await vi.waitFor(() => {
    expect(listeners.every(({ heard }) => heard.length === 2)).toBe(true);
  });
  expect(listeners.every(({ heard }) => heard[0]?.sequence === 1 && heard[1]?.sequence === 2)).toBe(true);
});

it("gives the CID of an /ipfs/ value, the whole value otherwise, and the exact sequence", async () => {
  const parsed = (stored: StoredRecord): unknown => JSON.parse(updateMessage("n", stored).toString());
  const big = 9_007_199_254_740_993n;
  expect(parsed(await storedRecord(big, `${TEST_VALUE}/a/b`))).toMatchObject({
    type: "update",
    cid: TEST_VALUE.slice("/ipfs/".length),
    sequence: Number(big),
    sequenceText: "9007199254740993",
    timestamp: "2026-01-02T03:04:05.678Z",
    value: `${TEST_VALUE}/a/b`,
  });
  const other = `/ipns/${createTestName().name.text}`;
  expect(parsed(await storedRecord(1n, other))).toMatchObject({ cid: other });
});
