import type { KeepAliveStatus } from "../records/keep-alive/keep-alive-status.ts";
import type { ReannounceOperation } from "../records/keep-alive/reannouncement.ts";
import { isoOf } from "./name-view.ts";

/** How the admin listener shows what is kept alive: durations in seconds, instants as ISO 8601. */
export function viewKeepAlive(status: KeepAliveStatus): Readonly<Record<string, unknown>> {
  return {
    alert: status.isAlerting,
    time_to_dark_seconds: secondsOf(status.timeToDarkMs),
    preparing: status.isTending,
    targets: status.targets.map((target) => ({
      target: target.target,
      puts_under_way: target.putsUnderWay,
      puts_max: target.putsMax,
      paused_until: target.pausedUntilMs === undefined ? null : isoOf(target.pausedUntilMs),
      records_per_hour: target.recordsPerHour,
      lag_seconds: secondsOf(target.lagMs),
      new_names: target.newNames,
      failing_names: target.failingNames,
      names_at_risk: target.atRiskNames,
      names_dark: target.darkNames,
      next_dark_at: target.nextDarkAtMs === undefined ? null : isoOf(target.nextDarkAtMs),
    })),
  };
}

export function viewOperation(operation: ReannounceOperation): Readonly<Record<string, unknown>> {
  const { id, kind, state, startedAtMs, endedAtMs, progress } = operation;
  return {
    id,
    kind,
    state,
    started_at: isoOf(startedAtMs),
    ended_at: endedAtMs === undefined ? null : isoOf(endedAtMs),
    names: progress.names,
    targets: Object.entries(progress.targets).map(([target, { confirmed, failed, skipped }]) => {
      return { target, confirmed, failed, skipped };
    }),
  };
}

function secondsOf(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms / 1000);
}
