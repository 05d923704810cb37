const FIRST_DELAY_MS = 500;
const DELAY_MAX_MS = 30_000;
/** A thread that ran this long before it died starts the back-off anew. */
export const STABLE_AFTER_MS = 60_000;

/**
 * How long to wait before the next start of a thread that died: doubles from half a second to half a minute, and is
 * spread over half to one and a half of that.
 *
 * @param failures how often it died in a row before it was stable, at least 1.
 * @param random in [0, 1).
 */
export function restartDelayMs(failures: number, random: number): number {
  const backoffMs = Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), DELAY_MAX_MS);
  return Math.round(backoffMs * (0.5 + random));
}
