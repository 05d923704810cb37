import fc from "fast-check";
import { expect, test } from "vitest";
import { createTestName, makeValidatedRecord } from "../../test/support/records.ts";
import { type HistoricRecord, parseInstant, recordAt } from "./name-history.ts";
import { HISTORY_RECORDS_MAX } from "./record-store.ts";

const key = createTestName();
const NOW_MS = Date.now();
const HOUR_MS = 3_600_000;

async function entry(sequence: number, receivedAtMs: number, eolMs: number): Promise<HistoricRecord> {
  const record = await makeValidatedRecord(key, { sequence: BigInt(sequence), eolMs, nowMs: 0 });
  return { record, origin: "client", receivedAtMs };
}

test("the record that had come last by then was current", async () => {
  const [one, two] = [await entry(1, 1000, NOW_MS), await entry(2, 2000, NOW_MS)];
  expect(recordAt([two, one], 1999)).toEqual({ kind: "record", entry: one });
  expect(recordAt([two, one], 2000)).toEqual({ kind: "record", entry: two });
  expect(recordAt([two, one], NOW_MS)).toEqual({ kind: "record", entry: two });
});

test("R13: nothing was current after the EOL of the last record, whatever came before it", async () => {
  const [lasting, brief] = [await entry(1, 1000, NOW_MS), await entry(2, 2000, 3000)];
  expect(recordAt([brief, lasting], 3000)).toEqual({ kind: "record", entry: brief });
  expect(recordAt([brief, lasting], 3001)).toEqual({ kind: "expired", entry: brief });
});

test("before the first record a name was unknown; before the oldest of a full history nobody knows", async () => {
  const few = [await entry(1, 1000, NOW_MS)];
  expect(recordAt(few, 999)).toEqual({ kind: "unknown", sinceMs: 1000 });
  expect(recordAt([], 999)).toEqual({ kind: "unknown" });
  const full = await Promise.all(
    Array.from({ length: HISTORY_RECORDS_MAX }, (_, i) => entry(20 - i, 20_000 - i * 1000, NOW_MS)),
  );
  expect(recordAt(full, 10_999)).toEqual({ kind: "not-kept", sinceMs: 11_000 });
});

test.each([
  ["1767225600000", 1_767_225_600_000],
  ["2026-01-01T00:00:00Z", 1_767_225_600_000],
  ["2026-01-01T02:00:00+02:00", 1_767_225_600_000],
  ["2026-01-01t00:00:00.000z", 1_767_225_600_000],
  ["2026-01-01", undefined],
  ["yesterday", undefined],
  ["2026-13-01T00:00:00Z", undefined],
  ["-1", undefined],
  ["1e9", undefined],
  ["", undefined],
])("the instant %j is %s", (text, ms) => {
  expect(parseInstant(text)).toBe(ms);
});

test("any text is an instant in ms or none, and what was formatted is parsed", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9T:.Z+ -]{0,40}$/)), (text) => {
      const ms = parseInstant(text);
      expect(ms === undefined || Number.isFinite(ms)).toBe(true);
    }),
    { seed: 6 },
  );
  fc.assert(
    fc.property(
      fc.date({ min: new Date(0), max: new Date(NOW_MS + HOUR_MS), noInvalidDate: true }),
      (date) => {
        expect(parseInstant(date.toISOString())).toBe(date.getTime());
        expect(parseInstant(String(date.getTime()))).toBe(date.getTime());
      },
    ),
    { seed: 6 },
  );
});
