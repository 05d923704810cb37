const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  y: 365 * 86_400_000,
};

/** Parses `90s`, `5m`, `48h`, `30d`, `99y` into milliseconds. */
export function parseDuration(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,9})(ms|s|m|h|d|y)$/.exec(text) ?? [];
  const unitMs = UNIT_MS[unit];
  if (unitMs === undefined)
    throw new Error(`${JSON.stringify(text)} is not a duration such as 90s, 5m, 48h, 30d`);
  return Number(count) * unitMs;
}
