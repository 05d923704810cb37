import { describe, expect, test } from "vitest";
import type { ApiPinsQuery } from "../../src/pins/api/api-pin-store.ts";
import {
  addOf,
  idsOf,
  NOW_MS,
  type OpenedApiPinStore,
  orderOf,
  pinned,
  rootOf,
  settle,
} from "./api-pin-store-facts.ts";

/** Lists, as every `ApiPinStore` gives them: a part of `apiPinStoreContract`. */
export function describeApiPinList(openStore: () => Promise<OpenedApiPinStore>): void {
  describe("a list", () => {
    async function openFilled(count: number): Promise<OpenedApiPinStore> {
      const opened = await openStore();
      for (let i = 0; i < count; i++) {
        const fields = { name: `File ${i}.TXT`, meta: { parity: i % 2 === 0 ? "even" : "odd", n: `${i}` } };
        await opened.store.add(addOf(`${i}`, orderOf(`${i}`, fields), { nowMs: NOW_MS + i * 10 }));
      }
      return opened;
    }

    test("begins with the newest, and goes on before a time", async () => {
      const { store } = await openFilled(5);
      expect(await idsOf(store, { limit: 2 })).toEqual([5, "4", "3"]);
      expect(await idsOf(store, { limit: 2, beforeMs: NOW_MS + 30 })).toEqual([3, "2", "1"]);
      expect(await idsOf(store, { limit: 2, beforeMs: NOW_MS + 10 })).toEqual([1, "0"]);
      expect(await idsOf(store, { beforeMs: NOW_MS })).toEqual([0]);
      expect(await idsOf(store, { afterMs: NOW_MS + 20 })).toEqual([2, "4", "3"]);
      expect(await idsOf(store, { afterMs: NOW_MS + 9, beforeMs: NOW_MS + 31 })).toEqual([3, "3", "2", "1"]);
      expect(await idsOf(store, { afterMs: NOW_MS + 31, beforeMs: NOW_MS + 39 })).toEqual([0]);
      expect(await idsOf(store, { afterMs: NOW_MS + 31, beforeMs: NOW_MS + 9 })).toEqual([0]);
    });

    test("finds roots in whatever version of the CID, and counts an order once", async () => {
      const { store } = await openFilled(4);
      await store.add(addOf("again", orderOf("1"), { nowMs: NOW_MS + 100 }));
      expect(await idsOf(store, { roots: [rootOf("1"), rootOf("3"), rootOf("nobody's")] })).toEqual([
        3,
        "again",
        "3",
        "1",
      ]);
      expect(await idsOf(store, { roots: [rootOf("1"), rootOf("1")], limit: 1 })).toEqual([2, "again"]);
      expect(await idsOf(store, { roots: [rootOf("nobody's")] })).toEqual([0]);
      expect(await idsOf(store, { roots: [rootOf("1")], meta: { n: "1" } })).toEqual([1, "1"]);
    });

    test.for([
      ["exact", "File 1.TXT", ["1"]],
      ["exact", "file 1.txt", []],
      ["exact", "File", []],
      ["iexact", "fIlE 1.txt", ["1"]],
      ["iexact", "file 1", []],
      ["partial", "1.T", ["1"]],
      ["partial", "1.t", []],
      ["ipartial", "E 1.t", ["1"]],
      ["ipartial", "ILE", ["2", "1", "0"]],
      ["partial", "%", []],
      ["partial", "_", []],
    ] as const)("by name, %s, %s", async ([match, text, ids]) => {
      const { store } = await openFilled(3);
      await store.add(addOf("nameless", orderOf("nameless")));
      expect(await idsOf(store, { name: { text, match } })).toEqual([ids.length, ...ids]);
    });

    test("folds letters beyond ASCII, too", async () => {
      const { store } = await openStore();
      await store.add(addOf("1", orderOf("x", { name: "ÄRGER" })));
      expect(await idsOf(store, { name: { text: "ärg", match: "ipartial" } })).toEqual([1, "1"]);
      expect(await idsOf(store, { name: { text: "ärger", match: "iexact" } })).toEqual([1, "1"]);
    });

    test("by meta wants every pair, as a whole", async () => {
      const { store } = await openFilled(4);
      expect(await idsOf(store, { meta: { parity: "odd" } })).toEqual([2, "3", "1"]);
      expect(await idsOf(store, { meta: { parity: "odd", n: "3" } })).toEqual([1, "3"]);
      expect(await idsOf(store, { meta: { parity: "even", n: "3" } })).toEqual([0]);
      for (const meta of [{ parity: "od" }, { arity: "odd" }, { parity: 'odd","n' }, { "": "" }]) {
        expect(await idsOf(store, { meta: meta as Record<string, string> })).toEqual([0]);
      }
      expect(await idsOf(store, { meta: {} })).toEqual([4, "3", "2", "1", "0"]);
    });

    test("narrows the open ones to those that are at work, or to the others", async () => {
      const { store, pins } = await openFilled(4);
      await settle(pins, "0", pinned);
      const roots = [rootOf("0"), rootOf("2"), rootOf("nobody's")];
      const among = { openAmong: { roots, isAmong: true } };
      const others = { openAmong: { roots, isAmong: false } };
      for (const rest of [{}, { meta: {} }, { name: { text: "File", match: "partial" } }] as const) {
        expect(await idsOf(store, { ...among, ...rest, states: ["open"] })).toEqual([1, "2"]);
        expect(await idsOf(store, { ...others, ...rest, states: ["open"] })).toEqual([2, "3", "1"]);
        expect(await idsOf(store, { ...among, ...rest, states: ["pinned", "open"] })).toEqual([2, "2", "0"]);
        expect(await idsOf(store, { ...others, ...rest, states: ["pinned", "open"] })).toEqual([
          3,
          "3",
          "1",
          "0",
        ]);
        expect(await idsOf(store, { ...others, ...rest, states: ["open"], limit: 1 })).toEqual([2, "3"]);
      }
    });

    test("of nothing is empty", async () => {
      const { store } = await openFilled(2);
      expect(await idsOf(store, { states: [] })).toEqual([0]);
      expect(await idsOf(store, { roots: [] })).toEqual([0]);
    });

    test("ends when its signal aborts", async () => {
      const { store } = await openFilled(2);
      const query: ApiPinsQuery = {
        owner: "a",
        states: ["open"],
        name: { text: "F", match: "partial" },
        limit: 1,
      };
      await expect(store.list(query, { signal: AbortSignal.abort(new Error("left")) })).rejects.toThrow(
        "left",
      );
    });
  });
}
