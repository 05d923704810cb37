import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import type { CID } from "multiformats/cid";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { MemoryPinStore } from "../src/adapters/memory/pin-store.ts";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import type { PinRequest } from "../src/pins/pin.ts";
import type { PinOutcome } from "../src/pins/pin-row.ts";
import type { PinStore } from "../src/pins/pin-store.ts";
import { PIN_SOURCES } from "../src/pins/pin-transitions.ts";
import { cidOf } from "./support/blocks.ts";
import { requestOf } from "./support/create-pins.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";

/** Two codecs of one block among them. */
const roots = [0x55, 0x71].flatMap((codec) => ["a", "b"].map((text) => cidOf(Buffer.from(text), codec)));

type Step =
  | { readonly kind: "add"; readonly requests: readonly PinRequest[]; readonly storedIsPinned: boolean }
  | {
      readonly kind: "release";
      readonly root: CID;
      readonly source: PinRequest["claim"]["source"];
      readonly holder: string;
    }
  | { readonly kind: "settle"; readonly root: CID; readonly outcome: PinOutcome }
  | { readonly kind: "wake"; readonly nowMs: number };

const source = fc.constantFrom("add", "sidecar", "nostr", "pin-add");
const holder = fc.constantFrom("", "x");
const root = fc.constantFrom(...roots);
const atMs = fc.integer({ min: 1, max: 50 });

const request = fc
  .record({
    root,
    source,
    holder,
    atMs,
    recursive: fc.boolean(),
    isStored: fc.boolean(),
    name: fc.constantFrom(undefined, "n"),
  })
  .map(({ root: cid, atMs: createdAtMs, name, ...fields }) =>
    // One block has one size, under whatever codec.
    requestOf(cid, {
      ...fields,
      createdAtMs,
      blockBytes: cid.multihash.digest[0] ?? 1,
      ...(name && { name }),
    }),
  );

const outcome: fc.Arbitrary<PinOutcome> = fc.oneof(
  fc.record({ kind: fc.constant("pinned" as const), recursive: fc.boolean(), atMs, provides: fc.boolean() }),
  fc.record({ kind: fc.constant("made" as const), repositoryId: fc.constantFrom("one", "two") }),
  fc.record({ kind: fc.constant("provided" as const), atMs }),
  fc.constant({ kind: "not-provided", problem: "p" } as const),
  fc.constant({ kind: "unpinned" } as const),
  fc.record({
    kind: fc.constant("failed" as const),
    step: fc.constantFrom("pin" as const, "provide" as const, "unpin" as const),
    attempts: fc.constant(1),
    nextAttemptAtMs: atMs,
    problem: fc.constant("p"),
  }),
  fc.constant({ kind: "dead", attempts: 12, problem: "p" } as const),
  fc.record({
    kind: fc.constant("lost" as const),
    state: fc.constantFrom("queued" as const, "stored" as const),
    listedAtMs: atMs,
    problem: fc.constantFrom(undefined, "lost: p"),
  }),
  fc.record({ kind: fc.constant("retried" as const), atMs }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("add" as const),
    requests: fc.array(request, { maxLength: 3 }),
    storedIsPinned: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("release" as const), root, source, holder }),
  fc.record({ kind: fc.constant("settle" as const), root, outcome }),
  fc.record({ kind: fc.constant("wake" as const), nowMs: atMs }),
);

async function run(store: PinStore, one: Step): Promise<unknown> {
  switch (one.kind) {
    case "add":
      return store.add(one.requests, { storedIsPinned: one.storedIsPinned, provides: true });
    case "release":
      return store.release(one.root, { source: one.source, holder: one.holder }, 60);
    case "settle":
      return store.settle([{ root: one.root, outcome: one.outcome }]);
    case "wake":
      return store.wake(one.nowMs, 10);
  }
}

/** All that can be asked, comparable. */
function stateOf(store: PinStore): unknown {
  const bytesBySource = new Map<string, number>();
  const counts = store.totals().map(({ source: from, state, pins, blockBytes }) => {
    bytesBySource.set("all", (bytesBySource.get("all") ?? 0) + blockBytes);
    return `${from} ${state} ${pins}`;
  });
  const ready = (["pin", "provide", "unpin"] as const).flatMap((forStep) =>
    PIN_SOURCES.flatMap((from) =>
      store.ready({ step: forStep, source: from, afterHolder: undefined, limit: 99 }).map((pin) => {
        return { ...pin, root: pin.root.toString() };
      }),
    ),
  );
  const pins = roots.map((one) => {
    const pin = store.get(one);
    return { ...pin, root: pin?.root.toString(), claims: store.claims(one) };
  });
  return {
    pins,
    listed: store.list({ limit: 99 }).pins.map(({ root: listed }) => listed.toString()),
    counts: counts.toSorted((a, b) => a.localeCompare(b)),
    bytes: bytesBySource,
    nextWakeAtMs: store.nextWakeAtMs(),
    ready,
  };
}

test("R21: whatever happens to pins, both stores tell the same, and totals are those of the pins", async () => {
  const dataDir = await mkdtemp(join(MEMORY_FOLDER, "holdfast-pins-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  await using opened = await SqliteRecordStore.open({ logger: pino({ level: "silent" }) }, { dataDir });
  const sqlite = opened.pins;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const memory = new MemoryPinStore();
      for (const one of steps) {
        expect(await run(sqlite, one)).toEqual(await run(memory, one));
        expect(stateOf(sqlite)).toEqual(stateOf(memory));
      }
      // Empty again for the next run, which the totals have to notice.
      for (const one of roots) {
        for (const { source: from, holder: whose } of sqlite.claims(one)) {
          await sqlite.release(one, { source: from, holder: whose }, 99);
        }
        await sqlite.settle([{ root: one, outcome: { kind: "unpinned" } }]);
      }
      expect(sqlite.totals()).toEqual([]);
    }),
    { numRuns: 60, seed: 20_261_125 },
  );
}, 60_000);
