import { expect, test } from "vitest";
import { parsePinsTokens } from "./pins-tokens.ts";
import { readConfig } from "./config.ts";

const A = "secret-of-team-a-123";
const B = "secret-of-team-b-123";

test("a label says whose pins a token shows; without one the token stands for itself", () => {
  expect(parsePinsTokens("")).toEqual([]);
  expect(parsePinsTokens(` team-a:${A}, team-a:${B},`)).toEqual([
    { owner: "team-a", token: A },
    { owner: "team-a", token: B },
  ]);
  const [bare, again] = [parsePinsTokens(A), parsePinsTokens(`x:${B},${A}`)];
  expect(bare).toEqual([{ owner: expect.stringMatching(/^token-[0-9a-f]{16}$/) as unknown, token: A }]);
  expect(again[1]).toEqual(bare[0]);
});

test.for([
  "short",
  "team:short",
  `te am:${A}`,
  `:${A}`,
  `${"x".repeat(65)}:${A}`,
  `a:b:${A}`,
  `team:${A} ${B}`,
  `team:${A}é`,
  `a:${A},b:${A}`,
])("%s is refused, and no message repeats the secret", (text) => {
  expect(() => parsePinsTokens(text)).toThrow(/^has a /);
  let message = "";
  try {
    readConfig({ HOLDFAST_PINS_TOKENS: text });
  } catch (err) {
    message = String(err);
  }
  expect(message).toContain("HOLDFAST_PINS_TOKENS: the value has a ");
  expect(message).not.toContain(A);
});
