import { HoldfastError, type IpnsName } from "@holdfast/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryFollowStore } from "../src/adapters/memory/follow-store.ts";
import type { FollowStore } from "../src/pins/follow/follow-store.ts";
import { Follows, type FollowsParts } from "../src/pins/follow/follows.ts";
import type { FollowedRecords } from "../src/pins/follow/followed-records.ts";
import { pinKeyOf } from "../src/pins/pin-key.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { blockOf } from "./support/blocks.ts";
import { FOLLOWS_OPTIONS } from "./support/create-follows.ts";
import { createPins } from "./support/create-pins.ts";
import { createTestName } from "./support/records.ts";
import { fails } from "./support/scripted-pinner.ts";

const NAMES = [createTestName().name, createTestName().name];
const TEXTS = "abcdefgh".split("");

type Step =
  | { readonly kind: "publish"; readonly name: number; readonly text: number }
  /** The name's record expires, or cannot be found out: until the next publish. */
  | { readonly kind: "expire"; readonly name: number }
  | { readonly kind: "follow"; readonly name: number; readonly keep: number }
  | { readonly kind: "unfollow"; readonly name: number }
  /** From now on the content cannot be had, or it can. */
  | { readonly kind: "vanish" | "appear"; readonly text: number }
  /** The store takes so many writes and then no more, as a process that is killed. Then all starts again. */
  | { readonly kind: "crash"; readonly writes: number; readonly text: number; readonly name: number }
  | { readonly kind: "backend"; readonly isAway: boolean }
  | { readonly kind: "time"; readonly minutes: number };

const nameIndex = fc.nat(NAMES.length - 1);
const textIndex = fc.nat(TEXTS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({ kind: fc.constant("publish" as const), name: nameIndex, text: textIndex }),
    weight: 6,
  },
  fc.record({ kind: fc.constant("expire" as const), name: nameIndex }),
  fc.record({ kind: fc.constant("follow" as const), name: nameIndex, keep: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("unfollow" as const), name: nameIndex }),
  fc.record({ kind: fc.constantFrom("vanish" as const, "appear" as const), text: textIndex }),
  {
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      writes: fc.nat(6),
      text: textIndex,
      name: nameIndex,
    }),
    weight: 3,
  },
  fc.record({ kind: fc.constant("backend" as const), isAway: fc.boolean() }),
  fc.record({ kind: fc.constant("time" as const), minutes: fc.integer({ min: 1, max: 90 }) }),
);

interface Model {
  /** What the name was seen to point to while it was followed, newest first. */
  seen: string[];
  keep: number;
  /** How many of the newest must be there: fewer than `keep` when that was raised, because older ones were gone by then. */
  sure: number;
}

/** Names and what they point to, as the test says. */
class World implements FollowedRecords {
  readonly #values = new Map<string, string>();
  readonly #listeners = new Set<(name: IpnsName) => void>();

