import { expect, test } from "vitest";
import { blockOf } from "../../test/support/blocks.ts";
import { PutLog } from "./put-log.ts";

const [A, B, C] = ["a", "b", "c"].map((text) => blockOf(text).cid) as [
  ReturnType<typeof blockOf>["cid"],
  ReturnType<typeof blockOf>["cid"],
  ReturnType<typeof blockOf>["cid"],
];
const nothing = (): Promise<void> => Promise.resolve();

test("what is touched under a lease is protected until the lease ends", async () => {
  const log = new PutLog();
  const lease = log.begin();
  await log.touch([A]);
  expect([log.isTouched(A), log.isTouched(B)]).toEqual([true, false]);
  expect(await log.deleteUntouched([A, B], nothing)).toEqual([B]);
  lease[Symbol.dispose]();
  expect(log.isTouched(A)).toBe(false);
  expect(await log.deleteUntouched([A], nothing)).toEqual([A]);
});

test("a lease protects what others touch as well, from its begin on", async () => {
  const log = new PutLog();
  const first = log.begin();
  await log.touch([A]);
  const second = log.begin();
  await log.touch([B]);
  first[Symbol.dispose]();
  expect([log.isTouched(A), log.isTouched(B)]).toEqual([false, true]);
  second[Symbol.dispose]();
});

test("a watch keeps what uploads touched that were open when it began, also when they have ended", async () => {
  const log = new PutLog();
  const ended = log.begin();
  await log.touch([C]);
  ended[Symbol.dispose]();
  const upload = log.begin();
  await log.touch([A]);
  const watch = log.watch();
  upload[Symbol.dispose]();
  expect([log.isTouched(A), log.isTouched(C)]).toEqual([true, false]);
  watch[Symbol.dispose]();
  expect(log.isTouched(A)).toBe(false);
});

test("disposing a lease twice ends it once", async () => {
  const log = new PutLog();
  const [lease, other] = [log.begin(), log.begin()];
  await log.touch([A]);
  lease[Symbol.dispose]();
  lease[Symbol.dispose]();
  expect(log.isTouched(A)).toBe(true);
  other[Symbol.dispose]();
});

test("over its bound it forgets nothing: everything counts as touched until those leases have ended", async () => {
  const log = new PutLog({ keysMax: 2 });
  const lease = log.begin();
  await log.touch([A, B, C]);
  expect(log.isTouched(blockOf("never touched").cid)).toBe(true);
  const later = log.begin();
  lease[Symbol.dispose]();
  expect(log.isTouched(blockOf("never touched").cid)).toBe(false);
  later[Symbol.dispose]();
});

test("what no lease needs makes room, however long another one stays open", async () => {
  const log = new PutLog({ keysMax: 100 });
  const leases = [log.begin()];
  for (let i = 0; i < 1_000; i++) {
    await log.touch([blockOf(`block ${i}`).cid]);
    leases.push(log.begin());
    leases.shift()?.[Symbol.dispose]();
  }
  expect(log.isTouched(blockOf("never touched").cid)).toBe(false);
  for (const lease of leases) lease[Symbol.dispose]();
});

test("whoever touches a block that is being deleted waits until it is gone", async () => {
  const log = new PutLog();
  using _lease = log.begin();
  const removal = Promise.withResolvers<void>();
  const deleted = log.deleteUntouched([A], () => removal.promise);
  let isTouched = false;
  const touch = log.touch([A]).then(() => {
    isTouched = true;
  });
  await log.touch([B]);
  expect(isTouched).toBe(false);
  removal.resolve();
  await Promise.all([touch, deleted]);
  expect(isTouched).toBe(true);
});

test("a deletion that fails lets those go on who wait for it", async () => {
  const log = new PutLog();
  using _lease = log.begin();
  const removal = Promise.withResolvers<void>();
  const deleted = log.deleteUntouched([A], () => removal.promise);
  const touch = log.touch([A]);
  removal.reject(new Error("the disk refuses"));
  await expect(deleted).rejects.toThrow("the disk refuses");
  await touch;
});
