import fc from "fast-check";
import type { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import { pinKeyOf } from "../src/pins/pin-key.ts";
import { blockOf } from "./support/blocks.ts";
import { createPins, requestOf, type TestPins } from "./support/create-pins.ts";
import { SteppedPinner } from "./support/stepped-pinner.ts";

const HOUR_MS = 3_600_000;
const roots = ["a", "b", "c"].map((text) => blockOf(text).cid);

const root = fc.constantFrom(...roots);
const holder = fc.constantFrom("x", "y");

type Step =
  | { readonly kind: "add"; readonly root: CID; readonly holder: string; readonly recursive: boolean }
  | { readonly kind: "release"; readonly root: CID; readonly holder: string }
  | { readonly kind: "open"; readonly choice: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "fail"; readonly root: CID; readonly fails: boolean }
  | { readonly kind: "lose"; readonly root: CID }
  /** The operator pins it by himself, or ends a pin of his. */
  | { readonly kind: "operate"; readonly root: CID; readonly recursive: boolean }
  | { readonly kind: "turn" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("add" as const), root, holder, recursive: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("release" as const), root, holder }) },
  { weight: 9, arbitrary: fc.record({ kind: fc.constant("open" as const), choice: fc.nat(20) }) },
  { weight: 6, arbitrary: fc.constant({ kind: "turn" } as const) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(100, 60_000, HOUR_MS) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("fail" as const), root, fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose" as const), root }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("operate" as const), root, recursive: fc.boolean() }),
  },
);

class World {
  readonly pinner = new SteppedPinner();
  readonly room: TestPins;
  readonly #operators = new Set<string>();

  constructor() {
    // Nothing is given up for taking long: the gates decide how long it takes.
    const options = {
      unpinsMax: 1,
      pinStallMs: 1e12,
      unpinTimeoutMs: 1e12,
      lookIntervalMs: HOUR_MS / 4,
      auditIntervalMs: HOUR_MS,
    };
    this.room = createPins({ parts: { pinner: this.pinner }, options });
    this.room.pins.start();
  }

  async run(one: Step): Promise<void> {
    const { pins, clock } = this.room;
    switch (one.kind) {
      case "add":
        // Not awaited: what happens between is the point.
        void pins.add([
          requestOf(one.root, { source: "nostr", holder: one.holder, recursive: one.recursive }),
        ]);
        break;
      case "release":
        void pins.release(one.root, { source: "nostr", holder: one.holder });
        break;
      case "open":
        return this.pinner.open(one.choice);
      case "turn":
        return new Promise((resolve) => setImmediate(resolve));
      case "pass":
        return clock.advance(one.ms);
      case "fail":
        if (one.fails) this.pinner.failing.add(pinKeyOf(one.root));
        else this.pinner.failing.delete(pinKeyOf(one.root));
        break;
      case "lose":
        // A repository may lose what it will, but not in the middle of a call about it.
        if (this.pinner.isBusy(one.root)) return;
        this.pinner.held.delete(pinKeyOf(one.root));
        this.#operators.delete(pinKeyOf(one.root));
        break;
      case "operate":
        this.#operate(one.root, one.recursive);
    }
  }

  /** Everything that is under way and due comes to its end. */
  async settle(): Promise<void> {
    const { pins, clock } = this.room;
    this.pinner.failing.clear();
    for (let i = 0; i < 8; i++) {
      for (let turns = 0; turns < 40; turns++) {
        while (this.pinner.gateCount > 0) this.pinner.open(0);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await clock.advance(HOUR_MS);
      for (const one of roots) await pins.retry(one);
    }
  }

  /** What is not as it is claimed. */
  problems(): readonly string[] {
    const { pins, store } = this.room;
    const problems = roots.flatMap((one) => {
      const pin = pins.get(one);
      const held = this.pinner.held.get(pinKeyOf(one));
      const isOperators = this.#operators.has(pinKeyOf(one));
      const facts = `${one.toString()}: ${JSON.stringify({ pin, held, isOperators })}`;
      const isKept = held !== undefined && (held.recursive || pin?.recursive !== true);
      const isRight =
        pin === undefined ? (held !== undefined) === isOperators : pin.state === "pinned" && isKept;
      const isWhose = held === undefined || held.isOurs !== isOperators;
      return isRight && isWhose ? [] : [facts];
    });
    const open = store.totals().filter(({ state }) => state !== "pinned");
    return [...problems, ...open.map(({ state, pins: count }) => `${count} ${state}`)];
  }

  /** Kubo has no owners: who pins what we are pinning, have or are about to end shares it. */
  #operate(one: CID, recursive: boolean): void {
    const key = pinKeyOf(one);
    const pin = this.room.pins.get(one);
    const isOurMatter =
      this.pinner.isBusy(one) ||
      this.pinner.held.has(key) ||
      pin?.pinnedAtMs !== undefined ||
      this.#isReleased(one);
    if (isOurMatter) return;
    this.pinner.held.set(key, { root: one, recursive, isOurs: false });
    this.#operators.add(key);
  }

  #isReleased(one: CID): boolean {
    const options = { step: "unpin", source: "nostr", afterHolder: undefined, limit: 99 } as const;
    const released = this.room.store.ready(options);
    return released.some((pin) => pinKeyOf(pin.root) === pinKeyOf(one));
  }
}

test("R33: however wishes, releases, attempts and failures interleave, the repository has what is claimed, and the operator's pins", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const world = new World();
      for (const one of steps) await world.run(one);
      await world.settle();
      expect(world.problems()).toEqual([]);
      await world.room.pins[Symbol.asyncDispose]();
    }),
    {
      numRuns: Number(process.env["PINS_RUNS"] ?? 150),
      seed: Number(process.env["PINS_SEED"] ?? 20_261_125),
    },
  );
}, 120_000);