  set(name: IpnsName, text: string | undefined): void {
    if (text === undefined) this.#values.delete(name.text);
    else this.#values.set(name.text, text);
    for (const listener of this.#listeners) listener(name);
  }

  async look(name: IpnsName) {
    const text = this.#values.get(name.text);
    if (text === undefined) return { roots: [], via: [], problem: "not known" };
    return { roots: [{ root: blockOf(text).cid, seenAtMs: 1 }], via: [], problem: undefined };
  }

  onStored(listener: (name: IpnsName) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

class Run {
  readonly world = new World();
  readonly room = createPins();
  readonly store = new MemoryFollowStore();
  readonly model = new Map<string, Model>();
  readonly #published = new Map<string, string>();
  readonly problems: string[] = [];
  #writesLeft = Number.POSITIVE_INFINITY;
  follows: Follows | undefined;

  constructor() {
    for (const { text } of NAMES) this.model.set(text, { seen: [], keep: 0, sure: 0 });
    this.room.pins.start();
  }

  modelOf(name: IpnsName): Model {
    const model = this.model.get(name.text);
    if (model === undefined) throw new Error("unreachable");
    return model;
  }

  async start(): Promise<void> {
    await this.follows?.[Symbol.asyncDispose]();
    this.#writesLeft = Number.POSITIVE_INFINITY;
    this.follows = await Follows.open(this.#parts(), { ...FOLLOWS_OPTIONS, waitingMax: 20 });
    this.follows.start();
    await this.settle();
  }

  async settle(): Promise<void> {
    await this.room.clock.advance(0);
  }

  async take(one: Step): Promise<void> {
    const name = "name" in one ? NAMES[one.name] : undefined;
    const text = "text" in one ? TEXTS[one.text] : undefined;
    if (one.kind === "publish" && name && text) this.#publish(name, text);
    if (one.kind === "expire" && name) this.#publish(name, undefined);
    if (one.kind === "follow" && name) {
      const model = this.modelOf(name);
      [model.keep, model.sure] = [one.keep, Math.min(model.sure, one.keep)];
      this.#see(name);
      await this.follows?.follow(name, { origin: "admin", keep: one.keep });
    }
    if (one.kind === "unfollow" && name) {
      Object.assign(this.modelOf(name), { keep: 0, seen: [], sure: 0 });
      await this.follows?.unfollow(name);
    }
    if (one.kind === "vanish" && text) this.room.pinner.script(blockOf(text).cid, fails("CONTENT_NOT_FOUND"));
    if (one.kind === "appear" && text) this.#appear(text);
    if (one.kind === "backend") this.room.pinner.isAway = one.isAway;
    if (one.kind === "time") await this.room.clock.advance(one.minutes * 60_000);
    if (one.kind === "crash" && name && text) {
      this.#writesLeft = one.writes;
      this.#publish(name, text);
      await this.room.clock.advance(0);
      await this.start();
    }
    await this.settle();
  }

  /** Everything can be had and the backend is there: the end to which all must come. */
  async comeToRest(): Promise<void> {
    this.room.pinner.isAway = false;
    for (const text of TEXTS) this.#appear(text);
    await this.room.clock.advance(120_000);
    for (const text of TEXTS) await this.room.pins.retry(blockOf(text).cid);
    await this.room.clock.advance(120_000);
    await this.settle();
  }

  claimed(name: IpnsName): readonly string[] {
    const isOurs = (claim: { source: string; holder: string }): boolean =>
      claim.source === "follow" && claim.holder === name.text;
    return TEXTS.filter((text) => this.room.pins.claims(blockOf(text).cid).some(isOurs));
  }

  /** What must be claimed and is not. */
  lost(): readonly string[] {
    return NAMES.flatMap((name) => {
      const { seen, sure } = this.modelOf(name);
      const claimed = this.claimed(name);
      return seen.slice(0, sure).filter((text) => !claimed.includes(text));
    });
  }

  /** What is claimed without being a version. */
  leaked(): readonly string[] {
    const versions = new Map(
      this.store
        .page({ after: undefined, limit: 10 })
        .map((followed) => [followed.name.text, followed.versions.map(({ root }) => pinKeyOf(root))]),
    );
    return NAMES.flatMap((name) => {
      const known = versions.get(name.text) ?? [];
      return this.claimed(name).filter((text) => !known.includes(pinKeyOf(blockOf(text).cid)));
    });
  }

  #publish(name: IpnsName, text: string | undefined): void {
    if (text === undefined) this.#published.delete(name.text);
    else this.#published.set(name.text, text);
    this.#see(name);
    this.world.set(name, text);
  }

  #appear(text: string): void {
    this.room.pinner.script(blockOf(text).cid, () => Promise.resolve({ blocks: 1, bytes: 1 }));
  }

  #see(name: IpnsName): void {
    const model = this.modelOf(name);
    const text = this.#published.get(name.text);
    if (model.keep === 0 || text === undefined) return;
    const at = model.seen.indexOf(text);
    model.seen = [text, ...model.seen.filter((other) => other !== text)];
    if (at < 0 || at >= model.sure) model.sure = Math.min(model.keep, model.sure + 1);
  }

  #parts(): FollowsParts {
    const { clock, pins } = this.room;
    const write = async <T>(run: () => Promise<T>): Promise<T> => {
      if (this.#writesLeft-- <= 0) throw new HoldfastError("STORE_FAILED", "killed");
      return run();
    };
    const store: FollowStore = {
      write: (changes) => write(() => this.store.write(changes)),
      page: (options) => this.store.page(options),
    };
    return {
      store,
      records: this.world,
      pins: {
        add: (requests) => write(() => pins.add(requests)),
        release: (root, claim) => {
          this.#noteRelease(textOf(root.toString()), claim.holder);
          return write(() => pins.release(root, claim));
        },
        get: (root) => pins.get(root),
        claim: (...args) => pins.claim(...args),
        isPinned: (root) => pins.isPinned(root),
        onPinned: (listener) => pins.onPinned(listener),
        view: (root) => pins.view(root),
      },
      isInRepository: (root) => this.room.pinner.isPinned(root, { recursive: true }),
      clock,
      timers: clock,
      logger: createLogger("silent"),
      metrics: new Metrics(),
    };
  }

  /** At the very moment of a release: what goes is none of the newest, and if it is here, so are enough newer ones. */
  #noteRelease(text: string, holder: string): void {
    const { seen, keep, sure } = this.model.get(holder) ?? { seen: [], keep: 0, sure: 0 };
    const isHere = (other: string): boolean => this.room.pinner.pinned.has(pinKeyOf(blockOf(other).cid));
    if (seen.slice(0, sure).includes(text)) this.problems.push(`${text} is among the newest ${sure}`);
    const newer = seen.slice(0, seen.indexOf(text)).filter(isHere);
    if (isHere(text) && newer.length < keep)
      this.problems.push(`${text} goes, and only ${newer.join("")} is here`);
  }
}

function textOf(cid: string): string {
  return TEXTS.find((text) => blockOf(text).cid.toString() === cid) ?? "?";
}

test("R32, R33: whatever is published, fails, is away or crashes, the newest N stay and no claim leaks", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: "max" }), async (steps) => {
      const run = new Run();
      await run.start();
      for (const one of steps) {
        await run.take(one);
        expect([run.lost(), run.leaked()]).toEqual([[], []]);
      }
      await run.comeToRest();
      expect([run.problems, run.lost(), run.leaked()]).toEqual([[], [], []]);
      for (const name of NAMES) {
        expect(run.claimed(name).length).toBeLessThanOrEqual(run.modelOf(name).keep);
      }
      await run.follows?.[Symbol.asyncDispose]();
      await run.room.pins[Symbol.asyncDispose]();
    }),
    { seed: 3233, numRuns: 80 },
  );
}, 120_000);
