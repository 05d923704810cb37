import { expect, test } from "vitest";
import { orAbort } from "./or-abort.ts";

test("gives what the shared work gives", async () => {
  expect(await orAbort(Promise.resolve(7), new AbortController().signal)).toBe(7);
  await expect(orAbort(Promise.reject(new Error("no")), new AbortController().signal)).rejects.toThrow("no");
});

test("an abort ends this wait with its reason, before or while waiting, and leaves the work alone", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const leaving = new AbortController();
  const [left, stayed] = [orAbort(promise, leaving.signal), orAbort(promise, new AbortController().signal)];
  leaving.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
  await expect(orAbort(promise, leaving.signal)).rejects.toThrow("gone");
  resolve(1);
  expect(await stayed).toBe(1);
});
