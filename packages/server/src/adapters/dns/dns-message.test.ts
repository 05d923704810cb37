import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeTxtAnswer, DnsMessageError, encodeTxtQuestion, type TxtAnswer } from "./dns-message.ts";

/** A real answer, as bytes: an alias and the record behind it, with names as pointers. */
const ANSWER = Buffer.from(
  [
    "000081800001000200000000",
    "085f646e736c696e6b0161036f726700" + "00100001",
    "c00c" + "0005" + "0001" + "0000003c" + "0004" + "0162c017",
    "c02d" + "0010" + "0001" + "00000e10" + "000c" + "05" + "646e736c69" + "05" + "6e6b3d2f78",
  ].join(""),
  "hex",
);

function decodedOrRefused(bytes: Uint8Array): TxtAnswer | "refused" {
  try {
    return decodeTxtAnswer(bytes);
  } catch (err) {
    if (err instanceof DnsMessageError) return "refused";
    throw err;
  }
}

test("a question has the name, the type TXT, and the id 0", () => {
  expect(Buffer.from(encodeTxtQuestion("_dnslink.a.org")).toString("hex")).toBe(
    "000001000001000000000000" + "085f646e736c696e6b0161036f726700" + "00100001",
  );
});

test("an answer gives the texts with their strings joined, and the shortest TTL on the way", () => {
  expect(decodeTxtAnswer(ANSWER)).toEqual({ texts: ["dnslink=/x"], ttlS: 60 });
});

test("a name that does not exist has no texts, and a failure of the server is none of them", () => {
  const withCode = (code: number) => Buffer.from(`0000818${code}0000000000000000`, "hex");
  expect(decodeTxtAnswer(withCode(3))).toEqual({ texts: [], ttlS: undefined });
  expect(decodeTxtAnswer(withCode(0))).toEqual({ texts: [], ttlS: undefined });
  expect(() => decodeTxtAnswer(withCode(2))).toThrow("code 2");
});

test("a question is no answer", () => {
  expect(() => decodeTxtAnswer(encodeTxtQuestion("a.org"))).toThrow(DnsMessageError);
});

test("a message that is cut off anywhere is refused", () => {
  const lengths = Array.from({ length: ANSWER.byteLength }, (_, length) => length);
  expect(lengths.filter((length) => decodedOrRefused(ANSWER.subarray(0, length)) !== "refused")).toEqual([]);
});

test("whatever the bytes, they are read or refused, in bounded time", () => {
  const mutated = fc
    .array(fc.tuple(fc.nat(ANSWER.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
    .map((changes) => {
      const bytes = Buffer.from(ANSWER);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 600 })), (bytes) => {
      const answer = decodedOrRefused(bytes);
      if (answer === "refused") return;
      expect(answer.texts.length).toBeLessThanOrEqual(bytes.byteLength);
      expect(answer.ttlS ?? 0).toBeGreaterThanOrEqual(0);
    }),
    { seed: 1035, numRuns: 5_000 },
  );
});
