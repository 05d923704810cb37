import { CID } from "multiformats/cid";
import { describe, expect, onTestFinished, test } from "vitest";
import type { PinOutcome, PinStep } from "../../src/pins/pin-row.ts";
import type { PinStore } from "../../src/pins/pin-store.ts";
import { cidOf } from "../support/blocks.ts";
import { requestOf } from "../support/create-pins.ts";
import { describePinQueue } from "./pin-queue.contract.ts";
import {
  facts,
  type OpenedPinStore,
  pinned,
  readyRoots,
  rootOf,
  rootsOf,
  RULES,
  totalsOf,
  VAULT_RULES,
} from "./pin-store-facts.ts";

/** What every `PinStore` does. `open` gives an empty one. */
export function pinStoreContract(adapter: string, open: () => Promise<OpenedPinStore>): void {
  const openDisposed = async (): Promise<OpenedPinStore> => {
    const opened = await open();
    onTestFinished(async () => opened.dispose?.());
    return opened;
  };
  const openStore = async (): Promise<PinStore> => (await openDisposed()).store;

  describe(`PinStore contract: ${adapter}`, () => {
    describe("pins", () => {
      test("what nobody wished for is no pin", async () => {
        const store = await openStore();
        expect(store.get(rootOf("a"))).toBeUndefined();
        expect(store.claims(rootOf("a"))).toEqual([]);
        expect(store.list({ limit: 10 })).toEqual({ pins: [], next: undefined });
        expect(store.totals()).toEqual([]);
        expect(await store.release(rootOf("a"), { source: "add", holder: "" }, 1)).toBe(false);
        expect(await store.settle([{ root: rootOf("a"), outcome: pinned(1) }])).toEqual([false]);
      });

      test("a wish is there with all its facts when the add has settled", async () => {
        const store = await openStore();
        const claim = {
          source: "nostr",
          holder: "author",
          name: "ü",
          createdAtMs: 1_790_000_000_000,
        } as const;
        const wish = { root: rootOf("a"), recursive: false, claim, isStored: false, blockBytes: 7 };
        expect(await store.add([wish], RULES)).toEqual([{ isNew: true, isNewlyPinned: false }]);
        expect(facts(store.get(wish.root))).toEqual({
          root: wish.root.toString(),
          recursive: false,
          state: "queued",
          claim,
          pinnedAtMs: undefined,
          blockBytes: 7,
          attempts: 0,
          nextAttemptAtMs: claim.createdAtMs,
          problem: undefined,
        });
        expect(store.claims(wish.root)).toEqual([claim]);
        expect(store.get(rootOf("b"))).toBeUndefined();
      });

      test("what is stored enters as stored, and as pinned where the vault is the repository", async () => {
        const store = await openStore();
        await store.add([requestOf("a", { isStored: true })], RULES);
        const added = await store.add([requestOf("b", { isStored: true, createdAtMs: 5 })], VAULT_RULES);
        expect(added).toEqual([{ isNew: true, isNewlyPinned: true }]);
        expect(store.get(rootOf("a"))).toMatchObject({ state: "stored", pinnedAtMs: undefined });
        expect(store.get(rootOf("b"))).toMatchObject({ state: "pinned", pinnedAtMs: 5 });
        const again = await store.add([requestOf("b", { isStored: true, createdAtMs: 9 })], VAULT_RULES);
        expect(again).toEqual([{ isNew: false, isNewlyPinned: false }]);
        expect(store.get(rootOf("b"))).toMatchObject({ pinnedAtMs: 5 });
      });

      test("both versions of a CID are one pin, and another codec is another one", async () => {
        const store = await openStore();
        const v1 = cidOf(Buffer.from("a"), 0x70);
        const v0 = CID.createV0(v1.multihash as never);
        await store.add([requestOf(v0), requestOf(v1)], RULES);
        expect(store.get(v1)?.root.toString()).toBe(v0.toString());
        expect(store.get(cidOf(Buffer.from("a"), 0x71))).toBeUndefined();
        expect(rootsOf(store)).toHaveLength(1);
      });

      test("a second wish keeps the first claim, makes it recursive, names it, and takes nothing away", async () => {
        const store = await openStore();
        await store.add([requestOf("a", { recursive: false })], RULES);
        await store.add([requestOf("a", { name: "one", source: "block-put", createdAtMs: 2000 })], RULES);
        const claim = { source: "add", name: "one", createdAtMs: 1000 };
        expect(store.get(rootOf("a"))).toMatchObject({ recursive: true, claim });
        await store.add([requestOf("a", { recursive: false, name: "two", createdAtMs: 3000 })], RULES);
        expect(store.get(rootOf("a"))).toMatchObject({ recursive: true, claim: { ...claim, name: "two" } });
        expect(store.claims(rootOf("a")).map(({ source, name }) => [source, name])).toEqual([
          ["add", "two"],
          ["block-put", "one"],
        ]);
      });

      test("the same root twice in one call is one pin, and no request is none", async () => {
        const store = await openStore();
        const added = await store.add([requestOf("a"), requestOf("a"), requestOf("b")], RULES);
        expect(added.map(({ isNew }) => isNew)).toEqual([true, false, true]);
        expect(await store.add([], RULES)).toEqual([]);
        expect(rootsOf(store)).toHaveLength(2);
      });

      test("a direct pin that is to be recursive is to be pinned again", async () => {
        const store = await openStore();
        await store.add([requestOf("a", { recursive: false })], RULES);
        await store.settle([{ root: rootOf("a"), outcome: pinned(5, false) }]);
        await store.add([requestOf("a", { recursive: true, isStored: true, createdAtMs: 6 })], RULES);
        expect(store.get(rootOf("a"))).toMatchObject({ state: "stored", pinnedAtMs: 5 });
        // The attempt that began before is not what is wanted now.
        expect(await store.settle([{ root: rootOf("a"), outcome: pinned(7, false) }])).toEqual([false]);
        expect(await store.settle([{ root: rootOf("a"), outcome: pinned(8) }])).toEqual([true]);
        expect(store.get(rootOf("a"))).toMatchObject({ state: "pinned", pinnedAtMs: 8 });
      });

      test.for([RULES, VAULT_RULES])(
        "R20: one block that is stored is not all of a recursive pin, which is tried again with it (%o)",
        async (rules) => {
          const store = await openStore();
          const root = rootOf("a");
          const submit = (): ReturnType<PinStore["add"]> =>
            store.add([requestOf("a", { source: "sidecar", recursive: false, isStored: true })], rules);
          await store.add([requestOf("a", { source: "nostr", holder: "x" })], rules);
          const failed = { kind: "failed", step: "pin", attempts: 3, nextAttemptAtMs: 9_000 } as const;
          await store.settle([{ root, outcome: { ...failed, problem: "nobody has it" } }]);
          expect(readyRoots(store, "pin")).toEqual([]);
          expect(await submit()).toEqual([{ isNew: false, isNewlyPinned: false }]);
          expect(store.get(root)).toMatchObject({ state: "queued", attempts: 0, problem: "nobody has it" });
          // Still the wish of somebody whose content is not here.
          expect(readyRoots(store, "pin")).toEqual([root.toString()]);

          await store.settle([{ root, outcome: { kind: "dead", attempts: 12, problem: "nobody has it" } }]);
          expect(await submit()).toEqual([{ isNew: false, isNewlyPinned: false }]);
          expect(store.get(root)).toMatchObject({ state: "queued", attempts: 0 });
          await store.add([requestOf("a", { isStored: true })], RULES);
          await submit();
          expect(store.get(root)).toMatchObject({ state: "stored" });
        },
      );
    });

    describe("claims", () => {
      test("a pin lives as long as somebody claims it, and its first claim is the oldest that is left", async () => {
        const store = await openStore();
        const root = rootOf("a");
        await store.add([requestOf("a", { source: "nostr", holder: "x", createdAtMs: 1 })], RULES);
        await store.add([requestOf("a", { source: "follow", holder: "y", createdAtMs: 2 })], RULES);
        await store.settle([{ root, outcome: pinned(5) }]);
        expect(await store.release(root, { source: "nostr", holder: "z" }, 6)).toBe(false);
        expect(await store.release(root, { source: "nostr", holder: "x" }, 6)).toBe(true);
        expect(store.get(root)).toMatchObject({
          state: "pinned",
          claim: { source: "follow", createdAtMs: 2 },
        });
        expect(totalsOf(store)).toEqual({ "follow pinned": [1, 0] });
        expect(await store.release(root, { source: "follow", holder: "y" }, 7)).toBe(true);
        expect(store.get(root)).toBeUndefined();
        expect(rootsOf(store)).toEqual([]);
        expect(
          store.ready({ step: "unpin", source: "follow", afterHolder: undefined, limit: 9 }),
        ).toHaveLength(1);
        expect(await store.settle([{ root, outcome: { kind: "unpinned" } }])).toEqual([true]);
        expect(store.ready({ step: "unpin", source: "follow", afterHolder: undefined, limit: 9 })).toEqual(
          [],
        );
        expect(store.totals()).toEqual([]);
      });

      test("one is found among thousands, of which the first thousand are shown", async () => {
        const store = await openStore();
        const root = rootOf("a");
        const wish = (i: number) => requestOf("a", { source: "nostr", holder: `h${i}`, createdAtMs: i });
        await store.add(
          Array.from({ length: 1_100 }, (_, i) => wish(i)),
          RULES,
        );
        expect(store.claim(root, { source: "nostr", holder: "h1099" })).toEqual(wish(1_099).claim);
        expect(store.claim(root, { source: "nostr", holder: "h1100" })).toBeUndefined();
        expect(store.claim(root, { source: "follow", holder: "h1" })).toBeUndefined();
        expect(store.claim(rootOf("b"), { source: "nostr", holder: "h1" })).toBeUndefined();
        expect(store.claims(root)).toEqual(Array.from({ length: 1_000 }, (_, i) => wish(i).claim));
      });

      test("a wish that comes before the backend was told brings the pin back", async () => {
        const store = await openStore();
        const root = rootOf("a");
        await store.add([requestOf("a", { source: "nostr" })], RULES);
        await store.settle([{ root, outcome: pinned(5) }]);
        await store.release(root, { source: "nostr", holder: "" }, 6);
        const added = await store.add([requestOf("a", { source: "nostr", createdAtMs: 7 })], RULES);
        expect(added).toEqual([{ isNew: true, isNewlyPinned: false }]);
        expect(await store.settle([{ root, outcome: { kind: "unpinned" } }])).toEqual([false]);
        expect(store.get(root)).toMatchObject({ state: "queued", claim: { createdAtMs: 7 } });
      });
    });

    describe("R33: whose a pin at the backend is", () => {
      const madeIn = (store: PinStore, step: PinStep): readonly (string | undefined)[] =>
        store.ready({ step, source: "nostr", afterHolder: undefined, limit: 9 }).map((pin) => pin.madeIn);
      const made: PinOutcome = { kind: "made", repositoryId: "repository-1" };
      const root = rootOf("a");
      const wish = requestOf("a", { source: "nostr" });
      const claim = { source: "nostr", holder: "" } as const;

      test("is known of what was made for us, at its end, also after a restart", async () => {
        const opened = await openDisposed();
        await opened.store.add([wish], RULES);
        const outcomes = [pinned(5), made].map((outcome) => ({ root, outcome }));
        expect(await opened.store.settle(outcomes)).toEqual([true, true]);
        await opened.store.release(root, claim, 6);
        expect(madeIn(opened.store, "unpin")).toEqual(["repository-1"]);
        const reopened = await opened.reopen();
        expect(madeIn(reopened, "unpin")).toEqual(opened.survivesRestart ? ["repository-1"] : []);
      });

      test("is not known of what the backend had before", async () => {
        const store = await openStore();
        await store.add([wish], RULES);
        await store.settle([{ root, outcome: pinned(5) }]);
        await store.release(root, claim, 6);
        expect(madeIn(store, "unpin")).toEqual([undefined]);
      });

      test("is noted of a pin that was released meanwhile, and stays known when it is wished for again", async () => {
        const store = await openStore();
        await store.add([wish], RULES);
        await store.release(root, claim, 6);
        expect(await store.settle([pinned(7), made].map((outcome) => ({ root, outcome })))).toEqual([
          false,
          true,
        ]);
        expect(madeIn(store, "unpin")).toEqual(["repository-1"]);
        await store.add([wish], RULES);
        expect(madeIn(store, "pin")).toEqual(["repository-1"]);
        expect(store.get(root)).toMatchObject({ state: "queued" });
      });

      test("is not known any more after it was lost, or an attempt failed: what comes meanwhile is another's", async () => {
        const store = await openStore();
        await store.add([wish], RULES);
        await store.settle([pinned(5), made].map((outcome) => ({ root, outcome })));
        const lost = { kind: "lost", state: "queued", problem: "lost: it is gone", listedAtMs: 9 } as const;
        await store.settle([{ root, outcome: lost }]);
        expect(madeIn(store, "pin")).toEqual([undefined]);

        await store.release(root, claim, 10);
        await store.settle([{ root, outcome: { kind: "unpinned" } }]);
        await store.add([wish], RULES);
        const failed = {
          kind: "failed",
          step: "pin",
          attempts: 1,
          nextAttemptAtMs: 30,
          problem: "p",
        } as const;
        await store.settle([made, failed].map((outcome) => ({ root, outcome })));
        await store.wake(30, 9);
        expect(madeIn(store, "pin")).toEqual([undefined]);
      });

      test("a pin of ours that is to be made recursive stays ours while that fails", async () => {
        const store = await openStore();
        await store.add([{ ...wish, recursive: false }], RULES);
        await store.settle([pinned(5, false), made].map((outcome) => ({ root, outcome })));
        await store.add([wish], RULES);
        const failed = {
          kind: "failed",
          step: "pin",
          attempts: 1,
          nextAttemptAtMs: 30,
          problem: "p",
        } as const;
        await store.settle([{ root, outcome: failed }]);
        await store.release(root, claim, 31);
        expect(madeIn(store, "unpin")).toEqual(["repository-1"]);
      });

      test("everything in our own vault is ours", async () => {
        const store = await openStore();
        await store.add([{ ...wish, isStored: true }], VAULT_RULES);
        await store.release(root, claim, 6);
        expect(madeIn(store, "unpin")).toEqual(["vault"]);
      });
    });

    describe("lists", () => {
      test("pages add up to all of them, each once, oldest first", async () => {
        const store = await openStore();
        const all = Array.from({ length: 25 }, (_, i) => requestOf(`${i}`));
        await store.add([...all, requestOf(cidOf(Buffer.from("0"), 0x71))], RULES);
        const expected = [...all.map(({ root }) => root), cidOf(Buffer.from("0"), 0x71)];
        expect(rootsOf(store)).toEqual(expected.map((root) => root.toString()));
      });

      test("are of one state, of one source, or of both", async () => {
        const store = await openStore();
        await store.add(
          Array.from({ length: 30 }, (_, i) =>
            requestOf(`${i}`, { source: i % 2 === 0 ? "nostr" : "add", isStored: i >= 20 }),
          ),
          RULES,
        );
        const some = Array.from({ length: 10 }, (_, i) => ({ root: rootOf(`${i}`), outcome: pinned(5) }));
        await store.settle(some);
        await store.settle([
          { root: rootOf("11"), outcome: { kind: "dead", attempts: 12, problem: "gone" } },
          { root: rootOf("0"), outcome: { kind: "provided", atMs: 9 } },
        ]);
        const roots = (numbers: readonly number[]): string[] => numbers.map((i) => rootOf(`${i}`).toString());
        expect(rootsOf(store, { state: "dead" })).toEqual(roots([11]));
        expect(rootsOf(store, { state: "dead", source: "nostr" })).toEqual([]);
        expect(rootsOf(store, { state: "provided" })).toEqual(roots([0]));
        expect(rootsOf(store, { state: "pinned", source: "nostr" })).toEqual(roots([2, 4, 6, 8]));
        expect(rootsOf(store, { state: "stored", source: "add" })).toEqual(roots([21, 23, 25, 27, 29]));
        expect(rootsOf(store, { state: "queued" })).toHaveLength(9);
        expect(rootsOf(store, { source: "add" })).toHaveLength(15);
      });

      test("R21: totals count each pin once, and the bytes of each block once, by source and state", async () => {
        const opened = await openDisposed();
        const { store } = opened;
        const submitted = requestOf("a", { source: "sidecar", blockBytes: 100, isStored: true });
        const other = requestOf(cidOf(Buffer.from("a"), 0x71), {
          source: "sidecar",
          blockBytes: 100,
          isStored: true,
        });
        await store.add(
          [submitted, requestOf("b"), requestOf("c", { source: "sidecar", blockBytes: 7 })],
          RULES,
        );
        expect(totalsOf(store)).toEqual({
          "add queued": [1, 0],
          "sidecar queued": [1, 7],
          "sidecar stored": [1, 100],
        });
        await store.add([{ ...submitted, recursive: true }, requestOf("a"), other], RULES);
        expect(totalsOf(store)["sidecar stored"]).toEqual([2, 100]);
        await store.settle([{ root: submitted.root, outcome: pinned(5) }]);
        expect(totalsOf(store)).toMatchObject({ "sidecar stored": [1, 0], "sidecar pinned": [1, 100] });
        // Another pin of the block is left: its bytes are still held.
        for (const source of ["sidecar", "add"] as const) {
          await store.release(submitted.root, { source, holder: "" }, 6);
        }
        await store.settle([{ root: submitted.root, outcome: { kind: "unpinned" } }]);
        const expected = {
          "add queued": [1, 0],
          "sidecar queued": [1, 7],
          "sidecar stored": [1, 100],
        };
        expect(totalsOf(store)).toEqual(expected);
        expect(totalsOf(await opened.reopen())).toEqual(opened.survivesRestart ? expected : {});
      });
    });

    describePinQueue(openStore);

    test("everything is there after a restart if that is promised", async () => {
      const opened = await openDisposed();
      await opened.store.add(
        Array.from({ length: 3000 }, (_, i) => requestOf(`${i}`)),
        RULES,
      );
      await opened.store.setRepositoryId("one");
      expect(opened.store.repositoryId()).toBe("one");
      const store = await opened.reopen();
      expect(rootsOf(store)).toHaveLength(opened.survivesRestart ? 3000 : 0);
      expect(store.repositoryId()).toBe(opened.survivesRestart ? "one" : undefined);
    });
  });
}
