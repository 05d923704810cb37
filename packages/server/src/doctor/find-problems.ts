import type { Check, KuboSetting, Severity } from "./check.ts";
import { DANGER_CHECKS } from "./danger-checks.ts";
import { commandFor } from "./format.ts";
import type { KuboFacts } from "./kubo-facts.ts";
import { TUNING_CHECKS } from "./tuning-checks.ts";

/** Something about a Kubo that hurts, and how to mend it. */
export interface Finding {
  /** Stable: scripts may look for it. */
  readonly id: string;
  readonly severity: Severity;
  /** What is. */
  readonly is: string;
  /** Why it hurts. */
  readonly why: string;
  /** Commands and hints for a person, one a line; the commands that set {@link settings} come first. */
  readonly mend: readonly string[];
  /** The same as keys and values. */
  readonly settings: readonly KuboSetting[];
  /** Whether a program may set {@link settings} unasked. Kubo takes them over when it restarts. */
  readonly safe: boolean;
}

const CHECKS: readonly Check[] = [...DANGER_CHECKS, ...TUNING_CHECKS];
const SEVERITIES: readonly Severity[] = ["critical", "warning", "advice"];

/** Everything that is looked at, in the order of the table. */
export const CHECK_IDS: readonly string[] = CHECKS.map((check) => check.id);

/** Says what is wrong with a Kubo, worst first. */
export function findProblems(facts: KuboFacts): readonly Finding[] {
  const findings = CHECKS.flatMap(({ id, why, safe, look }): Finding[] => {
    const trouble = look(facts);
    if (trouble === undefined) return [];
    const { severity, is, settings, steps = [] } = trouble;
    const mend = [...settings.map(commandFor), ...steps];
    return [
      { id, severity, is, why, mend, settings, safe: safe && trouble.safe !== false && settings.length > 0 },
    ];
  });
  return SEVERITIES.flatMap((severity) => findings.filter((finding) => finding.severity === severity));
}
