import { isHoldfastError } from "@holdfast/core";
import fc from "fast-check";
import { validateHeaderValue } from "node:http";
import { expect, test } from "vitest";
import { answerBeforePath } from "./before-path.ts";

const CID = "bafkqaaa";
const BASE36 = "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8";
const BASE58 = "12D3KooWRBy97UB99e3J6hiPesre1MZeuNQvfan4gBziswrRJsNK";

const answer = (target: string, isServiceWorker = false) => answerBeforePath(target, { isServiceWorker });

test.for([
  [`/ipfs/?uri=ipfs%3A%2F%2F${CID}%2Fa%2Fb%3Fc%3Dd`, 301, `/ipfs/${CID}/a/b?c=d`],
  ["/ipns/?uri=ipns://docs.ipfs.tech/a", 301, "/ipns/docs.ipfs.tech/a"],
  [`/ipfs/${CID}?uri=IPFS://${CID}`, 301, `/ipfs/${CID}`],
  [`/ipfs/ipfs/${CID}/a?b=c`, 301, `/ipfs/${CID}/a?b=c`],
  ["/ipfs/ipns/docs.ipfs.tech/a%20b", 301, "/ipns/docs.ipfs.tech/a%20b"],
  [`/ipns/${BASE58}/root2/?a=b&c`, 302, `/ipns/${BASE36}/root2/?a=b&c`],
  [`/ipns/${BASE58}`, 302, `/ipns/${BASE36}`],
  [`/ipns/${BASE36.toUpperCase()}`, 302, `/ipns/${BASE36}`],
] as const)("%s leads by %i to %s", ([target, status, location]) => {
  expect(answer(target)).toMatchObject({ status, headers: { location } });
});

test.for([
  `/ipfs/${CID}`,
  `/ipns/${BASE36}/a`,
  "/ipns/docs.ipfs.tech",
  "/ipns/nonsense!",
  "/ipfs/",
  "/ipns/%zz",
  "/",
])("%s is for somebody else", (target) => {
  expect(answer(target)).toBeUndefined();
});

test.for([
  ["/ipfs/?uri=https://example.com", "INVALID_ARGUMENT"],
  ["/ipfs/?uri=ipfs://", "INVALID_ARGUMENT"],
  ["/ipfs/?uri=ipfs:///evil.example", "INVALID_ARGUMENT"],
  ["/ipfs/ipfs/notacid", "INVALID_CID"],
  ["/ipfs/ipfs/", "INVALID_PATH"],
] as const)("%s is %s", ([target, code]) => {
  expect(() => answer(target)).toThrow(expect.objectContaining({ code }));
});

test("a service worker may not take a whole namespace root, but what is below a directory", () => {
  for (const target of [`/ipfs/${CID}`, `/ipns/${BASE36}`]) {
    expect(() => answer(target, true)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(answer(`${target}/sw.js`, true)).toBeUndefined();
    expect(answer(`${target}/`, true)).toBeUndefined();
  }
});

test("no URL leads to another origin, and none makes an invalid header", () => {
  const part = fc.constantFrom(
    "/",
    "//",
    "ipfs",
    "ipns",
    ":",
    "uri=",
    "?",
    "ipfs://",
    CID,
    BASE58,
    "evil.example",
    "%0d%0a",
    "\\",
    "ü",
    "%",
    "@",
    "#",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
      const location = locationOf(`/ipfs/${parts.join("")}`) ?? locationOf(`/ipns/${parts.join("")}`);
      if (location === undefined) return;
      expect(location).toMatch(/^\/ip[fn]s\//);
      expect(() => validateHeaderValue("location", location)).not.toThrow();
    }),
    { numRuns: 3000, seed: 5 },
  );
  expect.hasAssertions();
});

function locationOf(target: string): string | undefined {
  try {
    return answer(target)?.headers["location"];
  } catch (err) {
    if (!isHoldfastError(err)) throw err;
    return undefined;
  }
}
