import fc from "fast-check";
import { expect, test } from "vitest";
import { anyCharacter } from "../../../../core/test/support/any-character.ts";
import { blockOf, cidOf } from "../../../test/support/blocks.ts";
import { renderDagPage } from "./dag-page.ts";
import { renderPage } from "./page.ts";

const cid = cidOf(new Uint8Array(), 0x71);

function render(document: unknown): string {
  return renderPage(renderDagPage({ path: "/ipfs/x/", cid, blockBytes: 100, document, site: undefined }));
}

test("shows fields, values, bytes, and links that can be followed", () => {
  const link = blockOf("x").cid;
  const page = render({
    name: "ą",
    n: 1n,
    list: [true, null],
    empty: {},
    bytes: new Uint8Array([0xca, 0xfe]),
    link,
  });
  for (const part of [
    "<dt>name</dt>",
    "ą",
    ">1<",
    ">true<",
    ">null<",
    "{ }",
    "2 bytes",
    "cafe",
    `href="/ipfs/${link.toString()}">`,
  ]) {
    expect(page).toContain(part);
  }
  expect(page).toContain('href="?format=dag-cbor"');
});

test("a huge document is cut and says so; a small one is not", () => {
  const cut = "larger than what is shown here";
  expect(render({ a: 1 })).not.toContain(cut);
  expect(render("x".repeat(10_000))).toContain(cut);
  expect(render(new Uint8Array(1000))).toContain(cut);
  const wide = render(Array.from({ length: 500_000 }, (_, i) => i));
  expect(wide).toContain(cut);
  expect(wide.length).toBeLessThan(500_000);
  let deep: unknown = "bottom";
  for (let i = 0; i < 20_000; i++) deep = [deep];
  expect(render(deep)).toContain(cut);
});

test("nothing in a document becomes a tag", () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), fc.string({ unit: anyCharacter }), (key, text) => {
      const page = render({ [`k${key}`]: text });
      expect((page.match(/<dd>/g) ?? []).length).toBe(1);
      expect(page).not.toMatch(/<script/i);
    }),
    { numRuns: 300, seed: 1 },
  );
});
