import { expect, test } from "vitest";
import { compareAnswers } from "./compare.ts";
import { explanationOf } from "./known-differences.ts";
import { makeCar, readCar } from "./read-archives.ts";
import type { Exchange, GatewayRequest } from "./send.ts";

const REQUEST: GatewayRequest = { method: "GET", path: "/ipfs/bafkqaaa", query: [], headers: [] };
const CAR_TYPE = "application/vnd.ipld.car; version=1; order=dfs; dups=n";

function answer(parts: Partial<Exchange> = {}): Exchange {
  return { status: 200, headers: {}, body: Buffer.from("body"), isComplete: true, ...parts };
}

test.for([
  ["a status", { status: 206 }, "status"],
  ["a byte", { body: Buffer.from("bodY") }, "body"],
  ["a broken transfer", { isComplete: false }, "broken"],
  ["a strong tag", { headers: { etag: '"bafkqaab"' } }, "header:etag"],
  ["a lifetime", { headers: { "cache-control": "no-store" } }, "header:cache-control"],
  ["a place", { headers: { location: "/x" } }, "header:location"],
] as const)("%s that differs is a difference that nothing explains", ([, change, kind]) => {
  const [kubo, ours] = [
    answer({ headers: { etag: '"bafkqaaa"' } }),
    answer({ headers: { etag: '"bafkqaaa"' }, ...change }),
  ];
  const differences = compareAnswers(REQUEST, kubo, ours);
  expect(differences.map((one) => one.kind)).toContain(kind);
  const compared = { request: REQUEST, kubo, ours, oursAgain: ours, kuboError: "", oursError: "", tookS: 0 };
  expect(differences.map((one) => explanationOf(one, compared))).not.toContainEqual(expect.anything());
});

test("CARs are compared by their blocks, in order", () => {
  const [a, b] = ["bafkqaaa", "bafkqabdbmfrgg"].map((cid) => ({ cid, bytes: Buffer.from(cid) }));
  const car = (blocks: Parameters<typeof makeCar>[0]): Exchange =>
    answer({ headers: { "content-type": CAR_TYPE }, body: makeCar(blocks) });
  if (a === undefined || b === undefined) throw new Error("unreachable");
  expect(readCar(makeCar([a, b])).blocks).toHaveLength(2);
  expect(compareAnswers(REQUEST, car([a, b]), car([a, b]))).toEqual([]);
  expect(compareAnswers(REQUEST, car([a, b]), car([b, a]))).toMatchObject([{ kind: "body" }]);
  expect(compareAnswers(REQUEST, car([a, b]), car([a]))).toMatchObject([{ kind: "body" }]);
});

test("tags that each makes up are compared by the CID in them", () => {
  const listing = (etag: string): Exchange => answer({ headers: { etag }, body: Buffer.from("<html>") });
  expect(
    compareAnswers(REQUEST, listing('"DirIndex-a_CID-bafkqaaa"'), listing('"DirIndex-b_CID-bafkqaaa"')),
  ).toEqual([]);
  expect(
    compareAnswers(REQUEST, listing('"DirIndex-a_CID-bafkqaaa"'), listing('"DirIndex-a_CID-bafkqaab"')),
  ).toMatchObject([{ kind: "header:etag" }]);
});
