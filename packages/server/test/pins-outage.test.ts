import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { CID } from "multiformats/cid";
import { pino } from "pino";
import { expect, onTestFinished, test, vi } from "vitest";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import type { PinRequest } from "../src/pins/pin.ts";
import type { Pins, PinsOptions } from "../src/pins/pins.ts";
import { PIN_POLICY } from "../src/policies.ts";
import type { Metrics } from "../src/telemetry/metrics.ts";
import { createPins, requestOf } from "./support/create-pins.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";
import { fails, hangs, type PinScript, ScriptedPinner } from "./support/scripted-pinner.ts";
import { VirtualClock } from "./support/virtual-clock.ts";

// Hours of simulated time are work: on a machine that has much else to do it takes its time.
vi.setConfig({ testTimeout: 180_000 });

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;

const logger = pino({ level: "silent" });
const stored = (i: number): PinRequest =>
  requestOf(`stored ${i}`, { source: i % 2 === 0 ? "add" : "sidecar", isStored: true });
const wished = (i: number): PinRequest =>
  requestOf(`wished ${i}`, { source: "nostr", holder: `author ${i % 7}` });
const many = (count: number, request: (i: number) => PinRequest): PinRequest[] =>
  Array.from({ length: count }, (_, i) => request(i));

interface World {
  readonly pins: Pins;
  readonly pinner: ScriptedPinner;
  readonly clock: VirtualClock;
  readonly metrics: Metrics;
  /** Calls of `ready`. */
  readonly reads: { count: number };
  /** Of those in this state. */
  readonly count: (...states: readonly string[]) => number;
  /** What an attempt does; undefined: it takes 50 ms and succeeds. */
  script: PinScript | undefined;
}

