import { resolve } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseFollow } from "./follow.ts";

const NAME = "k51qzi5uqu5dmjjgoe7s21dncepi970722cn30qlhm9qridas1c9ktkjb6ejux";
const OTHER = "k51qzi5uqu5dkkciu33khkzbcmxtyhn376i1e83tya8kuy7z9euedzyr5nhoew";

test("names with how many versions are kept, two by default", () => {
  expect(parseFollow("none")).toBeUndefined();
  expect(parseFollow(`${NAME}=5, /ipns/${OTHER}`)).toMatchObject({
    names: [
      { name: { text: NAME }, keep: 5 },
      { name: { text: OTHER }, keep: 2 },
    ],
  });
});

test("or the path of a file", () => {
  for (const path of ["/etc/holdfast/follow", "./follow", "../follow", "follow.txt"])
    expect(parseFollow(path)).toEqual({ file: resolve(path) });
});

test("what is neither is refused", () => {
  const bad = [
    "",
    ",",
    "follow",
    `${NAME}=0`,
    `${NAME}=101`,
    `${NAME}=x`,
    `${NAME}=`,
    `${NAME},./x`,
    `${NAME}=2=3`,
  ];
  for (const text of bad) expect(() => parseFollow(text)).toThrow(/is neither/);
  expect(() => parseFollow(`${NAME},${NAME}=3`)).toThrow("has a name twice");
});

test("any other text is refused with an Error, never with something else", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `${NAME}=${text}`),
      ),
      (text) => {
        let outcome: unknown;
        try {
          outcome = parseFollow(text);
        } catch (err) {
          outcome = (err as Error).name;
        }
        expect(typeof outcome === "object" || outcome === "Error").toBe(true);
      },
    ),
    { seed: 6, numRuns: 1_000 },
  );
});
