import fc from "fast-check";
import { expect, test } from "vitest";
import { anyCharacter } from "../../../../core/test/support/any-character.ts";
import { blockOf, cidOf } from "../../../test/support/blocks.ts";
import type { Site } from "../content-request.ts";
import type { DirectoryEntry } from "../directory-entry.ts";
import { parseRequestPath } from "../request-path.ts";
import { renderListing } from "./listing-page.ts";
import { renderPage } from "./page.ts";

const cid = cidOf(new Uint8Array(), 0x70);
const child = blockOf("x").cid;

function render(
  names: readonly string[],
  options: { target?: string; isComplete?: boolean; site?: Site; dagBytes?: number } = {},
): string {
  const { target = "/ipfs/x/", isComplete = true, site, dagBytes = 7 } = options;
  const entries: DirectoryEntry[] = names.map((name) => ({ name, cid: child, dagBytes }));
  return renderPage(renderListing({ path: parseRequestPath(target), cid, entries, isComplete, site }));
}

test("names are escaped, and links lead to the entry whatever its name contains", () => {
  const page = render([`"><script>alert(1)</script>`]);
  expect(page).not.toContain("<script>");
  expect(page).toContain('<a href="/ipfs/x/%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E">');
  expect(render(["javascript:alert(1)"])).toContain('href="/ipfs/x/javascript%3Aalert(1)"');
  expect(render(["a?b#c"])).toContain('href="/ipfs/x/a%3Fb%23c"');
  expect(render(["50%.txt"])).toContain('href="/ipfs/x/50%25.txt"');
});

test("has the links that Kubo's listing has: breadcrumbs, the way up, names and hashes", () => {
  const page = render(["file-źł.txt"], { target: "/ipfs/x/%c4%85/%C4%99/" });
  expect(page).toContain(
    'Index of /ipfs/<a href="/ipfs/x">x</a>/<a href="/ipfs/x/%C4%85">ą</a>/<a href="/ipfs/x/%C4%85/%C4%99">ę</a>',
  );
  expect(page).toContain('<a href="/ipfs/x/%C4%85/%C4%99/..">..</a>');
  expect(page).toContain('<a href="/ipfs/x/%C4%85/%C4%99/file-%C5%BA%C5%82.txt">file-źł.txt</a>');
  expect(page).toContain(
    `<a class="ipfs-hash" translate="no" href="/ipfs/${child.toString()}?filename=file-%25C5%25BA%25C5%2582.txt">`,
  );
  expect(render(["a"])).not.toContain(">..</a>");
});

test("on a subdomain, other CIDs and the breadcrumbs lead to the gateway", () => {
  const path = { ...parseRequestPath("/ipfs/x/d/"), encoded: "/d/" };
  const site = { gatewayUrl: "//example.com:8080", isDnslink: false };
  const page = renderPage(
    renderListing({ path, cid, entries: [{ name: "a", cid: child, dagBytes: 1 }], isComplete: true, site }),
  );
  expect(page).toContain(
    '/ipfs/<a href="//example.com:8080/ipfs/x">x</a>/<a href="//example.com:8080/ipfs/x/d">d</a>',
  );
  expect(page).toContain('<a href="/d/..">..</a>');
  expect(page).toContain('<a href="/d/a">a</a>');
  expect(page).toContain(`href="//example.com:8080/ipfs/${child.toString()}?filename=a"`);
});

test("on a DNSLink host everything leads to the host itself, and hashes to where they are explained", () => {
  const path = { ...parseRequestPath("/ipns/example.org/d/"), encoded: "/d/" };
  const site = { gatewayUrl: "//example.org", isDnslink: true };
  const page = renderPage(
    renderListing({ path, cid, entries: [{ name: "a", cid: child, dagBytes: 1 }], isComplete: true, site }),
  );
  expect(page).toContain('/ipns/<a href="//example.org/">example.org</a>/<a href="//example.org/d">d</a>');
  expect(page).toContain(
    `href="https://cid.ipfs.tech/#${child.toString()}" target="_blank" rel="noreferrer noopener">`,
  );
});

test("says how much there is, and when not everything is shown", () => {
  expect(render(["a", "b"], { dagBytes: 1_200_000 })).toMatch(/<b>2 entries<\/b> · <b[^>]*>2\.4 MB<\/b>/);
  expect(render(["a"])).toContain("<b>1 entry</b>");
  expect(render([])).toContain("This directory is empty");
  expect(render(["a"], { isComplete: false })).toContain("Only the first 1 entries are shown");
  expect(render(["a"])).not.toContain("Only the first");
});

test("a size of any number and a directory of any order make a page sorted by name", () => {
  const page = render(["b10", "a", "C", "b9"], { dagBytes: Number.MAX_SAFE_INTEGER });
  expect([...page.matchAll(/class="name"><a href="[^"]*">([^<]*)</g)].map(([, name]) => name)).toEqual([
    "a",
    "b9",
    "b10",
    "C",
  ]);
});

test("no name breaks out of its place", () => {
  const tagsIn = (name: string) => (render([name]).match(/<[^>]*>/g) ?? []).length;
  const expected = tagsIn("plain");
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), (name) => {
      expect(tagsIn(name)).toBe(expected);
    }),
    { numRuns: 500, seed: 1 },
  );
});
