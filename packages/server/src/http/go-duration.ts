import { HoldfastError } from "@holdfast/core";

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * A duration as Kubo's clients write it, `300ms`, `1.5h` or `1m30s`, in milliseconds.
 *
 * @throws HoldfastError `INVALID_ARGUMENT`, also for none at all and for what lies behind us.
 * @see https://pkg.go.dev/time#ParseDuration
 */
export function parseGoDuration(text: string, parameter: string): number {
  const parts = [...text.matchAll(/(\d{1,12}(?:\.\d{1,12})?)(ns|us|µs|ms|s|m|h)/gy)];
  const durationMs = parts.reduce(
    (sum, [, count, unit = ""]) => sum + Number(count) * (UNIT_MS[unit] ?? 0),
    0,
  );
  const isWhole = parts.map(([part]) => part).join("") === text;
  if (isWhole && durationMs > 0) return durationMs;
  const shown = JSON.stringify(text.slice(0, 50));
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `${shown} is no duration such as 300ms or 1m30s (option "${parameter}")`,
  );
}
