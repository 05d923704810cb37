import { describe, expect, it } from "vitest";
import { itemStream } from "./item-stream.ts";

const never = new AbortController().signal;

describe("itemStream", () => {
  it("yields what came before and after the reader asked, and then ends", async () => {
    const got: number[] = [];
    const stream = itemStream<number>(async (onItem) => {
      onItem(1);
      onItem(2);
      await Promise.resolve();
      onItem(3);
    }, never);
    for await (const item of stream) got.push(item);
    expect(got).toEqual([1, 2, 3]);
  });

  it("yields the items before it throws the call's failure", async () => {
    const got: number[] = [];
    const reading = (async () => {
      const failing = itemStream<number>(async (onItem) => {
        onItem(1);
        throw new Error("broken");
      }, never);
      for await (const item of failing) got.push(item);
    })();
    await expect(reading).rejects.toThrow("broken");
    expect(got).toEqual([1]);
  });

  it("aborts the call when the reader leaves", async () => {
    let seen: AbortSignal | undefined;
    const stream = itemStream<number>((onItem, signal) => {
      seen = signal;
      onItem(1);
      return new Promise(() => undefined);
    }, never);
    for await (const _item of stream) break;
    expect(seen?.aborted).toBe(true);
  });

  it("passes an abort from outside on to the call", async () => {
    const outer = new AbortController();
    const stream = itemStream<number>(async (_onItem, signal) => {
      outer.abort(new Error("gone"));
      signal.throwIfAborted();
    }, outer.signal);
    await expect(stream.next()).rejects.toThrow("gone");
  });
});
