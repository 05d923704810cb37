import fc from "fast-check";
import { expect, test } from "vitest";
import { isHoldfastError } from "../errors.ts";
import { sha256 } from "../ipns/sha256.ts";
import { encodeUtf8 } from "../utf8.ts";
import { EVENT_BYTES_MAX, type NostrEvent, parseNostrEvent, serializeForId, wireEventOf } from "./event.ts";
import { type VerifiedEvent, verifyNostrEvent } from "./verified-event.ts";

/** protocols.md §6.1: secret key 0x…03, checked with nostr-tools. */
const GOLDEN = {
  id: "968ba6565a82eb90970dcea83917df1ab5b5f836909b6c66ce0f0c6a7ea7e51b",
  pubkey: "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
  created_at: 1_737_749_000,
  kind: 30_078,
  tags: [
    ["d", "ipfs-pin"],
    ["cid", "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"],
    ["ipns", "k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w"],
  ],
  content: '{"source":"node-name","timestamp":1737749000}',
  sig: "6265e52832eac06f2f6291fc3f54c1f22cff5aa398ed766c8d781264297e24bdc50a1d5cc652657a2020ae08e3cab209a3ea68ce23f74294568f1b92745d1ebc",
};

function problemOf(value: unknown): unknown {
  try {
    parseNostrEvent(value);
    return "none";
  } catch (err) {
    if (!isHoldfastError(err) || err.code !== "EVENT_INVALID") throw err;
    return err.details["reason"];
  }
}

test("the golden event is read, and written as it was", () => {
  expect(wireEventOf(parseNostrEvent(GOLDEN))).toEqual(GOLDEN);
});

test("the id of the golden event is the hash of its serialisation", () => {
  const text = serializeForId(GOLDEN.pubkey, parseNostrEvent(GOLDEN));
  expect(Buffer.from(sha256(encodeUtf8(text))).toString("hex")).toBe(GOLDEN.id);
});

test.each<[string, unknown]>([
  ["no object", null],
  ["text", "event"],
  ["a list", []],
  ["an upper-case id", { ...GOLDEN, id: GOLDEN.id.toUpperCase() }],
  ["a short id", { ...GOLDEN, id: GOLDEN.id.slice(1) }],
  ["a signature with a line break", { ...GOLDEN, sig: `${GOLDEN.sig.slice(1)}\n` }],
  ["a key that is a number", { ...GOLDEN, pubkey: 1 }],
  ["an instant as text", { ...GOLDEN, created_at: "1737749000" }],
  ["a fraction of a second", { ...GOLDEN, created_at: 1.5 }],
  ["an instant before the epoch", { ...GOLDEN, created_at: -1 }],
  ["an instant past what numbers hold", { ...GOLDEN, created_at: 1e300 }],
  ["a kind past 65535", { ...GOLDEN, kind: 65_536 }],
  ["content that is an object", { ...GOLDEN, content: {} }],
  ["no tags", { ...GOLDEN, tags: undefined }],
  ["an empty tag", { ...GOLDEN, tags: [[]] }],
  ["a tag that is text", { ...GOLDEN, tags: ["d"] }],
  ["a tag with a number", { ...GOLDEN, tags: [["d", 1]] }],
  ["2,001 tags", { ...GOLDEN, tags: Array.from({ length: 2_001 }, () => ["x"]) }],
])("an event with %s is malformed", (_what, value) => {
  expect(problemOf(value)).toBe("MALFORMED");
});

test("the size of an event is bounded by what is in it", () => {
  const rest = GOLDEN.tags.flat().join("").length;
  expect(problemOf({ ...GOLDEN, content: "x".repeat(EVENT_BYTES_MAX - rest) })).toBe("none");
  expect(problemOf({ ...GOLDEN, content: "x".repeat(EVENT_BYTES_MAX - rest + 1) })).toBe("TOO_LARGE");
  expect(problemOf({ ...GOLDEN, tags: [["d", "x".repeat(EVENT_BYTES_MAX)]] })).toBe("TOO_LARGE");
});

test("whatever is parsed from JSON is read or refused, and what was read is read again", () => {
  const field = fc.oneof(fc.jsonValue(), fc.constant(undefined));
  const almost = fc
    .record({ created_at: field, kind: field, tags: field, content: field, id: field, sig: field })
    .map((fields) => ({ ...GOLDEN, ...JSON.parse(JSON.stringify(fields)) }) as unknown);
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), almost), (value) => {
      if (problemOf(value) !== "none") return;
      const wire: unknown = JSON.parse(JSON.stringify(wireEventOf(parseNostrEvent(value))));
      expect(parseNostrEvent(wire)).toEqual(parseNostrEvent(value));
    }),
    { numRuns: 2_000, seed: 20_261_126 },
  );
});

test("R25: what hangs on an object beside its fields is not read, such as the mark of a library that verified it", () => {
  const mark = Symbol("verified");
  const event = parseNostrEvent({ ...GOLDEN, [mark]: true, extra: 1 });
  const fields = ["id", "pubkey", "createdAtS", "kind", "tags", "content", "sig"];
  expect(new Set(Reflect.ownKeys(event))).toEqual(new Set(fields));
});

test("an event is verified once the check says so, and not otherwise", async () => {
  const event = parseNostrEvent(GOLDEN);
  const checked: NostrEvent[] = [];
  const verified: VerifiedEvent = await verifyNostrEvent(event, (one) => checked.push(one) === 1);
  expect(checked).toEqual([event]);
  expect(wireEventOf(verified)).toEqual(GOLDEN);
  await expect(verifyNostrEvent(event, () => false)).rejects.toMatchObject({
    code: "EVENT_INVALID",
    details: { reason: "SIGNATURE_INVALID" },
  });
  await expect(verifyNostrEvent(event, () => Promise.reject(new Error("full")))).rejects.toThrow("full");
});
