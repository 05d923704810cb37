import fc from "fast-check";
import { expect, test } from "vitest";
import type { EventTemplate } from "./event.ts";
import { expirationSOf, isPinAnnouncement, parsePinAnnouncement } from "./pin-announcement.ts";

const CIDS = [
  "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
  "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
  "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
];
const NAME = "k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w";

function eventOf(tags: EventTemplate["tags"], content = "{}"): EventTemplate {
  return { kind: 30_078, createdAtS: 1_737_749_000, tags, content };
}

const read = (tags: EventTemplate["tags"], content?: string) => parsePinAnnouncement(eventOf(tags, content));

test("R26: all cid tags count, each CID once, in their order", () => {
  const [a = "", b = "", c = ""] = CIDS;
  const { cids, malformed } = read([a, b, a, c].map((cid) => ["cid", cid]));
  expect(cids.map(String)).toEqual([a, b, c]);
  expect(malformed).toEqual([]);
});

test("CIDs in any spelling are read, names and records too", () => {
  const tags = [
    ["cid", "BAFKREIGH2AKISCAILDCQABSYG3DFR6CHU3FGPREGIYMSCK7E7AQA4S52ZY"],
    ["ipns", NAME],
    ["ipns-record", NAME, "AAEC"],
    ["name", "my site"],
  ];
  const { cids, names, records, label } = read(tags);
  expect(cids.map(String)).toEqual([CIDS[1]]);
  expect(names.map(({ text }) => text)).toEqual([NAME]);
  expect(records.map(({ name, bytes }) => [name.text, [...bytes]])).toEqual([[NAME, [0, 1, 2]]]);
  expect(label).toBe("my site");
});

test("what cannot be read is listed once and costs the rest nothing", () => {
  const tags = [
    ["cid"],
    ["cid", "garbage"],
    ["cid", "garbage"],
    ["cid", CIDS[0] ?? ""],
    ["ipns", "undefined"],
    ["ipns-record", NAME, "not base64!"],
    ["ipns-record", "nobody", "AAEC"],
  ];
  const { cids, names, records, malformed } = read(tags);
  expect(cids).toHaveLength(1);
  expect(names).toHaveLength(1);
  expect(records).toEqual([]);
  expect(malformed).toEqual([
    { tag: "cid", value: "" },
    { tag: "cid", value: "garbage" },
    { tag: "ipns", value: "undefined" },
    { tag: "ipns-record", value: NAME },
    { tag: "ipns-record", value: "nobody" },
  ]);
});

test("records of a JSON content are read; any other content is nobody's mistake", () => {
  const content = JSON.stringify({ records: [{ name: NAME, record: "AAE=" }, { name: 1 }, null, "x"] });
  expect(read([], content).records.map(({ bytes }) => [...bytes])).toEqual([[0, 1]]);
  for (const other of ["", "text", '"records"', '{"records":{}}', '{"records":', "[]", "null"]) {
    expect(read([], other)).toMatchObject({ records: [], malformed: [] });
  }
});

test("records are bounded in number and size", () => {
  const many = Array.from({ length: 200 }, () => ["ipns-record", NAME, "AAEC"]);
  expect(read(many).records).toHaveLength(128);
  expect(read([["ipns-record", NAME, "A".repeat(13_656)]]).records).toHaveLength(1);
  expect(read([["ipns-record", NAME, "A".repeat(13_660)]]).records).toHaveLength(0);
});

test("an announcement is told by the fixed d of the reference system, or by t", () => {
  expect(isPinAnnouncement(eventOf([["d", "ipfs-pin"]]))).toBe(true);
  expect(
    isPinAnnouncement(
      eventOf([
        ["d", "x"],
        ["t", "ipfs-pin"],
      ]),
    ),
  ).toBe(true);
  expect(isPinAnnouncement(eventOf([["d", "ipfs-pin:x"]]))).toBe(false);
  expect(isPinAnnouncement(eventOf([["x", "ipfs-pin"]]))).toBe(false);
});

test("an expiration that cannot be read is none", () => {
  expect(expirationSOf(eventOf([["expiration", "1737749000"]]))).toBe(1_737_749_000);
  for (const text of ["", "soon", "-1", "1.5", "1e9", "9999999999999"]) {
    expect(expirationSOf(eventOf([["expiration", text]]))).toBeUndefined();
  }
});

test("no tags and no content make it throw", () => {
  const value = fc.oneof(fc.string(), fc.constantFrom(...CIDS, NAME, "ipfs-pin", "AAEC"));
  const tag = fc.tuple(
    fc.constantFrom("cid", "ipns", "ipns-record", "d", "name", "expiration"),
    value,
    value,
  );
  const content = fc.oneof(
    fc.string(),
    fc.json(),
    fc.record({ records: fc.jsonValue() }).map((one) => JSON.stringify(one)),
  );
  fc.assert(
    fc.property(fc.array(tag), content, (tags, text) => {
      const event = eventOf(tags, text);
      expect(() => [
        parsePinAnnouncement(event),
        isPinAnnouncement(event),
        expirationSOf(event),
      ]).not.toThrow();
    }),
    { numRuns: 1_000, seed: 20_261_126 },
  );
});
