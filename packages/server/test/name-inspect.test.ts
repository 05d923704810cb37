import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { MemoryAnomalyStore } from "../src/adapters/memory/anomaly-store.ts";
import { inspectName, type NameInspectOptions } from "../src/cli/name-inspect.ts";
import { createTestName, makeRecord, TEST_VALUE } from "./support/records.ts";
import { startHttp, type TestHttp } from "./support/start-http.ts";

async function run(
  name: string | undefined,
  options: Partial<NameInspectOptions> = {},
): Promise<{ readonly code: number; readonly text: string }> {
  let text = "";
  const defaults = { url: "http://127.0.0.1:1", history: false, json: false };
  const code = await inspectName(name, { ...defaults, ...options }, (part) => (text += part));
  return { code, text };
}

const startNode = (): Promise<TestHttp> =>
  startHttp({ recordsParts: { anomalyStore: new MemoryAnomalyStore() } });

function fileOf(bytes: Uint8Array | string): string {
  const dir = mkdtempSync(join(tmpdir(), "holdfast-inspect-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, "record"), bytes);
  return join(dir, "record");
}

test("a name at a node: record, freshness, anomalies and history as a table", async () => {
  await using node = await startNode();
  const key = createTestName();
  await node.records.publish(key.name, await makeRecord(key, { sequence: 1n }), { origin: "client" });
  const next = await makeRecord(key, { sequence: 5_000n, value: "/ipfs/bafkqaaa" });
  await node.records.publish(key.name, next, { origin: "peer-push" });
  const { code, text } = await run(key.name.text, { url: node.url, history: true });
  expect(code).toBe(0);
  expect(text).toContain(`name       ${key.name.text}\n`);
  expect(text).toContain("value      /ipfs/bafkqaaa\n");
  expect(text).toContain("sequence   5000\n");
  expect(text).toContain("ttl        60 s\n");
  expect(text).toContain("signature  Ed25519\n");
  expect(text).toMatch(/^received {3}2\S+Z, from peer-push$/m);
  expect(text).toMatch(/^freshness {2}fresh, checked 2\S+Z \(0 s ago\)$/m);
  expect(text).toMatch(
    /^anomaly {4}jump: 1 × from \S+ to \S+; last: sequence 5000 where 1 was stored, from peer-push$/m,
  );
  expect(text).toMatch(/^history {4}\* \S+Z {2}peer-push {2}sequence 5000 {2}\/ipfs\/bafkqaaa {2}until 2/m);
  expect(text).toMatch(/^ {13}\S+Z {2}client {2}sequence 1 {2}\/ipfs\//m);
});

test("time travel and JSON: what the node says, word for word", async () => {
  await using node = await startNode();
  const key = createTestName();
  const startMs = node.clock.nowMs();
  await node.records.publish(key.name, await makeRecord(key, { sequence: 1n }), { origin: "client" });
  await node.clock.advance(5_000);
  await node.records.publish(key.name, await makeRecord(key, { sequence: 2n }), { origin: "client" });
  const at = new Date(startMs + 1_000).toISOString();
  const { code, text } = await run(key.name.text, { url: node.url, at, json: true, history: true });
  expect(code).toBe(0);
  expect(JSON.parse(text)).toMatchObject({
    at,
    record: { sequenceText: "1" },
    history: { records: [{ sequenceText: "1", current: true }] },
  });
});

test("a name that the node does not know is exit 1 and its reason", async () => {
  await using node = await startNode();
  const { name } = createTestName();
  expect(await run(name.text, { url: node.url, history: true })).toEqual({
    code: 1,
    text: "no record  routing: not found\nno history no record of this name came here\n",
  });
});

test.each([
  ["no name", ["not-a-name"], {}, "INVALID_NAME"],
  ["nothing to look at", [undefined], {}, "give a name, or a record with --record"],
  ["an instant that is none", [createTestName().name.text], { at: "then" }, "--at is neither"],
  ["a URL that is none", [createTestName().name.text], { url: "nowhere" }, "nowhere is not a URL"],
  ["nobody there", [createTestName().name.text], {}, "no answer from http://127.0.0.1:1"],
  ["a file that is not there", [undefined], { record: "/nonexistent/record" }, "cannot be read"],
] as const)("%s is a clear message", async (_what, [name], options, message) => {
  const err: unknown = await run(name, options).then(
    () => "no error",
    (cause: unknown) => cause,
  );
  expect(err).toBeInstanceOf(Error);
  expect(err instanceof Error && "code" in err ? err.code : String(err)).toContain(message);
});

test("another server than Holdfast is a clear message, however much it says", async () => {
  for (const body of ["<html>", '{"Message":"x"}', "x".repeat(2_000_000)]) {
    const server = createServer((_request, response) => response.writeHead(404).end(body));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(run(createTestName().name.text, { url })).rejects.toThrow(/not as Holdfast does|too much/);
  }
});

test("a record file that is valid for the name", async () => {
  const key = createTestName();
  const record = fileOf(await makeRecord(key, { sequence: 2n ** 53n + 1n }));
  const { code, text } = await run(key.name.text, { record });
  expect(code).toBe(0);
  expect(text).toMatch(/^valid {6}yes: /);
  expect(text).toContain("sequence   9007199254740993\n");
  const shown: unknown = JSON.parse((await run(key.name.text, { record, json: true })).text);
  expect(shown).toMatchObject({
    valid: true,
    reason: null,
    name: key.name.text,
    record: { value: TEST_VALUE, signatureType: "Ed25519" },
  });
});

test("a record that embeds its key needs no name, one that does not says so", async () => {
  const [rsa, ed25519] = [createTestName("RSA"), createTestName()];
  const embedded = await run(undefined, { record: fileOf(await makeRecord(rsa)) });
  expect([embedded.code, embedded.text.includes(rsa.name.text)]).toEqual([0, true]);
  const bare = await run(undefined, { record: fileOf(await makeRecord(ed25519)) });
  expect(bare.code).toBe(1);
  expect(bare.text).toMatch(
    /^valid {6}unknown: not checked: the record does not embed its key, so give the name$/m,
  );
  expect(bare.text).toContain(`value      ${TEST_VALUE}\n`);
});

test.each([
  [
    "SIGNATURE_INVALID",
    "another's",
    async () => {
      const [owner, thief] = [createTestName(), createTestName()];
      return { name: owner.name.text, bytes: await makeRecord(thief) };
    },
  ],
  [
    "EXPIRED",
    "an old",
    async () => {
      const key = createTestName();
      return { name: key.name.text, bytes: await makeRecord(key, { eolMs: 1_000 }) };
    },
  ],
  [
    "PUBLIC_KEY_MISMATCH",
    "another RSA key's",
    async () => ({
      name: createTestName("RSA").name.text,
      bytes: await makeRecord(createTestName("RSA")),
    }),
  ],
  [
    "PROTOBUF_INVALID",
    "a torn",
    async () => {
      const key = createTestName();
      return { name: key.name.text, bytes: (await makeRecord(key)).subarray(0, 100) };
    },
  ],
  ["EMPTY", "an empty", () => Promise.resolve({ name: createTestName().name.text, bytes: new Uint8Array() })],
  [
    "TOO_LARGE",
    "a large",
    () => Promise.resolve({ name: createTestName().name.text, bytes: new Uint8Array(20_000) }),
  ],
])("the step that a record fails is named: %s for %s record", async (reason, _whose, make) => {
  const { name, bytes } = await make();
  const { code, text } = await run(name, { record: fileOf(bytes) });
  expect(code).toBe(1);
  expect(text).toContain(`valid      no, ${reason}: invalid IPNS record: `);
});

test("what is signed does not steer the terminal", async () => {
  const key = createTestName();
  const bytes = await makeRecord(key, { value: "/ipfs/\u001b[2Jbafkqaaa" });
  const { text } = await run(key.name.text, { record: fileOf(bytes) });
  expect(text).toContain("value      /ipfs/?[2Jbafkqaaa\n");
});

test("as a command it reads a record from standard input", async () => {
  const key = createTestName();
  const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
  const child = execFile(process.execPath, [
    "--conditions=@holdfast/source",
    main,
    "name",
    "inspect",
    key.name.text,
    "--record",
    "-",
    "--json",
  ]);
  let text = "";
  child.stdout?.on("data", (part: string) => (text += part));
  child.stdin?.end(await makeRecord(key));
  const [code] = (await once(child, "close")) as [number];
  expect([code, (JSON.parse(text) as { valid: boolean }).valid]).toEqual([0, true]);
});
