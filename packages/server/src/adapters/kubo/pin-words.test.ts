import { isHoldfastError } from "@holdfast/core";
import fc from "fast-check";
import { CID } from "multiformats/cid";
import { describe, expect, it } from "vitest";
import { anyCharacter } from "../../../../core/test/support/any-character.ts";
import { KuboRefusal } from "./kubo-call.ts";
import {
  cidOfLine,
  isPinAddEnd,
  isPinIn,
  isPinRemoved,
  pinFailureOf,
  pinNameOf,
  pinProblemIn,
  progressIn,
  sameDagAs,
} from "./pin-words.ts";

const CID_V0 = CID.parse("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR");

/** What a server that is no Kubo may send in place of an object. */
const rubbish = fc.oneof(
  fc.json().map((text) => JSON.parse(text) as unknown),
  fc.record(
    {
      Root: fc.anything(),
      PinErrorMsg: fc.anything(),
      Pins: fc.anything(),
      Progress: fc.anything(),
      Bytes: fc.anything(),
      Keys: fc.anything(),
    },
    { requiredKeys: [] },
  ),
);

describe("what Kubo says of pins", () => {
  it("is read whatever it is, and never taken for more than it is", () => {
    fc.assert(
      fc.property(rubbish, (object) => {
        expect(["string", "undefined"]).toContain(typeof pinProblemIn(object));
        const progress = progressIn(object);
        expect(progress === undefined || progress.blocks >= 0).toBe(true);
        expect(typeof isPinAddEnd(object)).toBe("boolean");
        const answer = new TextEncoder().encode(JSON.stringify(object) ?? "");
        expect(isPinIn(answer, CID_V0)).toBe(false);
        expect(typeof isPinRemoved(answer)).toBe("boolean");
      }),
      { seed: 20_261_126 },
    );
    expect(isPinIn(Uint8Array.of(0xff, 0x7b), CID_V0)).toBe(false);
    expect(isPinRemoved(Uint8Array.of(0xff, 0x7b))).toBe(false);
    expect(isPinRemoved(new TextEncoder().encode('{"Pins":["X"]}'))).toBe(true);
  });

  it("has one CID on each line of a list, or is refused", () => {
    expect(cidOfLine(CID_V0.toString()).equals(CID_V0)).toBe(true);
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (line) => {
        let problem: unknown;
        try {
          cidOfLine(line);
        } catch (err) {
          problem = err;
        }
        expect(problem === undefined || isHoldfastError(problem)).toBe(true);
      }),
      { seed: 20_261_126 },
    );
  });

  it("is translated where its words have a meaning, and is otherwise what it was", () => {
    const full = new KuboRefusal("Kubo answered", "put: no space left on device", new Error("full"));
    expect(pinFailureOf(full)).toMatchObject({ code: "STORE_FAILED" });
    const unknown = new KuboRefusal("Kubo answered", "something", new Error("something"));
    expect(pinFailureOf(unknown)).toBe(unknown);
    const other = new Error("not from Kubo");
    expect(pinFailureOf(other)).toBe(other);
  });
});

describe("the name of a pin", () => {
  it("is as much of it as 255 bytes hold, without a broken character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 400 }), (name) => {
        const kept = pinNameOf(name) ?? "none";
        expect(name.startsWith(kept)).toBe(true);
        expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(255);
        expect(Buffer.byteLength(name) <= 255 ? kept === name : Buffer.byteLength(kept) > 251).toBe(true);
      }),
      { seed: 20_261_126 },
    );
    expect([pinNameOf(undefined), pinNameOf("")]).toEqual([undefined, undefined]);
  });
});

describe("the same DAG", () => {
  it("has two CIDs when it is dag-pb with SHA-256, and one otherwise", () => {
    expect(sameDagAs(CID_V0).map(String)).toEqual([CID_V0.toString(), CID_V0.toV1().toString()]);
    expect(sameDagAs(CID_V0.toV1()).map(String)).toEqual([CID_V0.toV1().toString(), CID_V0.toString()]);
    const raw = CID.createV1(0x55, CID_V0.multihash);
    expect(sameDagAs(raw)).toEqual([raw]);
    expect(sameDagAs(CID.parse("bafkqaaa"))).toHaveLength(1);
  });
});
