import { vi } from "vitest";

/** Less than the time a test has, and far more than the slowest machine needs: who waits this long has found a defect. */
const PATIENCE_MS = 15_000;

/**
 * Asks again until `check` no longer throws, and gives what it gave. The one way in which tests wait for what has no promise of
 * its own: vitest's `vi.waitFor` gives up after a second, which a busy machine takes now and then.
 *
 * @throws What `check` threw last.
 */
export function until<Value>(
  check: () => Value | Promise<Value>,
  timeoutMs: number = PATIENCE_MS,
): Promise<Value> {
  return vi.waitFor(check, { timeout: timeoutMs, interval: 10 });
}
