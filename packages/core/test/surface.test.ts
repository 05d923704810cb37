import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as core from "../src/index.ts";

test("the package exports these names and no others", () => {
  expect(Object.keys(core).toSorted()).toEqual([
    "HoldfastError",
    "IpnsName",
    "RECORD_BYTES_MAX",
    "ValidatedRecord",
    "checkRecord",
    "compareRecords",
    "contentPathOf",
    "createRecord",
    "decodePublicKey",
    "decodeRecord",
    "domainOf",
    "encodePublicKey",
    "formatContentPath",
    "formatIpnsName",
    "freshForMs",
    "freshnessOf",
    "ipnsNameOfMultihash",
    "ipnsNameOfPublicKey",
    "ipnsNameOfRoutingKey",
    "isHoldfastError",
    "isLinkPath",
    "parseCid",
    "parseContentPath",
    "parseIpnsName",
    "recordProblemOf",
    "restoreRecord",
    "selectDnslink",
    "selectRecord",
    "validateRecord",
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
