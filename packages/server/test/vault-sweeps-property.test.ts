import fc from "fast-check";
import { expect, test } from "vitest";
import { blockKeyOf } from "../src/content/block-hash.ts";
import type { Block } from "../src/content/block-store.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { dagCborBlock } from "./support/cars.ts";
import { openSweeps, type Sweeps } from "./support/vault-sweeps.ts";

const DAY_MS = 24 * 3_600_000;
const LEAVES = Array.from({ length: 6 }, (_, i) => blockOf(bytesOf(i === 0 ? 70_000 : 300, i)));
const DAGS = 6;

/** A root over some of the leaves and of the DAGs before it: they share blocks in every way. */
interface Shape {
  readonly leaves: readonly number[];
  readonly below: readonly number[];
}

interface Dag {
  readonly root: Block;
  readonly all: readonly Block[];
}

function dagsOf(shapes: readonly Shape[]): readonly Dag[] {
  const dags: Dag[] = [];
  for (const [index, shape] of shapes.entries()) {
    const leaves = shape.leaves.flatMap((i) => LEAVES[i] ?? []);
    const below = shape.below.flatMap((i) => dags[i % Math.max(1, dags.length)] ?? []);
    const links = [...leaves, ...below.map(({ root }) => root)].map(({ cid }) => cid);
    const root = dagCborBlock({ index: BigInt(index), links });
    dags.push({ root, all: [root, ...new Set([...leaves, ...below.flatMap(({ all }) => all)])] });
  }
  return dags;
}

type Step =
  | { readonly kind: "upload"; readonly dag: number; readonly pins: boolean; readonly turns: number }
  | { readonly kind: "confirm" | "unpin"; readonly dag: number }
  | { readonly kind: "sweep" }
  | { readonly kind: "collect" }
  | { readonly kind: "nextDay" };

/** What the test knows of what was promised. */
class Model {
  readonly node: Sweeps;
  readonly #isStaging: boolean;
  /** Blocks that the other repository has, by the pin that keeps them there. */
  readonly #repository = new Map<Dag, ReadonlySet<string>>();
  /** Whatever was ever pinned there: when that pin ends, nobody tells the repository who else counted on it. */
  readonly #everConfirmed = new Set<string>();
  /** Accepted without a pin, and when. */
  readonly #accepted = new Map<Dag, number>();

  /** What was promised and is not so. */
  readonly losses: string[] = [];

  constructor(node: Sweeps, isStaging: boolean) {
    this.node = node;
    this.#isStaging = isStaging;
  }

  async run(step: Step, dags: readonly Dag[]): Promise<void> {
    const dag = "dag" in step ? dags[step.dag] : undefined;
    if (step.kind === "sweep" && this.#isStaging) await this.node.sweep();
    else if (step.kind === "collect") await this.node.collect();
    else if (step.kind === "nextDay") await this.node.clock.advance(DAY_MS + 3_600_001);
    else if (step.kind === "upload" && dag !== undefined) await this.#upload(dag, step);
    else if (step.kind === "confirm" && dag !== undefined) await this.#confirm(dag);
    else if (step.kind === "unpin" && dag !== undefined) await this.#unpin(dag);
  }

  /** What is to be pinned may count on what is here already; the pin is committed at the end. */
  async #upload(
    dag: Dag,
    { pins, turns }: { readonly pins: boolean; readonly turns: number },
  ): Promise<void> {
    // A day of grace from when its first block was put: the clock of this test moves a day while an upload runs.
    const atMs = this.node.clock.nowMs();
    using lease = this.node.vault.begin();
    for (const block of dag.all.toReversed()) {
      if (!pins || !(await lease.has(block.cid))) await lease.put([block]);
    }
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    // In its own repository what is stored is pinned.
    if (pins) await this.node.pin(dag.root.cid, this.#isStaging ? "stored" : "pinned");
    else this.#accepted.set(dag, Math.max(atMs, this.#accepted.get(dag) ?? 0));
  }

  /** The repository reads all blocks from here, then says that it has them. */
  async #confirm(dag: Dag): Promise<void> {
    if (this.node.pins.get(dag.root.cid)?.state !== "stored") return;
    const held = await this.node.inVault(dag.all);
    if (this.node.pins.get(dag.root.cid)?.state !== "stored") return;
    if (held.includes(false)) this.losses.push(`${dag.root.cid.toString()} could not be sent on`);
    this.#repository.set(dag, new Set(dag.all.map(keyOf)));
    for (const block of dag.all) this.#everConfirmed.add(keyOf(block));
    await this.node.confirm(dag.root.cid);
  }

  async #unpin(dag: Dag): Promise<void> {
    await this.node.unpin(dag.root.cid);
    this.#repository.delete(dag);
  }

  /** When nothing is under way. */
  async check(dags: readonly Dag[]): Promise<void> {
    for (const dag of dags) {
      const held = await this.node.inVault(dag.all);
      const state = this.node.pins.get(dag.root.cid)?.state;
      const elsewhere = state === "stored" ? [] : [...this.#repository.values()];
      const isRead = dag.all.every(
        (block, i) => held[i] === true || elsewhere.some((keys) => keys.has(keyOf(block))),
      );
      if (state !== undefined && !isRead) this.losses.push(`${dag.root.cid.toString()} is ${state}`);
      const ageMs = this.node.clock.nowMs() - (this.#accepted.get(dag) ?? Number.NEGATIVE_INFINITY);
      const isKept = dag.all.every((block, i) => held[i] === true || this.#everConfirmed.has(keyOf(block)));
      if (ageMs < DAY_MS && !isKept) this.losses.push(`${dag.root.cid.toString()} was accepted`);
    }
  }
}

const keyOf = ({ cid }: Block): string => blockKeyOf(cid);

const dag = fc.nat({ max: DAGS - 1 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("upload" as const),
        dag,
        pins: fc.boolean(),
        turns: fc.nat({ max: 6 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("confirm", "unpin"), dag }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom("sweep", "collect") }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("nextDay" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("settle" as const) }) },
  ),
  { minLength: 10, maxLength: 40 },
);
const shapes = fc.array(
  fc.record({
    leaves: fc.array(fc.nat({ max: LEAVES.length - 1 }), { maxLength: 4 }),
    below: fc.array(fc.nat({ max: DAGS - 1 }), { maxLength: 2 }),
  }),
  { minLength: DAGS, maxLength: DAGS },
);

test.for([true, false])(
  "R20, R33: whatever is uploaded, confirmed, unpinned and swept at the same time, all that is pinned or accepted is read (staging: %s)",
  { timeout: 400_000 },
  async (isStaging) => {
    await fc.assert(
      fc.asyncProperty(shapes, steps, async (drawn, script) => {
        const dags = dagsOf(drawn);
        await using node = await openSweeps({ isStaging });
        const model = new Model(node, isStaging);
        let underWay: Promise<unknown>[] = [];
        const settle = async (): Promise<void> => {
          await Promise.all(underWay);
          underWay = [];
          await model.check(dags);
          expect(model.losses).toEqual([]);
        };
        for (const step of script) {
          if (step.kind === "settle") await settle();
          // Not waited for: the next step begins while this one is under way.
          else underWay.push(model.run(step, dags));
          await new Promise((resolve) => setImmediate(resolve));
        }
        await settle();
        expect(node.collector.report?.state).not.toBe("failed");
      }),
      { seed: 20, numRuns: 60, endOnFailure: true },
    );
  },
);
