import fc from "fast-check";
import { expect, test } from "vitest";
import { isHoldfastError } from "../errors.ts";
import { isLinkPath, selectDnslink } from "./dnslink.ts";

const CID = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

test.each([
  [[`dnslink=/ipfs/${CID}`], `/ipfs/${CID}`],
  [[`dnslink=/ipfs/${CID}/a b/c%2F`], `/ipfs/${CID}/a b/c%2F`],
  [
    ["dnslink=/ipns/12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d"],
    "/ipns/12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d",
  ],
  [["dnslink=/ipns/other.example.org/x"], "/ipns/other.example.org/x"],
  [["v=spf1 -all", `dnslink=/ipfs/${CID}`, "dnslink=/ipfs/QmBroken"], `/ipfs/${CID}`],
  [[`dnslink=/ipfs/${CID}`, `dnslink=/ipfs/${CID}`], `/ipfs/${CID}`],
])("%j links to %s", (texts, path) => {
  expect(selectDnslink(texts)).toBe(path);
});

test.each([
  [[]],
  [["dnslink="]],
  [[CID]],
  [[`/ipfs/${CID}`]],
  [[`dnslink=${CID}`]],
  [[`DNSLINK=/ipfs/${CID}`]],
  [["dnslink=/ipns/undefined"]],
  [[`dnslink=/ipld/${CID}`]],
  [[`dnslink=/ipfs/${CID}/../x`]],
])("%j is no link", (texts) => {
  expect(selectDnslink(texts)).toBeUndefined();
});

test("two links that differ are refused", () => {
  expect(() => selectDnslink([`dnslink=/ipfs/${CID}`, `dnslink=/ipfs/${CID}/x`])).toThrow(/more than one/);
});

function selectedOrAmbiguous(texts: readonly string[]): string | undefined {
  try {
    return selectDnslink(texts);
  } catch (err) {
    if (isHoldfastError(err) && err.code === "INVALID_PATH") return "ambiguous";
    throw err;
  }
}

test("whatever stands in the zone, the result is a link path or nothing, or the zone is ambiguous", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `dnslink=/ip${rest}`),
    fc.constantFrom(`dnslink=/ipfs/${CID}`, `dnslink=/ipfs/${CID}/x`, "dnslink=/ipns/example.org"),
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), (texts) => {
      const path = selectedOrAmbiguous(texts);
      if (path === undefined) return;
      const isFine =
        path === "ambiguous"
          ? new Set(texts).size > 1
          : isLinkPath(path) && texts.includes(`dnslink=${path}`);
      expect(isFine).toBe(true);
    }),
    { numRuns: 1_000, seed: 4 },
  );
});
