import { HoldfastError, isHoldfastError } from "@holdfast/core";
import type { Resolution } from "../records/records.ts";

/**
 * `Server-Timing` of an answer about a name that was not simply held: how far the lookup had come. `first-answer`: other routers
 * may still give something better, which is pushed then; `complete`: all have been heard; `over-budget`, `failed`: they were not in
 * time, or could not be asked; `known-absent`: they were asked a moment ago. Undefined when nobody was asked.
 *
 * @see https://www.w3.org/TR/server-timing/
 */
export function lookupTiming({ lookup, upstream }: Resolution, tookMs: number): string | undefined {
  const asked = upstream === "confirmed" ? "complete" : upstream;
  const phase = lookup ?? (asked === "not-asked" ? undefined : asked);
  return phase === undefined ? undefined : timing(phase, tookMs);
}

/** As {@link lookupTiming}, of the error that says that there is no record. */
export function missTiming(err: unknown, tookMs: number): string | undefined {
  if (!isHoldfastError(err) || err.code !== "RECORD_NOT_FOUND") return undefined;
  const { phase } = err.details;
  return typeof phase === "string" ? timing(phase, tookMs) : undefined;
}

/** The same error, to be answered with its {@link missTiming}. */
export function withMissTiming(err: unknown, tookMs: number): unknown {
  const value = missTiming(err, tookMs);
  if (value === undefined || !isHoldfastError(err)) return err;
  const details = { ...err.details, headers: { "Server-Timing": value } };
  return new HoldfastError(err.code, err.message, { cause: err, details });
}

function timing(phase: string, tookMs: number): string {
  return `lookup;desc="${phase}";dur=${Math.max(0, Math.round(tookMs))}`;
}
