import { expect, test } from "vitest";
import { FrameQueue } from "./frame-queue.ts";
import { until } from "../../../test/support/until.ts";

const frameOf = (text: string): Buffer => Buffer.from(text);

test("frames are handled in their order, one at a time", async () => {
  const handled: string[] = [];
  let running = 0;
  const queue = new FrameQueue(
    {
      handle: async (frame) => {
        expect(++running).toBe(1);
        await Promise.resolve();
        handled.push(frame.toString());
        running--;
      },
      setPaused: () => undefined,
    },
    { bytesMax: 1_000, framesPerTurn: 2 },
  );
  for (const text of ["a", "b", "c", "d", "e"]) queue.push(frameOf(text));
  await until(() => expect(handled).toEqual(["a", "b", "c", "d", "e"]));
  queue.push(frameOf("f"));
  await until(() => expect(handled.at(-1)).toBe("f"));
});

test("a full queue stops the reading until half of it is gone", async () => {
  const pauses: boolean[] = [];
  const gate = Promise.withResolvers<void>();
  const queue = new FrameQueue(
    { handle: () => gate.promise, setPaused: (isPaused) => pauses.push(isPaused) },
    { bytesMax: 10, framesPerTurn: 8 },
  );
  for (let index = 0; index < 12; index++) queue.push(frameOf("x"));
  expect(pauses).toEqual([true]);
  expect(queue.isPaused).toBe(true);
  gate.resolve();
  await until(() => expect(pauses).toEqual([true, false]));
});

test("what waits when it is closed is dropped", async () => {
  const handled: string[] = [];
  const gate = Promise.withResolvers<void>();
  const queue = new FrameQueue(
    {
      handle: (frame) => {
        handled.push(frame.toString());
        return gate.promise;
      },
      setPaused: () => undefined,
    },
    { bytesMax: 100, framesPerTurn: 8 },
  );
  for (const text of ["a", "b"]) queue.push(frameOf(text));
  await until(() => expect(handled).toEqual(["a"]));
  queue.close();
  gate.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  queue.push(frameOf("c"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(handled).toEqual(["a"]);
});
