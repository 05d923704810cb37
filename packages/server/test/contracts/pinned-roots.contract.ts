import { CID } from "multiformats/cid";
import { describe, expect, onTestFinished, test } from "vitest";
import type { PinnedRoot, PinnedRoots } from "../../src/content/pinned-roots.ts";
import { cidOf } from "../support/blocks.ts";

export interface OpenedPinnedRoots {
  readonly pins: PinnedRoots;
  /** Opens it again on the same state, as after a restart. */
  readonly reopen: () => Promise<PinnedRoots>;
  readonly survivesRestart: boolean;
  readonly dispose?: () => Promise<void>;
}

function pinOf(name: string, fields: Partial<PinnedRoot> = {}): PinnedRoot {
  return {
    root: cidOf(Buffer.from(name)),
    recursive: true,
    name: undefined,
    source: "add",
    pinnedAtMs: 1000,
    ...fields,
  };
}

const facts = (pin: PinnedRoot | undefined): unknown =>
  pin === undefined ? undefined : { ...pin, root: pin.root.toString() };

/** What every `PinnedRoots` does. `open` gives an empty one. */
export function pinnedRootsContract(adapter: string, open: () => Promise<OpenedPinnedRoots>): void {
  const openDisposed = async (): Promise<OpenedPinnedRoots> => {
    const opened = await open();
    onTestFinished(async () => opened.dispose?.());
    return opened;
  };

  describe(`PinnedRoots contract: ${adapter}`, () => {
    test("what was never pinned has no pin", async () => {
      const { pins } = await openDisposed();
      expect(pins.get(pinOf("a").root)).toBeUndefined();
      expect(pins.list({ limit: 10 })).toEqual([]);
    });

    test("a pin is there with all its facts when the add has settled", async () => {
      const { pins } = await openDisposed();
      const pin = pinOf("a", {
        name: "ü",
        recursive: false,
        source: "dag-import",
        pinnedAtMs: 1_790_000_000_000,
      });
      await pins.add([pin]);
      expect(facts(pins.get(pin.root))).toEqual(facts(pin));
      expect(pins.get(pinOf("b").root)).toBeUndefined();
    });

    test("both versions of a CID are one pin, and another codec is another one", async () => {
      const { pins } = await openDisposed();
      const v1 = cidOf(Buffer.from("a"), 0x70);
      const v0 = CID.createV0(v1.multihash as never);
      await pins.add([pinOf("", { root: v0 })]);
      await pins.add([pinOf("", { root: v1 })]);
      expect(pins.get(v1)?.root.toString()).toBe(v0.toString());
      expect(pins.get(cidOf(Buffer.from("a"), 0x71))).toBeUndefined();
      expect(pins.list({ limit: 10 })).toHaveLength(1);
    });

    test("pinning again keeps the first pin, makes it recursive and renames it, but takes nothing away", async () => {
      const { pins } = await openDisposed();
      await pins.add([pinOf("a", { recursive: false })]);
      await pins.add([pinOf("a", { recursive: true, name: "one", source: "block-put", pinnedAtMs: 2000 })]);
      const expected = facts(pinOf("a", { recursive: true, name: "one" }));
      expect(facts(pins.get(pinOf("a").root))).toEqual(expected);
      await pins.add([pinOf("a", { recursive: false, pinnedAtMs: 3000 })]);
      expect(facts(pins.get(pinOf("a").root))).toEqual(expected);
      await pins.add([pinOf("a", { recursive: false, name: "two" })]);
      expect(pins.get(pinOf("a").root)).toMatchObject({ recursive: true, name: "two" });
    });

    test("the same root twice in one call is one pin", async () => {
      const { pins } = await openDisposed();
      await pins.add([pinOf("a"), pinOf("a"), pinOf("b")]);
      await pins.add([]);
      expect(pins.list({ limit: 10 })).toHaveLength(2);
    });

    test("pages add up to all of them, each once", async () => {
      const { pins } = await openDisposed();
      const all = Array.from({ length: 25 }, (_, i) => pinOf(`${i}`));
      await pins.add([...all, pinOf("0", { root: cidOf(Buffer.from("0"), 0x71) })]);
      const found: string[] = [];
      for (let page = pins.list({ limit: 7 }); page.length > 0;) {
        found.push(...page.map(({ root }) => root.toString()));
        const last = page.at(-1);
        page = last === undefined ? [] : pins.list({ limit: 7, after: last.root });
      }
      expect(found).toHaveLength(26);
      expect(new Set(found).size).toBe(26);
    });

    test("R21: totals count each pin once, and the bytes of each block once, by source", async () => {
      const opened = await openDisposed();
      const { pins } = opened;
      expect([...pins.totals()]).toEqual([]);
      const submitted = pinOf("a", { source: "sidecar", recursive: false, blockBytes: 100 });
      await pins.add([submitted, pinOf("b"), pinOf("c", { source: "sidecar", blockBytes: 7 })]);
      const expected = new Map([
        ["add", { pins: 1, blockBytes: 0 }],
        ["sidecar", { pins: 2, blockBytes: 107 }],
      ]);
      expect(pins.totals()).toEqual(expected);
      await pins.add([{ ...submitted, recursive: true, name: "again" }, pinOf("a"), pinOf("b")]);
      expect(pins.totals()).toEqual(expected);
      await pins.add([{ ...submitted, root: cidOf(Buffer.from("a"), 0x71) }]);
      expect(pins.totals().get("sidecar")).toEqual({ pins: 3, blockBytes: 107 });
      const after = (await opened.reopen()).totals().get("sidecar");
      expect(after).toEqual(opened.survivesRestart ? { pins: 3, blockBytes: 107 } : undefined);
    });

    test("pins are there after a restart if that is promised", async () => {
      const opened = await openDisposed();
      await opened.pins.add(Array.from({ length: 3000 }, (_, i) => pinOf(`${i}`)));
      const pins = await opened.reopen();
      expect(pins.list({ limit: 5000 })).toHaveLength(opened.survivesRestart ? 3000 : 0);
    });
  });
}
