import { HoldfastError } from "@holdfast/core";
import { describe, expect, it } from "vitest";
import type { ToThread } from "./protocol.ts";
import { ThreadCalls } from "./thread-calls.ts";

function setUp() {
  const posted: ToThread[] = [];
  const calls = new ThreadCalls((message) => posted.push(message));
  const idOf = (index: number): number => {
    const message = posted[index];
    if (message?.type !== "call") throw new Error("no call was posted");
    return message.id;
  };
  return { calls, posted, idOf };
}

const never = new AbortController().signal;

describe("ThreadCalls", () => {
  it("gives each caller the answer to his own call, in whatever order they come", async () => {
    const { calls, idOf } = setUp();
    const first = calls.call("findPeer", { peerId: "a" }, { signal: never });
    const second = calls.call("findPeer", { peerId: "b" }, { signal: never });
    calls.settle({ type: "result", id: idOf(1), result: { id: "b", addrs: [], protocols: [] } });
    calls.settle({ type: "result", id: idOf(0), result: undefined });
    expect(await first).toBeUndefined();
    expect(await second).toMatchObject({ id: "b" });
  });

  it("keeps the code of our own errors and hides those of libraries behind BACKEND_UNAVAILABLE", async () => {
    const { calls, idOf } = setUp();
    const ours = calls.call("provide", { cid: new Uint8Array() }, { signal: never });
    calls.settle({ type: "failure", id: idOf(0), failure: { code: "CONTENT_NOT_FOUND", message: "nobody" } });
    await expect(ours).rejects.toMatchObject({ code: "CONTENT_NOT_FOUND", message: "nobody" });
    for (const [index, code] of [undefined, "ENOENT", "toString"].entries()) {
      const theirs = calls.call("provide", { cid: new Uint8Array() }, { signal: never });
      calls.settle({ type: "failure", id: idOf(index + 1), failure: { code, message: "/home/me: broken" } });
      await expect(theirs).rejects.toMatchObject({
        code: "BACKEND_UNAVAILABLE",
        message: "the embedded node failed",
      });
    }
  });

  it("rejects with the signal's reason at once and tells the thread, whose late answer is ignored", async () => {
    const { calls, posted, idOf } = setUp();
    const reader = new AbortController();
    const call = calls.call("provide", { cid: new Uint8Array() }, { signal: reader.signal });
    const reason = new Error("gone");
    reader.abort(reason);
    await expect(call).rejects.toBe(reason);
    expect(posted.at(-1)).toEqual({ type: "cancel", id: idOf(0) });
    calls.settle({ type: "result", id: idOf(0), result: undefined });
  });

  it("lets a call that may finish say what it reached when the signal aborts", async () => {
    const { calls, posted, idOf } = setUp();
    const reader = new AbortController();
    const params = { routingKey: new Uint8Array(), record: new Uint8Array() };
    const call = calls.call("recordPut", params, { signal: reader.signal, onAbort: "finish" });
    reader.abort();
    expect(posted.at(-1)).toEqual({ type: "cancel", id: idOf(0) });
    calls.settle({ type: "result", id: idOf(0), result: { confirmedPeers: 3 } });
    expect(await call).toEqual({ confirmedPeers: 3 });
  });

  it("posts nothing for a signal that has aborted already", async () => {
    const { calls, posted } = setUp();
    await expect(
      calls.call("provide", { cid: new Uint8Array() }, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ name: "AbortError" });
    expect(posted).toEqual([]);
  });

  it("refuses the call above the bound with OVERLOADED, and takes calls again when one has ended", async () => {
    const { calls, idOf } = setUp();
    const provide = () => calls.call("provide", { cid: new Uint8Array() }, { signal: never });
    const open = Array.from({ length: 64 }, provide);
    await expect(provide()).rejects.toMatchObject({ code: "OVERLOADED" });
    calls.settle({ type: "result", id: idOf(0), result: undefined });
    await open[0];
    const next = provide();
    calls.rejectAll(new HoldfastError("BACKEND_UNAVAILABLE", "the thread ended"));
    const outcomes = await Promise.allSettled([...open.slice(1), next]);
    expect(outcomes).toHaveLength(64);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "BACKEND_UNAVAILABLE" } });
    }
  });

  it("hands items to their call only", async () => {
    const { calls, idOf } = setUp();
    const items: unknown[] = [];
    const params = { routingKey: new Uint8Array() };
    const call = calls.call("recordGet", params, { signal: never, onItem: (item) => items.push(item) });
    calls.settle({ type: "item", id: idOf(0), item: Uint8Array.of(1) });
    calls.settle({ type: "item", id: 999, item: Uint8Array.of(2) });
    calls.settle({ type: "result", id: idOf(0), result: undefined });
    await call;
    expect(items).toEqual([Uint8Array.of(1)]);
  });
});
