import type { KuboSetting } from "./check.ts";
import { CHECK_IDS, type Finding } from "./find-problems.ts";
import { formatBytes } from "./format.ts";
import { type KuboFacts, NO_STORAGE_LIMIT } from "./kubo-facts.ts";

declare global {
  interface JSON {
    /** Since Node 21; TypeScript's library does not know it yet. */
    rawJSON(text: string): unknown;
  }
}

/** As Kubo says it: no number is exactly this one. */
const NO_LIMIT_TEXT = "18446744073709551615";

/** What became of one setting that was to be applied. */
export interface AppliedSetting extends KuboSetting {
  /** The finding it mends. */
  readonly id: string;
  /** Undefined when Kubo took it and the finding is gone. */
  readonly error?: string;
}

export interface Report {
  /** Without login. */
  readonly rpcUrl: string;
  readonly facts: KuboFacts;
  /** As found, before anything was applied. */
  readonly findings: readonly Finding[];
  /** Undefined when nothing was to be applied. */
  readonly applied: readonly AppliedSetting[] | undefined;
}

/** For machines. `findings[].id` and `severity` are stable; what is unknown is null. */
export function reportAsJson({ rpcUrl, facts, findings, applied }: Report): string {
  const { version, repoBytes, gcEnabled = null, peerCount = null } = facts;
  const isLimited = facts.storageMaxBytes < NO_STORAGE_LIMIT;
  const storageMaxBytes = isLimited ? facts.storageMaxBytes : JSON.rawJSON(NO_LIMIT_TEXT);
  const kubo = { rpcUrl, version, repoBytes, storageMaxBytes, gcEnabled, peerCount };
  const report = { kubo, findings, applied, restartNeeded: isRestartNeeded(applied) };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

/** For people: what hurts first, then what is well. */
export function reportAsTable({ rpcUrl, facts, findings, applied }: Report): string {
  const idWidth = Math.max(...CHECK_IDS.map((id) => id.length));
  const row = (mark: string, state: string, id: string, text: string): string =>
    `${mark} ${state.padEnd(8)}  ${id.padEnd(idWidth)}  ${text}`.trimEnd();
  const below = (label: string, text: string): string => row(" ", "", "", `${label.padEnd(4)}  ${text}`);
  const ill = new Set(findings.map((finding) => finding.id));
  const lines = [
    headline(rpcUrl, facts),
    "",
    ...findings.flatMap(({ id, severity, is, why, mend }) => [
      row("!", severity, id, is),
      below("why", why),
      ...mend.map((step, i) => below(i === 0 ? "mend" : "", step)),
      "",
    ]),
    ...CHECK_IDS.filter((id) => !ill.has(id)).map((id) => row("✓", "ok", id, "")),
    "",
    ...(applied === undefined ? summary(findings) : appliedLines(applied)),
  ];
  // Values come from Kubo's configuration: none may steer the terminal.
  // oxlint-disable-next-line no-control-regex
  return `${lines.map((line) => line.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "?")).join("\n")}\n`;
}

function headline(rpcUrl: string, facts: KuboFacts): string {
  const gc = facts.gcEnabled === undefined ? "unknown" : facts.gcEnabled ? "on" : "off";
  const isLimited = facts.storageMaxBytes < NO_STORAGE_LIMIT;
  const limit = isLimited ? formatBytes(facts.storageMaxBytes) : `${NO_LIMIT_TEXT} B (no limit)`;
  const repo = `repo ${formatBytes(facts.repoBytes)}, StorageMax ${limit}`;
  return `Kubo ${facts.version} at ${rpcUrl}: ${repo}, GC ${gc}, peers ${facts.peerCount ?? "unknown"}`;
}

function summary(findings: readonly Finding[]): readonly string[] {
  const counts = (["critical", "warning", "advice"] as const).map(
    (severity) => `${findings.filter((finding) => finding.severity === severity).length} ${severity}`,
  );
  const safe = findings.filter((finding) => finding.safe).map((finding) => finding.id);
  return [
    `${counts.join(", ")}. Kubo takes changes over when it restarts.`,
    ...(safe.length === 0 ? [] : [`--apply would set: ${safe.join(", ")}`]),
  ];
}

function appliedLines(applied: readonly AppliedSetting[]): readonly string[] {
  if (applied.length === 0) return ["Nothing to apply: what is left wants a decision of yours."];
  const lines = applied.map(({ key, value, error }) =>
    error === undefined
      ? `✓ set  ${key} = ${JSON.stringify(value)}`
      : `! not set  ${key} = ${JSON.stringify(value)}: ${error}`,
  );
  return isRestartNeeded(applied) ? [...lines, "Restart Kubo: it takes changes over at its start."] : lines;
}

const isRestartNeeded = (applied: readonly AppliedSetting[] | undefined): boolean =>
  applied?.some((setting) => setting.error === undefined) ?? false;
