import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8 } from "../../test/support/raw-record.ts";
import { formatValidity, parseValidity } from "./validity.ts";

const parse = (text: string) => parseValidity(utf8(text));

describe("parseValidity", () => {
  test.each([
    ["1970-01-01T00:00:00Z", 0n],
    ["1970-01-01T00:00:00.000000001Z", 1n],
    ["1970-01-01T00:00:01.5Z", 1_500_000_000n],
    ["1970-01-01T01:00:00+01:00", 0n],
    ["1969-12-31T23:30:00-00:30", 0n],
    ["1969-12-31T23:59:59.999999999Z", -1n],
    ["2125-01-01T00:00:00.000000001Z", 4_891_363_200_000_000_001n],
    ["2000-02-29T00:00:00Z", 951_782_400_000_000_000n],
    ["0000-01-01T00:00:00Z", -62_167_219_200_000_000_000n],
    ["9999-12-31T23:59:59.999999999Z", 253_402_300_799_999_999_999n],
  ])("reads %s", (text, ns) => {
    expect(parse(text)?.ns).toBe(ns);
    expect(parse(text)?.ms).toBe(Number(ns >= 0n ? ns / 1_000_000n : -((-ns + 999_999n) / 1_000_000n)));
  });

  test.each([
    ["", "nothing"],
    ["2125-01-01 00:00:00Z", "a space instead of the T"],
    ["2125-01-01t00:00:00Z", "a small t"],
    ["2125-01-01T00:00:00z", "a small z"],
    ["2125-01-01T00:00:00", "no zone"],
    ["2125-01-01T00:00:00.Z", "a dot without digits"],
    ["2125-01-01T00:00:00,5Z", "a comma"],
    ["2125-01-01T00:00:00.0000000000Z", "ten fraction digits"],
    ["2125-01-01T0:00:00Z", "a one-digit hour"],
    ["2125-01-01T24:00:00Z", "hour 24"],
    ["2125-01-01T00:60:00Z", "minute 60"],
    ["2125-01-01T23:59:60Z", "a leap second"],
    ["2125-00-01T00:00:00Z", "month 0"],
    ["2125-13-01T00:00:00Z", "month 13"],
    ["2125-01-00T00:00:00Z", "day 0"],
    ["2125-04-31T00:00:00Z", "31 April"],
    ["2125-02-29T00:00:00Z", "29 February of a common year"],
    ["2100-02-29T00:00:00Z", "29 February of a century"],
    ["2125-01-01T00:00:00+24:00", "an offset of 24 hours"],
    ["2125-01-01T00:00:00+00:60", "an offset of 60 minutes"],
    ["2125-01-01T00:00:00+0100", "an offset without a colon"],
    ["2125-01-01T00:00:00+01", "an offset of hours alone"],
    ["2125-01-01T00:00:00Z ", "a space at the end"],
    [" 2125-01-01T00:00:00Z", "a space in front"],
    ["2125-01-01T00:00:00ZZ", "two zones"],
    ["+2125-01-01T00:00:00Z", "a sign"],
    ["12125-01-01T00:00:00Z", "five digits of a year"],
    ["2125/01/01T00:00:00Z", "slashes"],
    ["２125-01-01T00:00:00Z", "a digit outside ASCII"],
    ["2125-1a-01T00:00:00Z", "a letter"],
  ])("refuses %j: %s", (text) => {
    expect(parse(text)).toBeUndefined();
  });

  test("agrees with Date on every millisecond of the years 0 to 9999", () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }), (ms) => {
        expect(parse(new Date(ms).toISOString())).toEqual({ ms, ns: BigInt(ms) * 1_000_000n });
        expect(parse(formatValidity(ms))?.ms).toBe(ms);
      }),
      { numRuns: 2_000, seed: 20_261_126 },
    );
  });

  test("an offset moves the instant, not the fraction", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1_439, max: 1_439 }),
        fc.integer({ min: 0, max: 999_999_999 }),
        (offset, ns) => {
          const zone = `${String(Math.floor(Math.abs(offset) / 60)).padStart(2, "0")}:${String(Math.abs(offset) % 60).padStart(2, "0")}`;
          const text = `2025-06-15T12:00:00.${String(ns).padStart(9, "0")}${offset < 0 ? "-" : "+"}${zone}`;
          const noon = BigInt(Date.UTC(2025, 5, 15, 12)) * 1_000_000n;
          expect(parse(text)?.ns).toBe(noon - BigInt(offset) * 60_000_000_000n + BigInt(ns));
        },
      ),
      { seed: 20_261_126 },
    );
  });

  test("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(parseValidity(bytes)).toBeUndefined();
      }),
      { seed: 20_261_126 },
    );
  });
});
