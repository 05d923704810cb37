import { expect, test } from "vitest";
import { parseCid } from "../content/cid.ts";
import { parseIpnsName } from "../ipns/name.ts";
import { decodeRecord } from "../ipns/record.ts";
import { vector, vectorFile } from "../../test/support/vectors.ts";
import {
  buildBulkAnnouncement,
  buildCidAnnouncement,
  buildLegacyAnnouncement,
  buildRecordAnnouncement,
  subjectOfCid,
  subjectOfPage,
} from "./build-announcements.ts";
import { isPinAnnouncement, parsePinAnnouncement } from "./pin-announcement.ts";

const CID = parseCid("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi");
const FACTS = { kind: 30_078, createdAtS: 1_737_749_000, source: "node-name" };

const cidsOf = (event: Parameters<typeof parsePinAnnouncement>[0]): string[] =>
  parsePinAnnouncement(event).cids.map(String);

test("R27: a CID is announced under a d of its own", () => {
  const event = buildCidAnnouncement(CID, FACTS);
  expect(event.tags).toEqual([
    ["d", `ipfs-pin:${CID.toString()}`],
    ["t", "ipfs-pin"],
    ["cid", CID.toString()],
  ]);
  expect(event.content).toBe('{"source":"node-name","timestamp":1737749000}');
  expect(isPinAnnouncement(event)).toBe(true);
});

test("no event has two d tags: relays disagree about which of them replaces what", () => {
  const events = [
    buildCidAnnouncement(CID, FACTS),
    buildLegacyAnnouncement({ cids: [CID.toString()], names: [] }, FACTS),
    buildBulkAnnouncement({ d: subjectOfPage(0), cids: [CID.toString()] }, FACTS),
  ];
  for (const { tags } of events) expect(tags.filter(([name]) => name === "d")).toHaveLength(1);
  expect(new Set(events.map(({ tags }) => tags[0]?.[1])).size).toBe(3);
  expect(subjectOfCid(CID)).toBe(events[0]?.tags[0]?.[1]);
});

test("the legacy event has the 50 newest of each, the newest last, and the d of the reference system", () => {
  const cids = Array.from({ length: 60 }, (_, index) => `cid-${index}`);
  const { tags } = buildLegacyAnnouncement({ cids, names: ["name"] }, FACTS);
  expect(tags[0]).toEqual(["d", "ipfs-pin"]);
  expect(tags.filter(([name]) => name === "cid").map(([, cid]) => cid)).toEqual(cids.slice(10));
  expect(tags.at(-1)).toEqual(["ipns", "name"]);
});

test("a record is announced with bytes that are read back, and may be forgotten at its EOL", () => {
  const name = parseIpnsName(vectorFile.names.k36);
  const record = decodeRecord(vector("A"));
  const event = buildRecordAnnouncement({ name, record }, FACTS);
  expect(parsePinAnnouncement(event).records).toEqual([{ name, bytes: record.bytes }]);
  expect(event.tags.at(-1)).toEqual(["expiration", String(Math.floor(record.eolMs / 1000))]);
  expect(cidsOf(event)).toEqual([]);
});

test("a name of a node with control characters does not end up in the content", () => {
  const { content } = buildCidAnnouncement(CID, { ...FACTS, source: "a\u0000b\u001b[31m\ud800" });
  expect(content).not.toMatch(/\\u00|\p{Cc}/u);
  expect((JSON.parse(content) as { source: string }).source).toBe("a b [31m\ufffd");
});
