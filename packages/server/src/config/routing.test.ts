import { resolve } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRouters, parseWarmNames } from "./routing.ts";

const NAME = "k51qzi5uqu5dmjjgoe7s21dncepi970722cn30qlhm9qridas1c9ktkjb6ejux";

test("routers are URLs with what they are for", () => {
  expect(parseRouters("none")).toEqual([]);
  expect(
    parseRouters(
      "https://a.example, https://b.example/routing/v1;read,http://c:80/x/;write,https://d.example; read; write",
    ),
  ).toEqual([
    { baseUrl: "https://a.example", reads: true, writes: true },
    { baseUrl: "https://b.example", reads: true, writes: false },
    { baseUrl: "http://c/x", reads: false, writes: true },
    { baseUrl: "https://d.example", reads: true, writes: true },
  ]);
});

test("what is no list of routers is refused", () => {
  const bad = [
    "",
    ",",
    "a.example",
    "ftp://a.example",
    "https://a.example;rad",
    "https://a.example;read;read",
    "https://user:secret@a.example",
    "https://a.example?x=1",
    "https://a.example#x",
    "none,https://a.example",
    "https://a.example,https://a.example/routing/v1/",
  ];
  for (const text of bad) expect(() => parseRouters(text)).toThrow(/^(is|names)/);
});

test("warm names are names, or a path", () => {
  expect(parseWarmNames("none")).toBeUndefined();
  expect(parseWarmNames(`${NAME}, /ipns/${NAME}`)).toMatchObject({ names: [{ text: NAME }, { text: NAME }] });
  for (const path of ["/etc/holdfast/warm", "./warm", "../warm", "warm.txt", "lists/warm.txt"])
    expect(parseWarmNames(path)).toEqual({ file: resolve(path) });
  for (const text of ["", "warm", NAME.slice(1), `${NAME},x`, "/ipns/rubbish", `${NAME},./x`])
    expect(() => parseWarmNames(text)).toThrow(/is neither/);
});

test("any other text is refused with an Error, never with something else", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const parse of [parseRouters, parseWarmNames]) {
        let outcome: unknown;
        try {
          outcome = parse(text);
        } catch (err) {
          outcome = (err as Error).name;
        }
        expect(typeof outcome === "object" || outcome === undefined || outcome === "Error").toBe(true);
      }
    }),
    { seed: 5, numRuns: 500 },
  );
});
