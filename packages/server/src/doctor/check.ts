import type { KuboFacts } from "./kubo-facts.ts";

/** `critical`: data is lost or strangers command the node. `warning`: something does not work. `advice`: it could be faster. */
export type Severity = "critical" | "warning" | "advice";

/** One key of Kubo's configuration and the value it should have (any JSON). */
export interface KuboSetting {
  readonly key: string;
  readonly value: unknown;
}

/** What a check saw, before the table's constant parts are added. */
export interface Trouble {
  readonly severity: Severity;
  /** What is, in one sentence. */
  readonly is: string;
  readonly settings: readonly KuboSetting[];
  /** What a person does beside or instead of the settings: commands and hints, one a line. */
  readonly steps?: readonly string[];
  /** Takes back the table's `safe` where it depends on the facts. Never grants it. */
  readonly safe?: false;
}

/** One entry of a table of checks. */
export interface Check {
  readonly id: string;
  /** Why it hurts, in one sentence. */
  readonly why: string;
  /**
   * Whether a program may set the settings unasked: it can be undone by setting the key back, loses no data, opens
   * nothing to anybody, and does not change what is announced. Each table says why for its entries.
   */
  readonly safe: boolean;
  /** Undefined when all is well. */
  readonly look: (facts: KuboFacts) => Trouble | undefined;
}
