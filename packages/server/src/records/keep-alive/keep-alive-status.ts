import type { Clock } from "../../telemetry/clock.ts";
import { COUNTED_NAMES_MAX, type DarknessWatch } from "./darkness-watch.ts";
import type { PropagationStatus } from "./propagation-status.ts";
import { LANES, type Propagation, type Propagations } from "./propagations.ts";
import type { TargetPuts } from "./target-puts.ts";

/** Counts of names go up to 100,000: past it they say "at least". */
export interface TargetStatus {
  readonly target: string;
  readonly putsUnderWay: number;
  /** How many may be under way at the pace that the target bears now. */
  readonly putsMax: number;
  /** The target could not be reached or refused everything: it is tried again then. */
  readonly pausedUntilMs: number | undefined;
  readonly recordsPerHour: number;
  /** How long the record that has been due longest has been due. */
  readonly lagMs: number;
  /** Clients' records that have not arrived yet. */
  readonly newNames: number;
  /** Names whose last put failed. */
  readonly failingNames: number;
  readonly darkNames: number;
  readonly atRiskNames: number;
  /** When the next name is forgotten, if it is not put before. */
  readonly nextDarkAtMs: number | undefined;
}

export interface KeepAliveStatus {
  readonly targets: readonly TargetStatus[];
  /** Until the first name is forgotten by a target that has it now. Undefined: none will be before its EOL. */
  readonly timeToDarkMs: number | undefined;
  readonly isAlerting: boolean;
  /** Rows of a target that was configured or removed are still being made or deleted. */
  readonly isTending: boolean;
}

/** Costs a few range reads; the names that are or will be dark are those of the last look of the watch. */
export function statusOf(
  puts: TargetPuts,
  parts: {
    readonly propagations: Pick<Propagations, "firstDueAtMs" | "count">;
    readonly watch: DarknessWatch;
    readonly recordsPerHour: number;
    readonly clock: Clock;
  },
): TargetStatus {
  const { propagations, watch, recordsPerHour, clock } = parts;
  const { target, running, limit, pausedUntilMs } = puts;
  const nowMs = clock.nowMs();
  const firstDueAtMs = Math.min(...LANES.map((lane) => propagations.firstDueAtMs(target, lane) ?? nowMs));
  const darkness = watch.of(target);
  return {
    target,
    putsUnderWay: running,
    putsMax: limit,
    pausedUntilMs: pausedUntilMs > nowMs ? pausedUntilMs : undefined,
    recordsPerHour,
    lagMs: Math.max(0, nowMs - firstDueAtMs),
    newNames: propagations.count(target, "new", COUNTED_NAMES_MAX),
    failingNames: propagations.count(target, "retry", COUNTED_NAMES_MAX),
    darkNames: darkness?.darkNames ?? 0,
    atRiskNames: darkness?.atRiskNames ?? 0,
    nextDarkAtMs: darkness?.nextDarkAtMs,
  };
}

/** One name, for people. Its record is put again when the first target is due. */
export function propagationStatusOf(rows: readonly Propagation[]): PropagationStatus {
  return {
    targets: rows.map(({ target, lane, attempts, confirmedAtMs, isCurrentConfirmed, dueAtMs }) => ({
      target,
      state: lane === "retry" ? "failed" : isCurrentConfirmed ? "confirmed" : "waiting",
      attempts,
      confirmedAtMs,
      nextAttemptMs: dueAtMs,
    })),
    nextRepublishMs: Math.min(...rows.map(({ dueAtMs }) => dueAtMs)),
  };
}