/** The room with the product's numbers on the real store, in front of a backend that needs a while for each pin. */
async function createWorld(options: Partial<PinsOptions> = {}): Promise<World> {
  const dataDir = await mkdtemp(join(MEMORY_FOLDER, "holdfast-outage-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const store = await SqliteRecordStore.open({ logger }, { dataDir });
  onTestFinished(() => store[Symbol.asyncDispose]());
  let writes = 0;
  const reads = { count: 0 };
  const watched = <T>(write: Promise<T>): Promise<T> => {
    writes++;
    return write.finally(() => void writes--);
  };
  const real = store.pins;
  const clock = new VirtualClock(1_790_000_000_000, async () => {
    // A turn more than the last write needs to be heard of.
    do for (let i = 0; i < 3; i++) await nextTurn();
    while (writes > 0);
  });
  const pinner = new PatientPinner(clock);
  const { pins, metrics } = createPins({
    parts: {
      store: {
        add: (...args) => watched(real.add(...args)),
        release: (...args) => watched(real.release(...args)),
        settle: (...args) => watched(real.settle(...args)),
        wake: (...args) => watched(real.wake(...args)),
        setRepositoryId: (...args) => watched(real.setRepositoryId(...args)),
        get: (...args) => real.get(...args),
        claim: (...args) => real.claim(...args),
        claims: (...args) => real.claims(...args),
        list: (...args) => real.list(...args),
        totals: () => real.totals(),
        ready: (...args) => {
          reads.count++;
          return real.ready(...args);
        },
        nextWakeAtMs: () => real.nextWakeAtMs(),
        repositoryId: () => real.repositoryId(),
      },
      pinner,
      isBackendUp: () => !pinner.isAway,
      clock,
      timers: clock,
    },
    options: { ...PIN_POLICY, pinsPerSecondMax: 100, ...options },
  });
  const count = (...states: readonly string[]): number =>
    pins.totals().reduce((sum, { state, pins: some }) => (states.includes(state) ? sum + some : sum), 0);
  return Object.assign(pinner.world, { pins, pinner, clock, metrics, reads, count });
}

/** Takes 50 ms for a pin, as Kubo may for one of some megabytes. */
class PatientPinner extends ScriptedPinner {
  readonly world: { script: PinScript | undefined } = { script: undefined };
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    super();
    this.#clock = clock;
  }

  override async pin(root: CID, options: Parameters<ScriptedPinner["pin"]>[1]) {
    this.script(root, this.world.script ?? (() => this.#slowly()));
    return super.pin(root, options);
  }

  async #slowly() {
    await new Promise<void>((resolve) => void this.#clock.after(50, resolve));
    return { blocks: 1, bytes: 10 };
  }
}

test("R38: after hours without its backend 10,000 pins drain at more than a hundred a second, what is stored here first", async () => {
  const world = await createWorld();
  const { pins, pinner, clock } = world;
  pinner.isAway = true;
  pins.start();
  await pins.add(many(5_000, wished));
  await pins.add(many(5_000, stored));
  await clock.advance(6 * HOUR_MS);
  // Somebody has to look whether it is back, and that is all.
  expect(pinner.attempts.length).toBeLessThan(6 * 3600);
  expect(world.count("stored", "queued")).toBe(10_000);
  const asked = pinner.attempts.length;
  pinner.isAway = false;
  await clock.advance(10 * SECOND_MS);
  await clock.advance(40 * SECOND_MS);
  const wishesBegun = pinner.pinned.size - (5_000 - world.count("stored"));
  expect(world.count("stored")).toBe(0);
  // One turn in five: less would starve them.
  expect(wishesBegun).toBeGreaterThan(1_000);
  expect(wishesBegun).toBeLessThan(3_500);
  await clock.advance(50 * SECOND_MS);
  expect(world.count("pinned")).toBe(10_000);
  expect(pinner.attempts.length - asked).toBe(10_000);
});

test("R38: a backend whose disk is full is not sent thousands of pins again and again; with room they drain at once", async () => {
  const world = await createWorld();
  const { pins, pinner, clock, metrics } = world;
  world.script = fails("STORE_FAILED", "Kubo has no room left");
  pins.start();
  await pins.add(many(5_000, stored));
  await clock.advance(HOUR_MS);
  // One a second, each another one.
  expect(pinner.attempts.length).toBeLessThan(4_000);
  expect(new Set(pinner.attempts.map(String)).size).toBe(pinner.attempts.length);
  expect(world.count("stored")).toBe(5_000);
  expect(metrics.pins.dead).toBe(0);
  const problems = pins.list({ limit: 1_000, state: "stored" }).pins.flatMap(({ problem }) => problem ?? []);
  expect(new Set(problems)).toEqual(new Set(["Kubo has no room left"]));
  world.script = undefined;
  await clock.advance(20 * SECOND_MS);
  expect(world.count("pinned")).toBeGreaterThan(100);
  await clock.advance(70 * SECOND_MS);
  expect(world.count("pinned")).toBe(5_000);
});

test("R28: pins that are too large for what is left do not keep back those that fit", async () => {
  const world = await createWorld();
  const { pins, pinner, clock } = world;
  pins.start();
  const large = new Set(many(200, stored).map(({ root }) => root.toString()));
  world.script = async (root) => {
    if (large.has(root.toString())) return fails("STORE_FAILED")(root, { recursive: true, signal: NEVER });
    await new Promise<void>((resolve) => void clock.after(50, resolve));
    return { blocks: 1, bytes: 10 };
  };
  await pins.add(many(3_000, stored));
  await clock.advance(5 * 60 * SECOND_MS);
  expect(world.count("pinned")).toBe(2_800);
  expect(pinner.pinned.size).toBe(2_800);
});

test("R28: wishes of two authors that hang keep those of a third one back for seconds, and fail by the usual rules", async () => {
  const world = await createWorld();
  const { pins, clock } = world;
  const hanging = new Set<string>();
  world.script = async (root, options) => {
    if (hanging.has(root.toString())) return hangs(root, options);
    await new Promise<void>((resolve) => void clock.after(50, resolve));
    return { blocks: 1, bytes: 10 };
  };
  pins.start();
  const dead = many(16, (i) => requestOf(`dead ${i}`, { source: "nostr", holder: `author-${i % 2}` }));
  for (const { root } of dead) hanging.add(root.toString());
  await pins.add(dead);
  await clock.advance(SECOND_MS);
  await pins.add(many(50, (i) => requestOf(`good ${i}`, { source: "nostr", holder: "author-2" })));
  await clock.advance(10 * SECOND_MS);
  expect(world.count("pinned")).toBe(50);
  // Nobody needed their places: each had all of its time.
  await clock.advance(105 * SECOND_MS);
  expect(dead.map(({ root }) => pins.view(root)?.stage)).toEqual(dead.map(() => "pinning"));
  await clock.advance(15 * SECOND_MS);
  for (const { root } of dead) expect(pins.get(root)).toMatchObject({ attempts: 1, state: "queued" });
  await clock.advance(48 * HOUR_MS);
  for (const { root } of dead) expect(pins.get(root)).toMatchObject({ attempts: 12, state: "dead" });
});

test("R28: hundreds of wishes that hang end early for others, a slow one that brings blocks does not, and all of it is bounded", async () => {
  const world = await createWorld();
  const { pins, pinner, clock } = world;
  const [hanging, slow] = [new Set<string>(), requestOf("slow", { source: "nostr", holder: "author-0" })];
  world.script = async (root, options) => {
    if (hanging.has(root.toString())) return hangs(root, options);
    const isSlow = root.equals(slow.root);
    for (let blocks = 1; blocks <= (isSlow ? 20 : 1); blocks++) {
      const block = new Promise<void>((resolve) => void clock.after(isSlow ? 20_000 : 50, resolve));
      await Promise.race([block, hangs(root, options)]);
      options.onProgress?.({ blocks, bytes: undefined });
    }
    return { blocks: 1, bytes: 10 };
  };
  pins.start();
  await pins.add([slow]);
  await clock.advance(25 * SECOND_MS);
  const dead = many(400, (i) => requestOf(`dead ${i}`, { source: "nostr", holder: `author-${i % 2}` }));
  for (const { root } of dead) hanging.add(root.toString());
  await pins.add(dead);
  let mostRunning = 0;
  for (let i = 0; i < 30; i++) {
    await clock.advance(SECOND_MS);
    mostRunning = Math.max(mostRunning, pinner.running.size);
  }
  expect(mostRunning).toBeLessThanOrEqual(10 + 16);
  await pins.add(many(50, (i) => requestOf(`good ${i}`, { source: "nostr", holder: "author-2" })));
  await clock.advance(15 * SECOND_MS);
  expect(world.count("pinned")).toBe(50);
  const problems = pins.list({ limit: 1_000 }).pins.flatMap(({ problem }) => problem ?? []);
  expect(problems.length).toBeGreaterThan(10);
  for (const problem of problems) expect(problem).toMatch(/^no new block for \d+ s, and others wait$/);
  await clock.advance(400 * SECOND_MS);
  expect(pins.get(slow.root)).toMatchObject({ state: "pinned", attempts: 0 });
});

test("P: each pin costs the thread that answers requests two reads of the queue at most", async () => {
  const world = await createWorld();
  const { pins, clock, reads } = world;
  pins.start();
  await pins.add(many(200, (i) => requestOf(`${i}`, { source: "nostr", holder: `author-${i % 3}` })));
  reads.count = 0;
  await clock.advance(30 * SECOND_MS);
  expect(world.count("pinned")).toBe(200);
  expect(reads.count / 200).toBeLessThanOrEqual(2);
});

const NEVER = new AbortController().signal;
