import { expect, it } from "vitest";
import { Turns } from "./turns.ts";

function* pieces(log: string[], label: string, count: number): Generator<void> {
  for (let i = 0; i < count; i++) {
    log.push(label);
    yield;
  }
}

/** How far a turn comes is then decided by its pieces alone, not by how busy the machine is. */
const frozen = (): number => 0;

async function idle(until: () => boolean): Promise<void> {
  while (!until()) await new Promise(setImmediate);
}

it("does one thing after the other, what is little at once", async () => {
  const turns = new Turns(frozen);
  const log: string[] = [];
  turns.add(pieces(log, "a", 3));
  expect(log).toEqual(["a", "a", "a"]);
  turns.add(pieces(log, "b", 500));
  turns.add(pieces(log, "c", 500));
  expect(log.length).toBeLessThan(100);
  await idle(() => log.length === 1003);
  expect(log.indexOf("c")).toBe(503);
});

it("ends its turn also when each piece is a work of its own, and when a work adds the next", async () => {
  const turns = new Turns();
  let done = 0;
  const chain = (): void => {
    if (++done < 500) turns.addEach([0], chain);
  };
  turns.addEach([0], chain);
  expect(done).toBeLessThan(100);
  await idle(() => done === 500);
});

it("ends its turn after a piece that takes long", async () => {
  let nowMs = 0;
  const turns = new Turns(() => nowMs);
  let done = 0;
  turns.addEach([1, 2, 3], () => {
    done++;
    nowMs++;
  });
  expect(done).toBe(1);
  await idle(() => done === 3);
});

it("takes back work that has not begun", async () => {
  const turns = new Turns();
  const log: string[] = [];
  const unwanted = pieces(log, "unwanted", 1);
  turns.add(pieces(log, "a", 200));
  turns.add(unwanted);
  turns.add(pieces(log, "b", 1));
  turns.remove(unwanted);
  await idle(() => log.includes("b"));
  expect(log).not.toContain("unwanted");
});
