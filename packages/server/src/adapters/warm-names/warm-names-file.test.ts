import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { createTestName } from "../../../test/support/records.ts";
import type { Timers } from "../../telemetry/clock.ts";
import { createLogger } from "../../telemetry/logger.ts";
import { WarmNamesFile } from "./warm-names-file.ts";
import { until } from "../../../test/support/until.ts";

async function setUp(text: string | undefined, namesMax = 100) {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-warm-"));
  const path = join(directory, "warm.txt");
  if (text !== undefined) await writeFile(path, text);
  const clock = new ManualClock();
  let looks = 0;
  const timers: Timers = {
    // Set when a look has ended.
    after: (delayMs, callback) => {
      looks++;
      return clock.after(delayMs, callback);
    },
  };
  const warm = new WarmNamesFile({ timers, logger: createLogger("silent") }, { path, namesMax });
  onTestFinished(async () => {
    await warm[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  /** What it has after one more look, which begins and ends meanwhile: none reads a file while the test writes it. */
  const shown = async (): Promise<string[]> => {
    await until(() => expect(looks).toBeGreaterThan(0));
    const before = looks;
    await clock.advance(5_000);
    await until(() => expect(looks).toBe(before + 1));
    return warm.names().map((name) => name.text);
  };
  return { path, shown };
}

const [a, b, c] = [createTestName().name.text, createTestName().name.text, createTestName().name.text];

test("one name a line in any spelling, with comments; what is no name is left out, and a repeated one counts once", async () => {
  const { shown } = await setUp(`# warm\n${a}  # the shop\r\n\n/ipns/${b}\nnonsense\n${a}\n`);
  expect(await shown()).toEqual([a, b]);
});

test("it is read again when it changes, also when another file takes its place", async () => {
  const { path, shown } = await setUp(`${a}\n`);
  expect(await shown()).toEqual([a]);
  await writeFile(path, `${a}\n${b}\n`);
  expect(await shown()).toEqual([a, b]);
  await writeFile(`${path}.new`, `${c}\n`);
  await rename(`${path}.new`, path);
  expect(await shown()).toEqual([c]);
});

test("while it is away, or too large, its last names stay; one that was never there gives none until it comes", async () => {
  const { path, shown } = await setUp(undefined);
  expect(await shown()).toEqual([]);
  await writeFile(path, `${a}\n`);
  expect(await shown()).toEqual([a]);
  await rm(path);
  expect(await shown()).toEqual([a]);
  await writeFile(path, `${b}\n`.repeat(100_000));
  expect(await shown()).toEqual([a]);
  await writeFile(path, `${b}\n${c}\n`);
  expect(await shown()).toEqual([b, c]);
});

test("beyond the bound the last names are left out", async () => {
  const { shown } = await setUp(`${a}\n${b}\n${c}\n`, 2);
  expect(await shown()).toEqual([a, b]);
});
