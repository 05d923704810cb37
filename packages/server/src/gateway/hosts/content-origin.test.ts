import fc from "fast-check";
import { expect, test } from "vitest";
import { type ContentOrigin, pathOnOrigin, safeTarget, siteOf } from "./content-origin.ts";

const CID = "bafybeif7a7gdklt6hodwdrmwmxnhksctcuav6lfxlcyfz4khzl3qfmvcgu";
const ORIGIN: ContentOrigin = { namespace: "ipfs", root: CID, isDnslink: false, linkHost: "localhost:8080" };

test("the content path has the root of the origin, and the URL is that of the client", () => {
  const path = pathOnOrigin(ORIGIN, "/ipfs/%C4%85%2ab/?format=raw");
  expect(path).toMatchObject({
    namespace: "ipfs",
    root: CID,
    segments: ["ipfs", "ą*b"],
    hasTrailingSlash: true,
    encoded: "/ipfs/%C4%85%2Ab/",
    queryText: "?format=raw",
  });
  expect(path.query.get("format")).toBe("raw");
  expect(siteOf(ORIGIN)).toEqual({ gatewayUrl: "//localhost:8080", isDnslink: false });
});

test("the root of the origin is a directory's URL", () => {
  expect(pathOnOrigin(ORIGIN, "/")).toMatchObject({ segments: [], hasTrailingSlash: true, encoded: "/" });
});

test.each(["/..", "/a/%2e%2e/b", "/%", "/%ff"])("the target %s is refused", (target) => {
  expect(() => pathOnOrigin(ORIGIN, target)).toThrow(expect.objectContaining({ code: "INVALID_PATH" }));
});

test("no target leads to another host when it is repeated in a Location", () => {
  expect(safeTarget("//evil.example/")).toBe("/evil.example/");
  expect(safeTarget("/\\evil.example/")).toBe("/%5Cevil.example/");
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("/", "\\", "a", ":", "@", "?", "#", "\t", " ", ".", "%", "\u00ff") }),
      (text) => {
        const target = safeTarget(`/${text}`);
        expect(target).toMatch(/^[\x21-\x7e]+$/);
        expect(new URL(target, "http://site.example").origin).toBe("http://site.example");
      },
    ),
    { seed: 4, numRuns: 2_000 },
  );
});
