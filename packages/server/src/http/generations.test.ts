import { expect, it } from "vitest";
import { Generations } from "./generations.ts";

it("keeps what is used, forgets what is not, and never holds more than two generations", () => {
  const entries = new Generations<number>(10);
  entries.set("used", 1);
  entries.set("unused", 2);
  for (let i = 0; i < 100; i++) {
    entries.set(`n${i}`, i);
    expect(entries.get("used")).toBe(1);
  }
  expect(entries.get("unused")).toBeUndefined();
  const held = Array.from({ length: 100 }, (_, i) => entries.get(`n${i}`)).filter(
    (value) => value !== undefined,
  );
  expect(held.length).toBeGreaterThan(5);
  expect(held.length).toBeLessThanOrEqual(20);
});

it("gives the newest value of a key", () => {
  const entries = new Generations<number>(1);
  entries.set("a", 1);
  entries.set("b", 2);
  entries.set("a", 3);
  expect(entries.get("a")).toBe(3);
});
