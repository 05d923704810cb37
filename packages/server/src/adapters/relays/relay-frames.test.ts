import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRelayFrame, prefixOf } from "./relay-frames.ts";

test.each<[string, unknown]>([
  ['["EVENT","s",{"id":1}]', { kind: "event", subscription: "s", event: { id: 1 } }],
  ['["EOSE","s"]', { kind: "eose", subscription: "s" }],
  ['["CLOSED","s","error: no"]', { kind: "closed", subscription: "s", message: "error: no" }],
  ['["CLOSED","s"]', { kind: "closed", subscription: "s", message: "" }],
  ['["OK","id",true,""]', { kind: "ok", eventId: "id", isAccepted: true, message: "" }],
  ['["OK","id",false,"blocked: x"]', { kind: "ok", eventId: "id", isAccepted: false, message: "blocked: x" }],
  ['["OK","id","true",""]', { kind: "other" }],
  ['["AUTH","c"]', { kind: "auth", challenge: "c" }],
  [JSON.stringify(["AUTH", "c".repeat(1_025)]), { kind: "other" }],
  ['["NOTICE","hi"]', { kind: "notice", message: "hi" }],
  ['["COUNT","s",{"count":1}]', { kind: "other" }],
  ['["EVENT"]', { kind: "other" }],
  ['{"0":"EVENT"}', { kind: "other" }],
  ["null", { kind: "other" }],
  ["", { kind: "other" }],
])("%s", (text, frame) => {
  expect(parseRelayFrame(text)).toEqual(frame);
});

test("whatever a relay sends is a frame or is not, and its messages stay short", () => {
  const type = fc.constantFrom("EVENT", "EOSE", "CLOSED", "OK", "AUTH", "NOTICE");
  const almost = fc.tuple(type, fc.jsonValue(), fc.jsonValue(), fc.string({ maxLength: 1_000 }));
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    almost.map((frame) => JSON.stringify(frame)),
  );
  fc.assert(
    fc.property(text, (frame) => {
      const parsed = parseRelayFrame(frame);
      expect("message" in parsed ? parsed.message.length : 0).toBeLessThanOrEqual(200);
    }),
    { numRuns: 2_000, seed: 20_261_126 },
  );
});

test.each([
  ["auth-required: who are you?", "auth-required"],
  ["duplicate:", "duplicate"],
  ["no prefix here", ""],
  ["Error: not one", ""],
  ["", ""],
])("the prefix of %j is %j", (message, prefix) => {
  expect(prefixOf(message)).toBe(prefix);
});
