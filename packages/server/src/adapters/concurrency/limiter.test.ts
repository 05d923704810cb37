import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Limiter } from "./limiter.ts";

const never = new AbortController().signal;

describe("Limiter", () => {
  it("lets so many in, and the others in their order as places are given back", async () => {
    const limiter = new Limiter(2);
    const order: number[] = [];
    const enter = async (n: number): Promise<Disposable> => {
      const place = await limiter.enter(never);
      order.push(n);
      return place;
    };
    const [first, second] = await Promise.all([enter(1), enter(2)]);
    const third = enter(3);
    const fourth = enter(4);
    expect(order).toEqual([1, 2]);
    second[Symbol.dispose]();
    await third;
    expect(order).toEqual([1, 2, 3]);
    first[Symbol.dispose]();
    await fourth;
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it("gives the place of one who went away while he waited to the next", async () => {
    const limiter = new Limiter(1);
    const place = await limiter.enter(never);
    const reader = new AbortController();
    const gone = limiter.enter(reader.signal);
    const next = limiter.enter(never);
    const reason = new Error("gone");
    reader.abort(reason);
    await expect(gone).rejects.toBe(reason);
    place[Symbol.dispose]();
    await expect(next).resolves.toBeDefined();
  });

  it("never has more inside than it may, and loses no place", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.record({ ticks: fc.nat(3), aborts: fc.boolean() }), { maxLength: 30 }),
        async (max, visits) => {
          const limiter = new Limiter(max);
          let inside = 0;
          let most = 0;
          const visit = async ({ ticks, aborts }: { ticks: number; aborts: boolean }): Promise<void> => {
            const controller = new AbortController();
            const entering = limiter.enter(controller.signal);
            if (aborts) controller.abort();
            using _place = await entering;
            most = Math.max(most, ++inside);
            for (let i = 0; i < ticks; i++) await Promise.resolve();
            inside--;
          };
          await Promise.allSettled(visits.map(visit));
          expect(most).toBeLessThanOrEqual(max);
          const places = await Promise.all(Array.from({ length: max }, () => limiter.enter(never)));
          expect(places).toHaveLength(max);
        },
      ),
      { seed: 20_261_126 },
    );
  });
});
