import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { SeededRandom } from "../../core/test/support/random.ts";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";
import type { ClientAnswer } from "./support/put-client-process.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startHttp } from "./support/start-http.ts";

const ROUNDS = 500;

/** Gives the lines to a client of its own, and what it was told. */
async function putInProcess(url: string, lines: readonly string[]): Promise<ClientAnswer[]> {
  const script = `import { putLines } from ${JSON.stringify(new URL("support/put-client-process.ts", import.meta.url).href)};
    await putLines(${JSON.stringify(url)});`;
  const child = spawn(
    process.execPath,
    ["--conditions=@holdfast/source", "--input-type=module", "--eval", script],
    { stdio: ["pipe", "pipe", "inherit"] },
  ) satisfies ChildProcess;
  onTestFinished(() => void child.kill("SIGKILL"));
  child.stdin.end(lines.join("\n"));
  const answers: ClientAnswer[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    answers.push(JSON.parse(line) as ClientAnswer);
  }
  return answers;
}

test("gotcha 14: of two processes that put sequences 7 and 8 at once, 500 times, 8 always stays, and every answer is true", async () => {
  const dataDir = mkdtempSync(join(MEMORY_FOLDER, "holdfast-race-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  await using store = await SqliteRecordStore.open({ logger: createLogger("silent") }, { dataDir });
  await using node = await startHttp({ recordsParts: { store } });
  const random = new SeededRandom(14);
  const clients: [string[], string[]] = [[], []];
  const keys = Array.from({ length: ROUNDS }, () => createTestName());
  for (const key of keys) {
    const [seven, eight] = await Promise.all(
      [7n, 8n].map(async (sequence) => {
        const bytes = await makeRecord(key, { sequence });
        return `${key.name.text} ${sequence} ${Buffer.from(bytes).toString("base64")}`;
      }),
    );
    const isSwapped = random.below(2) === 1;
    clients[isSwapped ? 1 : 0].push(seven ?? "");
    clients[isSwapped ? 0 : 1].push(eight ?? "");
  }
  const answers = (await Promise.all(clients.map((lines) => putInProcess(node.url, lines)))).flat();
  expect(answers).toHaveLength(2 * ROUNDS);
  const stored = answers.filter(({ status }) => status === 200);
  for (const { sequence, seenSequence } of stored) expect(["8", sequence]).toContain(seenSequence);
  const refused = answers.filter(({ status }) => status !== 200);
  for (const { sequence, status, text, seenSequence } of refused) {
    expect([sequence, status, seenSequence]).toEqual(["7", 400, "8"]);
    expect(JSON.parse(text)).toMatchObject({
      Message: "rejecting IPNS record: the record with sequence 8 wins and stays",
      Sequence: "8",
    });
  }
  for (const { name } of keys) expect(store.get(name)?.record.sequence).toBe(8n);
}, 120_000);
