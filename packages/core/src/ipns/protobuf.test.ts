import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { varint } from "../../test/support/raw-record.ts";
import { ProtobufError, ProtobufReader, ProtobufWriter } from "./protobuf.ts";

describe("ProtobufReader", () => {
  test("reads back any 64-bit number that the writer wrote", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: 1, max: 15 }),
        (value, field) => {
          const bytes = new ProtobufWriter().varintField(field, value).finish();
          expect([...bytes]).toEqual([field * 8, ...varint(value)]);
          const reader = new ProtobufReader(bytes);
          expect(reader.readTag()).toBe(field * 8);
          expect(reader.readVarint()).toBe(value);
          expect(reader.done).toBe(true);
        },
      ),
      { seed: 20_261_126 },
    );
  });

  test("reads back any bytes that the writer wrote", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (value) => {
        const bytes = new ProtobufWriter().bytesField(9, value).finish();
        const reader = new ProtobufReader(bytes);
        expect(reader.readTag()).toBe(9 * 8 + 2);
        const start = reader.skipBytes();
        expect(bytes.subarray(start, reader.position)).toEqual(value);
        expect(reader.done).toBe(true);
      }),
      { seed: 20_261_126 },
    );
  });

  test.each([
    ["nothing", []],
    ["a number that is cut off", [0x80]],
    ["a number padded to two bytes", [0x85, 0x00]],
    ["zero padded to two bytes", [0x80, 0x00]],
    ["a number padded to ten bytes", [0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]],
    ["2^64", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]],
    ["eleven bytes", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
  ])("refuses %s as a number", (_, bytes) => {
    expect(() => new ProtobufReader(Uint8Array.from(bytes)).readVarint()).toThrow(ProtobufError);
  });

  test("refuses a length beyond the end, however large", () => {
    for (const length of [3n, 2n ** 31n, 2n ** 53n, 2n ** 64n - 1n]) {
      const bytes = Uint8Array.from([...varint(length), 1, 2]);
      expect(() => new ProtobufReader(bytes).skipBytes()).toThrow(ProtobufError);
    }
  });
});
