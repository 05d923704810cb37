import fc from "fast-check";
import { expect, it } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { createTestName, makeValidatedRecord } from "../../../test/support/records.ts";
import type { StoredRecord } from "../../records/record-store.ts";
import { type Change, RecentChanges } from "./recent-changes.ts";

const key = createTestName();
const record = await makeValidatedRecord(key);
const stored: StoredRecord = { record, origin: "client", receivedAtMs: 0, checkedAtMs: 0 };
const MINUTES_10_MS = 600_000;

function filled(count: number, options: ConstructorParameters<typeof RecentChanges>[1] = {}) {
  const clock = new ManualClock();
  const changes = new RecentChanges(clock, options);
  const startId = changes.lastId;
  const added: Change[] = [];
  for (let i = 0; i < count; i++) added.push(changes.add(key.name, stored));
  return { clock, changes, startId, added };
}

it("gives exactly what came after each id", () => {
  const { changes, startId, added } = filled(5);
  expect(changes.since(startId)).toEqual({ kind: "changes", changes: added });
  for (const [index, { id }] of added.entries())
    expect(changes.since(id)).toEqual({ kind: "changes", changes: added.slice(index + 1) });
  expect(changes.since(changes.lastId)).toEqual({ kind: "changes", changes: [] });
});

it("R13: does not give what has expired meanwhile", async () => {
  const { clock, changes, startId, added } = filled(1);
  const eolMs = clock.nowMs() + 1_000;
  const brief = { ...stored, record: await makeValidatedRecord(key, { eolMs, nowMs: clock.nowMs() }) };
  const change = changes.add(key.name, brief);
  await clock.advance(1_000);
  expect(changes.since(startId)).toEqual({ kind: "changes", changes: [...added, change] });
  await clock.advance(1);
  expect(changes.since(startId)).toEqual({ kind: "changes", changes: added });
});

it("keeps as many as it may, and says what is held for ids before them", () => {
  const { clock, changes, added } = filled(25, { changesMax: 4 });
  expect(changes.since(added[20]?.id ?? "")).toEqual({ kind: "changes", changes: added.slice(21) });
  const sinceMs = clock.nowMs() - MINUTES_10_MS;
  expect(changes.since(added[19]?.id ?? "")).toEqual({ kind: "held", sinceMs });
  const small = filled(25, { bytesMax: record.bytes.length * 2 });
  expect(small.changes.since(small.added[22]?.id ?? "")).toMatchObject({ kind: "changes" });
  expect(small.changes.since(small.added[21]?.id ?? "")).toMatchObject({ kind: "held" });
});

it("says what is held for ids of an earlier run or another node, some minutes before their instant", async () => {
  const before = filled(3);
  await before.clock.advance(3_600_000);
  const { id } = before.changes.add(key.name, stored);
  const after = new RecentChanges(before.clock);
  const sinceMs = before.clock.nowMs() - MINUTES_10_MS;
  expect(after.since(id)).toEqual({ kind: "held", sinceMs });
});

it("says everything for ids that nobody gave out", () => {
  const { clock, changes, startId } = filled(3);
  const all = { kind: "held", sinceMs: 0 };
  const fromTheFuture = `${clock.nowMs() + 2 * MINUTES_10_MS}${startId.slice(startId.indexOf("-"))}`;
  for (const id of ["", "7", "x", fromTheFuture, `${startId}x`, ` ${startId}`])
    expect(changes.since(id)).toEqual(all);
  expect(changes.since(startId.replace(/\d+$/, "4"))).toMatchObject({ kind: "held" });
});

it("never throws and never gives changes to an id that it did not give out", () => {
  const { changes, added } = filled(10, { changesMax: 5 });
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{1,16}-[0-9a-f]{8}-\d{1,16}$/)), (id) => {
      const isOurs = added.some((each) => each.id === id);
      expect(isOurs || changes.since(id).kind === "held").toBe(true);
    }),
    { seed: 6, numRuns: 1000 },
  );
});
