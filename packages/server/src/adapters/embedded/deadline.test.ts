import { describe, expect, it } from "vitest";
import { withDeadline } from "./deadline.ts";

const hang = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

describe("withDeadline", () => {
  it("gives what was run, and does not abort afterwards", async () => {
    let seen: AbortSignal | undefined;
    const outer = new AbortController();
    const result = await withDeadline(outer.signal, 10_000, async (signal) => {
      seen = signal;
      return 1;
    });
    outer.abort();
    expect(result).toBe(1);
    expect(seen?.aborted).toBe(false);
  });

  it("aborts with the outer signal's reason, also when that has aborted before", async () => {
    const reason = new Error("gone");
    const outer = new AbortController();
    const running = withDeadline(outer.signal, 10_000, hang);
    outer.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(withDeadline(outer.signal, 10_000, hang)).rejects.toBe(reason);
  });

  it("aborts when the time is up", async () => {
    const running = withDeadline(new AbortController().signal, 1, hang);
    await expect(running).rejects.toMatchObject({ name: "TimeoutError" });
  });
});
