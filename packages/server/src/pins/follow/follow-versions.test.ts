import fc from "fast-check";
import { expect, test } from "vitest";
import { blockOf } from "../../../test/support/blocks.ts";
import type { FollowedVersion } from "./follow-store.ts";
import { planRelease, type VersionState, withSeen } from "./follow-versions.ts";

const versionOf = (text: string, seenAtMs = 0): FollowedVersion => ({ root: blockOf(text).cid, seenAtMs });
const LETTERS = new Map("abcdefgh".split("").map((text) => [blockOf(text).cid.toString(), text]));
const textOf = (versions: readonly FollowedVersion[]): string =>
  versions.map(({ root }) => LETTERS.get(root.toString())).join("");
const seen = (versions: string, roots: string): readonly [string, string] => {
  const result = withSeen(
    versions.split("").map((v) => versionOf(v)),
    roots.split("").map((v) => versionOf(v)),
  );
  return [textOf(result.versions), textOf(result.noted)];
};

test("what is seen last is the newest version, once", () => {
  expect(seen("", "a")).toEqual(["a", "a"]);
  expect(seen("ba", "c")).toEqual(["cba", "c"]);
  expect(seen("ba", "b")).toEqual(["ba", ""]);
  expect(seen("ba", "a")).toEqual(["ab", "a"]);
  expect(seen("ba", "cdc")).toEqual(["cdba", "cdc"]);
});

test("what is only seen again, in the order that is known, is nothing to note", () => {
  expect(seen("ba", "ab")).toEqual(["ba", ""]);
  expect(seen("cba", "abc")).toEqual(["cba", ""]);
});

/** `+` confirmed, `-` never was, `~` was once. */
const statesOf = (text: string): readonly VersionState[] =>
  text.split("").map((c) => ({ isConfirmed: c === "+", wasConfirmed: c !== "-" }));
const plan = (text: string, keep: number, waitingMax = 3): ReturnType<typeof planRelease> =>
  planRelease(statesOf(text), { keep, waitingMax });

test("R32: older versions go when the newest N are confirmed", () => {
  expect(plan("+++", 2)).toEqual({ superseded: [2], surplus: [] });
  expect(plan("+++", 1)).toEqual({ superseded: [1, 2], surplus: [] });
  expect(plan("++", 2)).toEqual({ superseded: [], surplus: [] });
});

test("R33: nothing goes while what is newer is not confirmed", () => {
  expect(plan("-++", 2)).toEqual({ superseded: [], surplus: [] });
  expect(plan("-+++", 2)).toEqual({ superseded: [3], surplus: [] });
  expect(plan("+-+", 2)).toEqual({ superseded: [], surplus: [] });
  expect(plan("---+", 1)).toEqual({ superseded: [], surplus: [] });
});

test("what never came goes when too much of it waits, the oldest first, and before what was here once", () => {
  expect(plan("------+", 1)).toEqual({ superseded: [], surplus: [5, 4] });
  expect(plan("--~-~+", 1)).toEqual({ superseded: [], surplus: [3] });
  expect(plan("-~~~~~+", 1)).toEqual({ superseded: [], surplus: [5, 4] });
});

test("not followed any more: everything goes", () => {
  expect(plan("+-~+", 0)).toEqual({ superseded: [0, 1, 2, 3], surplus: [] });
});

test("R32, R33: whatever the states, none of the newest N goes, N confirmed ones stay if there are as many, and the rest is bounded", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("+", "-", "~"), { maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 5 }),
      (letters, keep, waitingMax) => {
        const states = statesOf(letters.join(""));
        const { superseded, surplus } = planRelease(states, { keep, waitingMax });
        const gone = new Set([...superseded, ...surplus]);
        expect(gone.size).toBe(superseded.length + surplus.length);
        expect([...gone].every((index) => index >= keep)).toBe(true);
        const left = states.filter((_, index) => !gone.has(index));
        const confirmed = states.filter(({ isConfirmed }) => isConfirmed).length;
        expect(left.filter(({ isConfirmed }) => isConfirmed).length).toBe(Math.min(keep, confirmed));
        expect(left.length).toBeLessThanOrEqual(2 * keep + waitingMax);
      },
    ),
    { seed: 32, numRuns: 2_000 },
  );
});
