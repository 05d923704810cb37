import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  dueAfterFailure,
  MARGIN_MS,
  PRESSING_MS,
  RECORD_LIFETIME_MS,
  timesAfterConfirmation,
  timesWhenStored,
} from "./keep-alive-times.ts";

const instant = fc.integer({ min: 0, max: 4_000_000_000_000 });
const random = fc.double({ min: 0, max: 0.999_999, noNaN: true });

describe("after a confirmed put", () => {
  test("INV-11: due a margin before it is forgotten, never twice within a margin, never past its EOL", () => {
    fc.assert(
      fc.property(instant, instant, random, (confirmedAtMs, eolMs, chance) => {
        const { dueAtMs, darkAtMs } = timesAfterConfirmation(confirmedAtMs, eolMs, chance);
        expect(Number.isSafeInteger(dueAtMs)).toBe(true);
        expect(dueAtMs).toBeLessThanOrEqual(eolMs + 1);
        const forgottenAtMs = confirmedAtMs + RECORD_LIFETIME_MS;
        expect(darkAtMs).toBe(forgottenAtMs < eolMs ? forgottenAtMs : undefined);
        const isDropped = dueAtMs > eolMs;
        const aheadMs = forgottenAtMs - dueAtMs;
        expect(isDropped || (aheadMs >= PRESSING_MS && aheadMs <= 1.1 * MARGIN_MS + 1)).toBe(true);
        expect(isDropped || dueAtMs - confirmedAtMs >= 0.9 * MARGIN_MS - 1).toBe(true);
      }),
      { seed: 1 },
    );
  });
});

describe("when it is stored", () => {
  test("a client's record is due at once, others within an hour; half a lifetime is taken to be left", () => {
    const facts = { receivedAtMs: 1_000, eolMs: 1e12, fraction: 0.5 };
    expect(timesWhenStored({ ...facts, origin: "client" })).toEqual({
      lane: "new",
      dueAtMs: 1_000,
      darkAtMs: 1_000 + RECORD_LIFETIME_MS / 2,
    });
    for (const origin of ["network", "peer-push"] as const) {
      const { lane, dueAtMs } = timesWhenStored({ ...facts, origin });
      expect([lane, dueAtMs]).toEqual(["kept", 1_000 + 1_800_000]);
    }
    expect(timesWhenStored({ ...facts, origin: "client", eolMs: 2_000 }).darkAtMs).toBeUndefined();
  });
});

describe("after a failure", () => {
  test("P2: pauses grow to an hour and stay there, and end at the EOL", () => {
    const facts = { eolMs: 1e12, random: 0.5 };
    const pauses = [1, 2, 3, 4, 5, 6, 7, 1_000].map((attempts) => dueAfterFailure(0, { ...facts, attempts }));
    expect(pauses).toEqual([2_000, 10_000, 60_000, 300_000, 1_800_000, 3_600_000, 3_600_000, 3_600_000]);
    expect(dueAfterFailure(0, { attempts: 6, eolMs: 5_000, random: 0.5 })).toBe(5_001);
  });
});
