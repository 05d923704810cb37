import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import type { TakenEvent } from "../../announce/relays.ts";
import { HighWater } from "./high-water.ts";

test("after its end it saves no more, also when the last time has failed", async () => {
  const timers = new ManualClock();
  const saves: number[] = [];
  const failures: unknown[] = [];
  const highWater = new HighWater({
    timers,
    save(createdAtS) {
      saves.push(createdAtS);
      return Promise.reject(new Error("the store is closed"));
    },
    onSaveFailed: (err) => failures.push(err),
  });
  await highWater.complete();
  const taking = Promise.withResolvers<TakenEvent>();
  void highWater.track(taking.promise);
  const finished = highWater.finish();
  taking.resolve({ outcome: "taken", createdAtS: 5 });
  await finished;
  await timers.advance(60_000);
  expect(saves).toEqual([5]);
  expect(failures).toHaveLength(1);
});
