import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { restartDelayMs } from "./restart-delay.ts";

describe("restartDelayMs", () => {
  it("doubles from half a second to half a minute", () => {
    const delays = Array.from({ length: 9 }, (_, i) => restartDelayMs(i + 1, 0.5));
    expect(delays).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it("is spread over half to one and a half of that, however often the thread died", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (n, r) => {
          const delay = restartDelayMs(n, r);
          expect(delay).toBeGreaterThanOrEqual(250);
          expect(delay).toBeLessThanOrEqual(45_000);
        },
      ),
      { seed: 20_261_126 },
    );
  });
});
