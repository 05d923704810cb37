import type { CID } from "multiformats/cid";
import { describe, expect, test } from "vitest";
import { blockOf, cidOf } from "../../../test/support/blocks.ts";
import { createPins, requestOf, type TestPins } from "../../../test/support/create-pins.ts";
import { fails } from "../../../test/support/scripted-pinner.ts";
import { CidFingerprints } from "./cid-fingerprints.ts";
import { pinKeyOf } from "../pin-key.ts";
import type { PinsOptions } from "../pins.ts";

const rootOf = (text: string): CID => blockOf(text).cid;
const HOUR_MS = 3_600_000;

/** The room with these pins, confirmed by the backend. */
async function startPinned(...texts: readonly string[]): Promise<TestPins> {
  return startPinnedWith({}, ...texts);
}

async function startPinnedWith(
  options: Partial<PinsOptions>,
  ...texts: readonly string[]
): Promise<TestPins> {
  const room = createPins({ options });
  await room.pins.add(texts.map((text) => requestOf(text, { isStored: true })));
  room.pins.start();
  await room.clock.advance(1);
  for (const text of texts) expect(room.pins.get(rootOf(text))?.state).toBe("pinned");
  return room;
}

function lose({ pinner }: TestPins, ...texts: readonly string[]): void {
  for (const text of texts) pinner.pinned.delete(pinKeyOf(rootOf(text)));
}

describe("pins that the backend has lost", () => {
  test("are noticed within the hour, and pinned again", async () => {
    const room = await startPinned("a", "b");
    lose(room, "a");
    await room.clock.advance(HOUR_MS + 10_000);
    expect(room.pinner.pinned.size).toBe(2);
    expect(room.pins.get(rootOf("a"))?.state).toBe("pinned");
    expect(room.metrics.pins).toMatchObject({ lost: 1, pinned: 3 });
    expect(room.pinner.attempts).toHaveLength(3);
  });

  test(
    "are said to be lost as long as they cannot be repaired, and when they are given up",
    { timeout: 60_000 },
    async () => {
      const room = await startPinnedWith({ lookIntervalMs: HOUR_MS / 2 }, "a");
      lose(room, "a");
      room.pinner.script(rootOf("a"), fails("CONTENT_NOT_FOUND", "nobody has it"));
      await room.clock.advance(HOUR_MS);
      const problem = "lost: nobody has it";
      expect(room.pins.view(rootOf("a"))).toMatchObject({ stage: "failed", pin: { problem } });
      expect(await room.pins.isPinned(rootOf("a"))).toBe(false);
      await room.clock.advance(48 * HOUR_MS);
      expect(room.pins.view(rootOf("a"))).toMatchObject({ stage: "dead", pin: { problem } });
    },
  );

  test("are noticed when it comes back after it was away", async () => {
    const room = await startPinned("a", "b");
    room.pinner.isAway = true;
    await room.clock.advance(10_000);
    lose(room, "a", "b");
    room.pinner.isAway = false;
    await room.clock.advance(10_000);
    expect(room.pinner.pinned.size).toBe(2);
    expect(room.metrics.pins.lost).toBe(2);
  });

  test("are noticed at the next start", async () => {
    const before = await startPinned("a");
    await before.pins[Symbol.asyncDispose]();
    const room = createPins({ parts: { store: before.store } });
    await room.clock.advance(1_000);
    room.pins.start();
    await room.clock.advance(1);
    expect(room.pinner.pinned.size).toBe(1);
    expect(room.metrics.pins.lost).toBe(1);
  });

  test("R33: are none that a list which broke off does not name", async () => {
    const room = await startPinned("a", "b", "c");
    room.pinner.listBreaksAfter = 1;
    await room.clock.advance(HOUR_MS + 30_000);
    expect(room.metrics.pins).toMatchObject({ lost: 0, auditsFailed: 1 });
    for (const text of ["a", "b", "c"]) expect(room.pins.get(rootOf(text))?.state).toBe("pinned");
    lose(room, "c");
    room.pinner.listBreaksAfter = Number.POSITIVE_INFINITY;
    await room.clock.advance(90_000);
    expect(room.metrics.pins.lost).toBe(1);
  });

  test("are not those that a recursive pin of somebody else holds as well, nor pins of the other kind", async () => {
    const room = createPins();
    const wish = { isStored: true } as const;
    await room.pins.add([
      requestOf("direct", { ...wish, recursive: false }),
      requestOf("deep", wish),
      requestOf("only direct", wish),
    ]);
    room.pins.start();
    await room.clock.advance(1);
    const held = (text: string, recursive: boolean): void => {
      room.pinner.pinned.set(pinKeyOf(rootOf(text)), { root: rootOf(text), recursive });
    };
    held("direct", true);
    held("only direct", false);
    await room.clock.advance(HOUR_MS + 10_000);
    expect(room.metrics.pins.lost).toBe(1);
    expect(room.pinner.attempts.at(-1)?.toString()).toBe(rootOf("only direct").toString());
  });
});

describe("another repository", () => {
  test("has to confirm each pin again; those it has already are not asked for twice", async () => {
    const room = await startPinned("a", "b");
    room.pinner.repositoryId = "repository-2";
    lose(room, "a");
    await room.clock.advance(10_000);
    expect(room.store.repositoryId()).toBe("repository-2");
    expect(room.metrics.pins).toMatchObject({ lost: 1, pinned: 3 });
    expect(room.pinner.attempts).toHaveLength(3);
  });

  test("in place of our vault is told of everything, and nothing counts as lost", async () => {
    const before = createPins();
    const vault = { has: () => Promise.resolve(true) };
    before.pinner.repositoryId = "vault";
    const embedded = createPins({ parts: { store: before.store, pinner: before.pinner, vault } });
    await embedded.pins.add([requestOf("a", { isStored: true }), requestOf("b", { isStored: true })]);
    embedded.pins.start();
    await embedded.clock.advance(1);
    await embedded.pins[Symbol.asyncDispose]();
    expect(before.store.repositoryId()).toBe("vault");

    const room = createPins({ parts: { store: before.store } });
    room.pinner.isAway = true;
    room.pins.start();
    await room.clock.advance(60_000);
    room.pinner.isAway = false;
    await room.clock.advance(30_000);
    expect(room.pinner.pinned.size).toBe(2);
    expect(room.metrics.pins).toMatchObject({ lost: 0, pinned: 2 });
  });

  test("is waited for while it is not known which one it is", async () => {
    const room = await startPinned("a");
    room.pinner.repositoryId = undefined;
    lose(room, "a");
    await room.clock.advance(2 * HOUR_MS);
    expect(room.pinner.listCalls).toBeLessThanOrEqual(2);
    expect(room.metrics.pins.lost).toBe(0);
  });
});

test("fingerprints know what was added, in every version, and nothing else", () => {
  const prints = new CidFingerprints();
  const roots = Array.from({ length: 20_000 }, (_, i) =>
    cidOf(Buffer.from(`${i}`), i % 2 === 0 ? 0x70 : 0x71),
  );
  for (const root of roots) prints.add(root);
  for (const root of roots) prints.add(root);
  expect(roots.every((root) => prints.has(root))).toBe(true);
  expect(roots.filter((root) => root.code === 0x70).every((root) => prints.has(root.toV0()))).toBe(true);
  const others = Array.from({ length: 20_000 }, (_, i) => cidOf(Buffer.from(`other ${i}`), 0x70));
  expect(others.some((root) => prints.has(root))).toBe(false);
  expect(roots.some(({ multihash }) => prints.has(cidOf(multihash.bytes, 0x55)))).toBe(false);
});
