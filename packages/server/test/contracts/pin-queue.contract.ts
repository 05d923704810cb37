import { describe, expect, test } from "vitest";
import type { PinOutcome } from "../../src/pins/pin-row.ts";
import type { PinStore } from "../../src/pins/pin-store.ts";
import { requestOf } from "../support/create-pins.ts";
import { pinned, readyRoots, rootOf, RULES } from "./pin-store-facts.ts";

/** What every `PinStore` does as a queue: a part of `pinStoreContract`. */
export function describePinQueue(openStore: () => Promise<PinStore>): void {
  describe("the queue", () => {
    test("gives what is to be done by holder, then the greatest priority, then the oldest", async () => {
      const store = await openStore();
      const wish = (text: string, holder: string, priority = 0) =>
        requestOf(text, { source: "nostr", holder, priority });
      await store.add([wish("b1", "b"), wish("a1", "a"), wish("b2", "b", 5), wish("a2", "a")], RULES);
      await store.add([requestOf("other", { source: "add" })], RULES);
      const roots = (...texts: readonly string[]): string[] => texts.map((text) => rootOf(text).toString());
      expect(readyRoots(store, "pin")).toEqual(roots("a1", "a2", "b2", "b1"));
      const after = store.ready({ step: "pin", source: "nostr", afterHolder: "a", limit: 1 });
      expect(after).toMatchObject([{ attempts: 0, lane: { source: "nostr", holder: "b" }, step: "pin" }]);
      expect(store.ready({ step: "pin", source: "nostr", afterHolder: "b", limit: 9 })).toEqual([]);
    });

    test("R28: what has failed comes behind what was due before that, whatever is older", async () => {
      const store = await openStore();
      const wish = (text: string, createdAtMs: number) => requestOf(text, { source: "nostr", createdAtMs });
      await store.add([wish("failed", 1), wish("second", 2), wish("third", 3)], RULES);
      const failed = {
        kind: "failed",
        step: "pin",
        attempts: 1,
        problem: "p",
        nextAttemptAtMs: 9,
      } as const;
      await store.settle([{ root: rootOf("failed"), outcome: failed }]);
      await store.add([wish("last", 10)], RULES);
      await store.wake(9, 10);
      const expected = ["second", "third", "failed", "last"].map((text) => rootOf(text).toString());
      expect(readyRoots(store, "pin")).toEqual(expected);
    });

    test("a pin that users want too leaves the lane of an author behind", async () => {
      const store = await openStore();
      await store.add([requestOf("a", { source: "nostr", holder: "x" })], RULES);
      await store.add([requestOf("a", { source: "pins-api", holder: "user" })], RULES);
      await store.add([requestOf("a", { source: "nostr", holder: "y" })], RULES);
      const [pin] = store.ready({ step: "pin", source: "pins-api", afterHolder: undefined, limit: 9 });
      expect(pin?.lane).toEqual({ source: "pins-api", holder: "user" });
      expect(readyRoots(store, "pin")).toEqual([]);
    });

    test("R32: a wish for what lies below a block that was written here waits with the wishes, and has their limits", async () => {
      const store = await openStore();
      await store.add([requestOf("a", { source: "sidecar", recursive: false, isStored: true })], RULES);
      await store.add([requestOf("a", { source: "nostr", holder: "x" })], RULES);
      expect(readyRoots(store, "pin", "nostr")).toEqual([rootOf("a").toString()]);
    });

    test("a pin goes back into the lane of an author when no user wants it any more, not before", async () => {
      const store = await openStore();
      const root = rootOf("a");
      for (const holder of ["x", "y"]) await store.add([requestOf("a", { source: "nostr", holder })], RULES);
      for (const holder of ["user 1", "user 2"])
        await store.add([requestOf("a", { source: "pins-api", holder, createdAtMs: 2_000 })], RULES);
      await store.release(root, { source: "nostr", holder: "y" }, 3_000);
      await store.release(root, { source: "pins-api", holder: "user 1" }, 3_000);
      expect(readyRoots(store, "pin")).toEqual([]);
      await store.release(root, { source: "pins-api", holder: "user 2" }, 3_000);
      expect(readyRoots(store, "pin")).toEqual([root.toString()]);
    });

    test("a failed attempt rests until it is woken, with its reason", async () => {
      const store = await openStore();
      await store.add([requestOf("a", { source: "nostr" }), requestOf("b", { source: "nostr" })], RULES);
      const failed = { kind: "failed", step: "pin", attempts: 3, problem: "nobody has it" } as const;
      await store.settle([{ root: rootOf("a"), outcome: { ...failed, nextAttemptAtMs: 5_000 } }]);
      await store.settle([{ root: rootOf("b"), outcome: { ...failed, nextAttemptAtMs: 9_000 } }]);
      expect(store.get(rootOf("a"))).toMatchObject({
        state: "queued",
        attempts: 3,
        nextAttemptAtMs: 5_000,
        problem: "nobody has it",
      });
      expect([readyRoots(store, "pin"), store.nextWakeAtMs()]).toEqual([[], 5_000]);
      await store.wake(4_999, 10);
      expect(readyRoots(store, "pin")).toEqual([]);
      await store.wake(10_000, 1);
      expect(readyRoots(store, "pin")).toEqual([rootOf("a").toString()]);
      expect(store.nextWakeAtMs()).toBe(9_000);
      await store.wake(10_000, 10);
      expect([readyRoots(store, "pin").length, store.nextWakeAtMs()]).toEqual([2, undefined]);
    });

    test("a dead pin has nothing to be done until somebody asks for it", async () => {
      const store = await openStore();
      const root = rootOf("a");
      const dead: PinOutcome = { kind: "dead", attempts: 12, problem: "nobody has it" };
      const wish = requestOf("a", { source: "nostr", holder: "x" });
      await store.add([wish], RULES);
      await store.settle([{ root, outcome: dead }]);
      expect(store.get(root)).toMatchObject({ state: "dead", attempts: 12, problem: "nobody has it" });
      expect([readyRoots(store, "pin"), store.nextWakeAtMs()]).toEqual([[], undefined]);
      // The same event again, from another relay.
      await store.add([{ ...wish, claim: { ...wish.claim, createdAtMs: 9 } }], RULES);
      expect(store.get(root)).toMatchObject({ state: "dead" });
      expect(await store.settle([{ root, outcome: { kind: "retried", atMs: 20 } }])).toEqual([true]);
      expect(store.get(root)).toMatchObject({ state: "queued", attempts: 0, problem: undefined });
      expect(readyRoots(store, "pin")).toHaveLength(1);
      await store.settle([{ root, outcome: dead }]);
      await store.add([requestOf("a", { source: "nostr", holder: "y" })], RULES);
      expect(store.get(root)).toMatchObject({ state: "queued", attempts: 0 });
    });

    test("what is pinned is provided once, and a network that cannot be told changes nothing", async () => {
      const store = await openStore();
      await store.add([requestOf("a", { source: "nostr" }), requestOf("b", { source: "nostr" })], RULES);
      await store.settle(["a", "b"].map((text) => ({ root: rootOf(text), outcome: pinned(5) })));
      expect(readyRoots(store, "provide")).toHaveLength(2);
      await store.settle([{ root: rootOf("a"), outcome: { kind: "provided", atMs: 6 } }]);
      await store.settle([{ root: rootOf("b"), outcome: { kind: "not-provided", problem: "no peers" } }]);
      expect(store.get(rootOf("a"))).toMatchObject({ state: "provided", pinnedAtMs: 5 });
      expect(store.get(rootOf("b"))).toMatchObject({ state: "pinned", problem: "no peers" });
      expect(readyRoots(store, "provide")).toEqual([]);
    });

    test("R33: a lost pin is to be pinned again, unless it was confirmed since the list began", async () => {
      const store = await openStore();
      const lost = { kind: "lost", state: "queued", problem: "lost: it is gone" } as const;
      await store.add([requestOf("a", { source: "nostr" }), requestOf("b", { source: "nostr" })], RULES);
      await store.settle([{ root: rootOf("a"), outcome: pinned(5) }]);
      await store.settle([{ root: rootOf("b"), outcome: pinned(50) }]);
      const outcomes = ["a", "b"].map((text) => ({
        root: rootOf(text),
        outcome: { ...lost, listedAtMs: 20 },
      }));
      expect(await store.settle(outcomes)).toEqual([true, false]);
      expect(store.get(rootOf("a"))).toMatchObject({
        state: "queued",
        pinnedAtMs: 5,
        problem: lost.problem,
      });
      const failed = { kind: "failed", step: "pin", attempts: 1, nextAttemptAtMs: 30 } as const;
      await store.settle([{ root: rootOf("a"), outcome: { ...failed, problem: "nobody has it" } }]);
      expect(store.get(rootOf("a"))).toMatchObject({ problem: "lost: nobody has it" });
      await store.settle([{ root: rootOf("a"), outcome: pinned(40) }]);
      expect(store.get(rootOf("a"))).toMatchObject({ state: "pinned", problem: undefined });
    });
  });
}
