import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as core from "../src/index.ts";

test("the package exports these names and no others", () => {
  expect(Object.keys(core).toSorted()).toEqual([
    "ANNOUNCEMENT_TAG",
    "EVENT_BYTES_MAX",
    "HoldfastError",
    "IpnsName",
    "NAME_SUBJECT_PREFIX",
    "RECORD_BYTES_MAX",
    "SUBJECTS_PER_EVENT_MAX",
    "ValidatedRecord",
    "VerifiedEvent",
    "buildBulkAnnouncement",
    "buildCidAnnouncement",
    "buildLegacyAnnouncement",
    "buildRecordAnnouncement",
    "canBeAnnounced",
    "checkRecord",
    "compareRecords",
    "contentPathOf",
    "createRecord",
    "decodePublicKey",
    "decodeRecord",
    "domainOf",
    "encodePublicKey",
    "eventInvalid",
    "expirationSOf",
    "formatContentPath",
    "formatIpnsName",
    "freshForMs",
    "freshnessOf",
    "ipnsNameOfMultihash",
    "ipnsNameOfPublicKey",
    "ipnsNameOfRoutingKey",
    "isHoldfastError",
    "isLinkPath",
    "isPinAnnouncement",
    "parseCid",
    "parseContentPath",
    "parseIpnsName",
    "parseNostrEvent",
    "parseNostrKey",
    "parsePinAnnouncement",
    "recordProblemOf",
    "restoreRecord",
    "selectDnslink",
    "selectRecord",
    "serializeForId",
    "subjectOfCid",
    "subjectOfName",
    "subjectOfPage",
    "tagValue",
    "validateRecord",
    "verifyNostrEvent",
    "wireEventOf",
  ]);
});

test("nothing in it needs Node: it runs in browsers", () => {
  const folder = new URL("../src/", import.meta.url);
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (path) => path.endsWith(".ts") && !path.endsWith(".test.ts"),
  );
  expect(sources.length).toBeGreaterThan(15);
  const needNode = sources.filter((path) =>
    /from "node:|\bBuffer\b|\bprocess\./u.test(readFileSync(new URL(path, folder), "utf8")),
  );
  expect(needNode).toEqual([]);
});
