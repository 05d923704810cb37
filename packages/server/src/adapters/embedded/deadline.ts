import { setMaxListeners } from "node:events";

/**
 * Runs something with a signal that aborts when the outer one does, or after `timeoutMs`. Unlike `AbortSignal.any` with
 * `AbortSignal.timeout` it leaves nothing behind when it is over, which counts for what is done a thousand times a second.
 */
export async function withDeadline<T>(
  outer: AbortSignal,
  timeoutMs: number,
  run: (signal: AbortSignal, giveUp: () => void) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  setMaxListeners(Number.POSITIVE_INFINITY, controller.signal);
  const onAbort = (): void => {
    controller.abort(outer.reason);
  };
  if (outer.aborted) onAbort();
  outer.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => {
    controller.abort(new DOMException("the time for this step is up", "TimeoutError"));
  }, timeoutMs);
  try {
    return await run(controller.signal, () => controller.abort());
  } finally {
    clearTimeout(timer);
    outer.removeEventListener("abort", onAbort);
  }
}
