import { describe, expect, onTestFinished, test } from "vitest";
import type { ApiPinChanges } from "../../src/pins/api/api-pin-store.ts";
import { requestOf } from "../support/create-pins.ts";
import { describeApiPinList } from "./api-pin-list.contract.ts";
import {
  addOf,
  dead,
  facts,
  holdersOf,
  idsOf,
  NOW_MS,
  type OpenedApiPinStore,
  orderOf,
  pinned,
  released,
  rootOf,
  RULES,
  settle,
  textsOf,
} from "./api-pin-store-facts.ts";

/** What every `ApiPinStore` does. `open` gives an empty one. */
export function apiPinStoreContract(adapter: string, open: () => Promise<OpenedApiPinStore>): void {
  const openStore = async (): Promise<OpenedApiPinStore> => {
    const opened = await open();
    onTestFinished(async () => opened.dispose?.());
    return opened;
  };
  describe(`ApiPinStore contract: ${adapter}`, () => {
    test("an order is there with all its facts, and its root is claimed, when the add has settled", async () => {
      const { store, pins } = await openStore();
      const order = orderOf("x", {
        cid: "as the client wrote it",
        name: 'Ünï"\n',
        origins: ["/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWA"],
        meta: { app: "a\nb", __proto__x: "", '"': "é\u0000" },
      });
      expect(await store.add(addOf("1", order))).toMatchObject({
        outcome: "done",
        added: [{ isNew: true, isNewlyPinned: false }],
        released: [],
      });
      const { root: _root, ...rest } = order;
      expect(facts(store.get("a", "1"))).toEqual({
        id: "1",
        createdAtMs: NOW_MS,
        ...rest,
        pin: { root: rootOf("x").toString(), state: "queued", attempts: 0 },
      });
      expect(pins.claims(rootOf("x"))).toEqual([
        { source: "pins-api", holder: "a 1", name: order.name, createdAtMs: NOW_MS },
      ]);
      const [queued] = pins.ready({ step: "pin", source: "pins-api", afterHolder: undefined, limit: 9 });
      // All of an owner are one lane of the queue.
      expect(queued).toMatchObject({ recursive: true, lane: { source: "pins-api", holder: "a" } });
    });

    test("an owner sees, replaces and removes its own orders only", async () => {
      const { store } = await openStore();
      await store.add(addOf("1", orderOf("x")));
      await store.add(addOf("2", orderOf("x"), { owner: "b" }));
      expect(store.get("b", "1")).toBeUndefined();
      expect(store.get("c", "1")).toBeUndefined();
      expect(await store.remove("b", "1", NOW_MS)).toMatchObject({ outcome: "absent" });
      const replaced = { ...addOf("3", orderOf("y"), { owner: "b" }), replacedId: "1" };
      expect(await store.replace(replaced)).toEqual({ outcome: "absent", added: [], released: [] });
      expect(await idsOf(store)).toEqual([1, "1"]);
      expect(await idsOf(store, { owner: "b" })).toEqual([1, "2"]);
      expect(await idsOf(store, { owner: "c" })).toEqual([0]);
    });

    test("times of an owner rise by at least a millisecond, also when the clock was set back", async () => {
      const { store } = await openStore();
      for (const [id, nowMs] of [
        ["1", 10],
        ["2", 10],
        ["3", 5],
        ["4", 1000],
      ] as const) {
        await store.add(addOf(id, orderOf(id), { nowMs: NOW_MS + nowMs }));
      }
      await store.remove("a", "4", NOW_MS);
      await store.add(addOf("5", orderOf("5"), { nowMs: NOW_MS }));
      await store.add(addOf("6", orderOf("6"), { nowMs: NOW_MS, owner: "b" }));
      const times = ["1", "2", "3", "5"].map((id) => store.get("a", id)?.createdAtMs);
      expect(times).toEqual([NOW_MS + 10, NOW_MS + 11, NOW_MS + 12, NOW_MS + 1001]);
      expect(store.get("b", "6")?.createdAtMs).toBe(NOW_MS);
    });

    test("two orders for one root are two claims; the pin goes with the last of them", async () => {
      const { store, pins } = await openStore();
      await store.add(addOf("1", orderOf("x")));
      const again = await store.add(addOf("2", orderOf("x")));
      expect(again).toMatchObject({ outcome: "done", added: [{ isNew: false }] });
      await settle(pins, "x", pinned);
      expect(await store.remove("a", "1", NOW_MS)).toMatchObject(released("x"));
      expect(store.get("a", "1")).toBeUndefined();
      expect(pins.get(rootOf("x"))?.state).toBe("pinned");
      expect(holdersOf(pins, "x")).toEqual(["a 2"]);
      expect(await store.remove("a", "2", NOW_MS)).toMatchObject(released("x"));
      expect(pins.get(rootOf("x"))).toBeUndefined();
      expect(await store.remove("a", "2", NOW_MS)).toMatchObject({ outcome: "absent" });
    });

    test("the end of an order leaves the claims of others alone", async () => {
      const { store, pins } = await openStore();
      await pins.add([requestOf(rootOf("x"), { source: "nostr", holder: "author" })], RULES);
      await store.add(addOf("1", orderOf("x")));
      await store.remove("a", "1", NOW_MS);
      expect(pins.claims(rootOf("x"))).toMatchObject([{ source: "nostr", holder: "author" }]);
    });

    test("what a pin becomes is seen in every order for it", async () => {
      const { store, pins } = await openStore();
      await store.add(addOf("1", orderOf("x")));
      await store.add(addOf("2", orderOf("y")));
      await store.add(addOf("3", orderOf("z")));
      await settle(pins, "x", pinned);
      await settle(pins, "y", dead);
      await store.add(addOf("4", orderOf("x")));
      const of = (state: "open" | "pinned" | "failed"): Promise<unknown> => idsOf(store, { states: [state] });
      expect([await of("open"), await of("pinned"), await of("failed")]).toEqual([
        [1, "3"],
        [2, "4", "1"],
        [1, "2"],
      ]);
      expect(store.get("a", "2")?.pin).toMatchObject({ state: "dead", problem: "nobody has it" });
      // Somebody who asks again makes a dead pin live again, for all.
      await store.add(addOf("5", orderOf("y")));
      expect([await of("open"), await of("failed")]).toEqual([[3, "5", "3", "2"], [0]]);
      await settle(pins, "x", { kind: "lost", state: "queued", listedAtMs: NOW_MS + 9, problem: "lost: x" });
      expect([await of("open"), await of("pinned")]).toEqual([[5, "5", "4", "3", "2", "1"], [0]]);
    });

    test("bounds the orders of an owner, and those of them for one root; a replacement is no further one", async () => {
      const { store, pins } = await openStore();
      const limits = { perOwnerMax: 3, perOwnerAndRootMax: 2 };
      const add = async (id: string, text: string, owner = "a"): Promise<string> =>
        (await store.add(addOf(id, orderOf(text), { limits, owner }))).outcome;
      expect([await add("1", "x"), await add("2", "x"), await add("3", "x")]).toEqual([
        "done",
        "done",
        "exhausted",
      ]);
      expect([await add("4", "y"), await add("5", "z"), await add("6", "x", "b")]).toEqual([
        "done",
        "exhausted",
        "done",
      ]);
      const replace = (id: string, replacedId: string): Promise<ApiPinChanges> =>
        store.replace({ ...addOf(id, orderOf("z"), { limits }), replacedId });
      expect((await replace("7", "4")).outcome).toBe("done");
      expect(await idsOf(store)).toEqual([3, "7", "2", "1"]);
      expect(holdersOf(pins, "z")).toEqual(["a 7"]);
      await store.remove("a", "1", NOW_MS);
      expect(await add("8", "x")).toBe("done");
      expect(await add("9", "z")).toBe("exhausted");
      const again = { ...addOf("10", orderOf("x"), { limits }), replacedId: "8" };
      expect((await store.replace(again)).outcome).toBe("done");
      const other = { ...addOf("11", orderOf("x"), { limits }), replacedId: "7" };
      expect((await store.replace(other)).outcome).toBe("exhausted");
    });

    describe("a replacement", () => {
      test("takes the place of the old order, whose root is let go when nothing of it is here", async () => {
        const { store, pins } = await openStore();
        await store.add(addOf("1", orderOf("x")));
        const changes = await store.replace({ ...addOf("2", orderOf("y")), replacedId: "1" });
        expect(changes).toMatchObject({ ...released("x"), added: [{ isNew: true }] });
        expect(store.get("a", "1")).toBeUndefined();
        expect(store.get("a", "2")?.pin.root.equals(rootOf("y"))).toBe(true);
        expect(pins.get(rootOf("x"))).toBeUndefined();
        expect(store.hasOutlived()).toBe(false);
      });

      test("keeps what the old one had pinned until it is pinned itself", async () => {
        const { store, pins } = await openStore();
        await store.add(addOf("1", orderOf("x")));
        await settle(pins, "x", pinned);
        await store.replace({ ...addOf("2", orderOf("y")), replacedId: "1" });
        expect([holdersOf(pins, "x"), holdersOf(pins, "y")]).toEqual([["a 2"], ["a 2"]]);
        expect(pins.get(rootOf("x"))?.state).toBe("pinned");
        expect(store.hasOutlived()).toBe(false);
        expect(await store.releaseOutlived(NOW_MS)).toMatchObject({ released: [] });
        await settle(pins, "y", pinned);
        expect(store.hasOutlived()).toBe(true);
        expect(await store.releaseOutlived(NOW_MS)).toMatchObject(released("x"));
        expect([pins.get(rootOf("x")), holdersOf(pins, "y")]).toEqual([undefined, ["a 2"]]);
        expect(store.hasOutlived()).toBe(false);
      });

      test("of a replacement that never was pinned keeps what that one kept", async () => {
        const { store, pins } = await openStore();
        await store.add(addOf("1", orderOf("x")));
        await settle(pins, "x", pinned);
        await store.replace({ ...addOf("2", orderOf("y")), replacedId: "1" });
        await settle(pins, "y", dead);
        await store.replace({ ...addOf("3", orderOf("z")), replacedId: "2" });
        expect([holdersOf(pins, "x"), holdersOf(pins, "y"), holdersOf(pins, "z")]).toEqual([
          ["a 3"],
          [],
          ["a 3"],
        ]);
        // Back to what was kept: there is nothing beside it to keep.
        await store.replace({ ...addOf("4", orderOf("x")), replacedId: "3" });
        expect([holdersOf(pins, "x"), holdersOf(pins, "z")]).toEqual([["a 4"], []]);
        expect(store.hasOutlived()).toBe(false);
        await store.replace({ ...addOf("5", orderOf("y")), replacedId: "4" });
        await store.remove("a", "5", NOW_MS);
        expect([holdersOf(pins, "x"), holdersOf(pins, "y")]).toEqual([[], []]);
      });

      test("by the same root is a new order and loses no moment of the pin", async () => {
        const { store, pins } = await openStore();
        await store.add(addOf("1", orderOf("x")));
        await settle(pins, "x", pinned);
        await store.replace({ ...addOf("2", orderOf("x", { name: "new" })), replacedId: "1" });
        expect(pins.get(rootOf("x"))?.state).toBe("pinned");
        expect(holdersOf(pins, "x")).toEqual(["a 2"]);
        expect(store.get("a", "2")?.name).toBe("new");
      });
    });

    describeApiPinList(openStore);

    test("survives a restart with its claims, counts and what is kept", async () => {
      const opened = await openStore();
      if (!opened.survivesRestart) return;
      await opened.store.add(addOf("1", orderOf("x")));
      await settle(opened.pins, "x", pinned);
      await opened.store.replace({ ...addOf("2", orderOf("y")), replacedId: "1" });
      await settle(opened.pins, "y", pinned);
      const { store, pins } = await opened.reopen();
      expect(await idsOf(store)).toEqual([1, "2"]);
      expect(await idsOf(store, { states: ["pinned"] })).toEqual([1, "2"]);
      expect(store.hasOutlived()).toBe(true);
      expect(textsOf((await store.releaseOutlived(NOW_MS)).released)).toEqual([rootOf("x").toString()]);
      expect([holdersOf(pins, "x"), holdersOf(pins, "y")]).toEqual([[], ["a 2"]]);
    });
  });
}
