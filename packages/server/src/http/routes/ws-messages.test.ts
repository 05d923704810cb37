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

  it("never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), fc.boolean(), (text, isBinary) => {
        expect(readSubscriberMessage(Buffer.from(text), isBinary)).toHaveProperty("action");
      }),
      { seed: 4, numRuns: 1000 },
    );
  });
});
