import type { DagGap } from "./sweep-marks.ts";

export interface BlockCount {
  readonly blocks: number;
  readonly bytes: number;
}

/** What a collection of garbage has found and done so far. */
export interface GarbageReport {
  /**
   * `refused`: what must stay could not be followed to its end, so nothing was deleted. `failed`: it broke off, and `problem` says
   * why; what was deleted until then was garbage.
   */
  readonly state: "running" | "done" | "refused" | "cancelled" | "failed";
  /** `marking`: it finds out what must stay. `sweeping`: it looks at every block of the vault. */
  readonly phase: "marking" | "sweeping";
  /** False: a dry run, which only counts. */
  readonly deletes: boolean;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  /** What must stay, as far as it was followed. */
  readonly marked: { readonly pins: number; readonly records: number; readonly blocks: number };
  /** Of the vault, so far. */
  readonly looked: BlockCount;
  /** Reached from nowhere, but put only a while ago, or in use by an upload. */
  readonly recent: BlockCount;
  /** Reached from nowhere, and nobody's; with `deletes` they are deleted. */
  readonly garbage: BlockCount;
  readonly deleted: BlockCount;
  /** Some of the garbage. */
  readonly sample: readonly string[];
  /** Some of the gaps that it was refused for. */
  readonly gaps: readonly DagGap[];
  readonly problem: string | undefined;
}
