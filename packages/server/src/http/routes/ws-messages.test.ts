import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTestName } from "../../../test/support/records.ts";
import { readSubscriberMessage } from "./ws-messages.ts";

const read = (message: unknown) => readSubscriberMessage(Buffer.from(JSON.stringify(message)), false);
const { name } = createTestName();

describe("readSubscriberMessage", () => {
  it("keeps each name in its spelling, once, and leaves out what is not a name", () => {
    const names = [name.text, `/ipns/${name.text}`, name.text, "undefined", "", 7, null, "k51nonsense"];
    const message = read({ action: "subscribe", names, extra: true });
    expect(message).toMatchObject({ action: "subscribe", snapshot: false });
    expect("names" in message && message.names.map(({ spelling }) => spelling)).toEqual([
      name.text,
      `/ipns/${name.text}`,
    ]);
  });

  it.each([
    [{ action: "subscribe" }, "names is not an array"],
    [{ action: "subscribe", names: "k51" }, "names is not an array"],
    [{ action: "explode", names: [] }, "unknown action"],
    [null, "not an object"],
    [[], "unknown action"],
    [
      { action: "unsubscribe", names: Array.from({ length: 1001 }, () => "x") },
      "more than 1000 names in a message",
    ],
  ])("says what is wrong with %j", (message, problem) => {
    expect(read(message)).toEqual({ action: "malformed", problem });
  });

  it("refuses binary frames and text that is not JSON", () => {
    expect(readSubscriberMessage(Buffer.from("{}"), true)).toEqual({
      action: "malformed",
      problem: "text frames only",
    });
    expect(readSubscriberMessage(Buffer.from("{"), false)).toEqual({
      action: "malformed",
      problem: "Invalid JSON",
    });
  });

  it("reads what the client has: numbers and exact text, and nothing of anything else", () => {
    const big = "18446744073709551615";
    const sinceOf = (since: unknown) => {
      const message = read({ action: "subscribe", names: [name.text], since });
      return message.action === "subscribe" ? message.names[0]?.since : message;
    };
    expect(sinceOf(undefined)).toBeUndefined();
    expect(sinceOf({})).toBeUndefined();
    expect(sinceOf({ [name.text]: 0 })).toBe(0n);
    expect(sinceOf({ [name.text]: big })).toBe(BigInt(big));
    for (const nothing of [null, -0.5, 2 ** 60, "1e3", "", "x".repeat(1000), [], {}, true])
      expect(sinceOf({ [name.text]: nothing })).toBe(-1n);
    for (const since of [[], null, "x", 7])
      expect(sinceOf(since)).toEqual({ action: "malformed", problem: "since is not an object" });
  });

  it("takes nothing from the prototype of an object", () => {
    const text = `{"action":"subscribe","names":["${name.text}"],"since":{"__proto__":{"${name.text}":7}}}`;
    expect(readSubscriberMessage(Buffer.from(text), false)).toMatchObject({ names: [{ since: undefined }] });
  });

  it("never throws on what is nearly a message", () => {
    const spelling = fc.oneof(fc.constant(name.text), fc.string());
    const message = fc.record(
      {
        action: fc.oneof(fc.constantFrom("subscribe", "unsubscribe", "ping"), fc.jsonValue()),
        names: fc.oneof(fc.array(fc.oneof(spelling, fc.jsonValue())), fc.jsonValue()),
        snapshot: fc.jsonValue(),
        since: fc.oneof(fc.dictionary(spelling, fc.jsonValue()), fc.jsonValue()),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(message, (each) => {
        expect(read(each)).toHaveProperty("action");
      }),
      { seed: 6, numRuns: 1000 },
    );
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), fc.boolean(), (text, isBinary) => {
        expect(readSubscriberMessage(Buffer.from(text), isBinary)).toHaveProperty("action");
      }),
      { seed: 4, numRuns: 1000 },
    );
  });
});
