import fc from "fast-check";
import { expect, test } from "vitest";
import { cidOf } from "../../test/support/blocks.ts";
import { renderListing } from "./listing.ts";

const cid = cidOf(new Uint8Array());
const render = (name: string) =>
  renderListing("/ipfs/x/", cid, [{ name, cid, dagBytes: 7 }], { isComplete: true });

test("names are escaped, and links are relative to the directory whatever they contain", () => {
  const page = render(`"><script>alert(1)</script>`);
  expect(page).not.toContain("<script>");
  expect(page).toContain('href="./%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"');
  expect(render("javascript:alert(1)")).toContain('href="./javascript%3Aalert(1)"');
  expect(render("a?b#c")).toContain('href="./a%3Fb%23c"');
  expect(render("50%.txt")).toContain('href="./50%25.txt"');
});

test("it says when not everything is shown", () => {
  expect(renderListing("/x", cid, [], { isComplete: false })).toContain("Only the first 0 entries");
  expect(render("a")).not.toContain("Only the first");
});

test("no name breaks out of its place", () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const tags = render(name).match(/<[^>]*>/g) ?? [];
      expect(tags).toHaveLength((render("plain").match(/<[^>]*>/g) ?? []).length);
    }),
  );
});
