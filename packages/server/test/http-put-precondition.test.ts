import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";
import { createTestName, makeRecord, type RecordFacts, type TestKey } from "./support/records.ts";
import { startHttp, type TestHttp } from "./support/start-http.ts";

type Headers = Readonly<Record<string, string>>;

interface Answer {
  readonly status: number;
  readonly sequence: string | null;
  readonly text: string;
}

const RECORD_TYPE = "application/vnd.ipfs.ipns-record";

async function routingPut(
  node: TestHttp,
  key: TestKey,
  record: RecordFacts | Uint8Array,
  { headers = {}, query = "" }: { readonly headers?: Headers; readonly query?: string } = {},
): Promise<Answer> {
  const bytes = record instanceof Uint8Array ? record : await makeRecord(key, record);
  const url = `${node.url}/api/v0/routing/put?arg=/ipns/${key.name.text}${query}`;
  return answerOf(await fetch(url, { method: "POST", body: new Uint8Array(bytes), headers }));
}

async function routingV1Put(
  node: TestHttp,
  key: TestKey,
  facts: RecordFacts,
  headers: Headers,
): Promise<Answer> {
  const response = await fetch(`${node.url}/routing/v1/ipns/${key.name.text}`, {
    method: "PUT",
    body: new Uint8Array(await makeRecord(key, facts)),
    headers: { "Content-Type": RECORD_TYPE, ...headers },
  });
  return answerOf(response);
}

async function answerOf(response: Response): Promise<Answer> {
  const { status, headers } = response;
  return { status, sequence: headers.get("x-ipns-sequence"), text: await response.text() };
}

describe("compare and swap", () => {
  it("stores over the sequence that was expected, and refuses over another with the current record", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const first = await makeRecord(key, { sequence: 2n ** 53n + 1n });
    expect((await routingPut(node, key, first, { headers: { "If-None-Match": "*" } })).status).toBe(200);
    const refused = await routingPut(
      node,
      key,
      { sequence: 2n ** 53n + 2n },
      { headers: { "If-Match": '"1"' } },
    );
    expect(refused.status).toBe(412);
    expect(refused.sequence).toBe("9007199254740993");
    expect(JSON.parse(refused.text)).toEqual({
      Message: "precondition failed: the stored record has sequence 9007199254740993",
      Code: 1,
      Type: "error",
      Sequence: "9007199254740993",
      Extra: Buffer.from(first).toString("base64"),
    });
    const headers = { "If-Match": '"9007199254740993"' };
    expect((await routingPut(node, key, { sequence: 2n ** 53n + 2n }, { headers })).status).toBe(200);
    expect(node.metrics.records).toMatchObject({ stored: 2, conflicts: 1 });
  });

  it("takes the query parameter as well, and says 412 of a name without a record", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const put = async (sequence: bigint, expected: string): Promise<number> =>
      (await routingPut(node, key, { sequence }, { query: `&expected-sequence=${expected}` })).status;
    const absent = await routingPut(node, key, { sequence: 1n }, { query: "&expected-sequence=0" });
    expect([absent.status, absent.sequence]).toEqual([412, null]);
    expect(JSON.parse(absent.text)).toEqual({
      Message: "precondition failed: no record is stored",
      Code: 1,
      Type: "error",
    });
    expect(await put(1n, "any")).toBe(412);
    expect(await put(0n, "none")).toBe(200);
    expect(await put(1n, "0")).toBe(200);
    expect(await put(2n, "none")).toBe(412);
    expect(await put(2n, "any")).toBe(200);
  });

  it("works on routing/v1 in that API's form", async () => {
    await using node = await startHttp();
    const key = createTestName();
    expect((await routingV1Put(node, key, { sequence: 1n }, { "If-None-Match": "*" })).status).toBe(200);
    expect(await routingV1Put(node, key, { sequence: 3n }, { "If-Match": '"2"' })).toEqual({
      status: 412,
      sequence: "1",
      text: "precondition failed: the stored record has sequence 1\n",
    });
    expect((await routingV1Put(node, key, { sequence: 2n }, { "If-Match": '"1"' })).status).toBe(200);
  });

  it("the retry of a put whose answer was lost is a success, with the precondition that it had", async () => {
    await using node = await startHttp();
    const key = createTestName();
    await routingPut(node, key, { sequence: 1n });
    const second = await makeRecord(key, { sequence: 2n });
    const headers = { "If-Match": '"1"' };
    expect((await routingPut(node, key, second, { headers })).status).toBe(200);
    expect((await routingPut(node, key, second, { headers })).status).toBe(200);
    expect((await routingPut(node, key, second, { headers: { "If-None-Match": "*" } })).status).toBe(200);
  });

  it("R3, R4: a record that loses is refused as such although its precondition holds", async () => {
    await using node = await startHttp();
    const key = createTestName();
    await routingPut(node, key, { sequence: 5n });
    const refused = await routingPut(node, key, { sequence: 4n }, { headers: { "If-Match": '"5"' } });
    expect([refused.status, JSON.parse(refused.text).Sequence]).toEqual([400, "5"]);
  });

  it("R1: a forged record is refused as invalid, and what is stored stays", async () => {
    await using node = await startHttp();
    const [key, thief] = [createTestName(), createTestName()];
    await routingPut(node, key, { sequence: 5n });
    const forged = await makeRecord({ ...key, sign: (message) => thief.sign(message) }, { sequence: 6n });
    const refused = await routingPut(node, key, forged, { headers: { "If-Match": '"5"' } });
    expect([refused.status, JSON.parse(refused.text).Reason]).toEqual([400, "SIGNATURE_INVALID"]);
    expect(node.records.held(key.name)?.record.sequence).toBe(5n);
  });

  it.each<[Headers, string]>([
    [{ "If-Match": "5" }, ""],
    [{ "If-Match": 'W/"5"' }, ""],
    [{ "If-Match": '"5", "6"' }, ""],
    [{ "If-Match": '"-1"' }, ""],
    [{ "If-Match": '""' }, ""],
    [{ "If-Match": `"${"1".repeat(20)}"` }, ""],
    [{ "If-Match": '"d41d8cd98f00b204e9800998ecf8427e"' }, ""],
    [{ "If-None-Match": '"5"' }, ""],
    [{ "If-Match": "*", "If-None-Match": "*" }, ""],
    [{ "If-Match": '"5"' }, "&expected-sequence=5"],
    [{}, "&expected-sequence="],
    [{}, "&expected-sequence=0x5"],
    [{}, "&expected-sequence=some"],
  ])("a precondition that is none is 400 and stores nothing: %j %s", async (headers, query) => {
    await using node = await startHttp();
    const key = createTestName();
    const answer = await routingPut(node, key, { sequence: 5n }, { headers, query });
    expect(answer.status).toBe(400);
    expect(node.records.held(key.name)).toBeUndefined();
  });

  it("gotcha 14: of two writers who read the same sequence one wins and one is told, 500 times, and no update is lost", async () => {
    const dataDir = mkdtempSync(join(MEMORY_FOLDER, "holdfast-cas-"));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    await using store = await SqliteRecordStore.open({ logger: createLogger("silent") }, { dataDir });
    await using node = await startHttp({ recordsParts: { store } });
    const key = createTestName();
    await routingPut(node, key, { sequence: 0n });
    let current = 0n;
    for (let round = 0; round < 500; round++) {
      const headers = { "If-Match": `"${current}"` };
      const sequences = round % 2 === 0 ? [current + 1n, current + 2n] : [current + 2n, current + 1n];
      const answers = await Promise.all(
        sequences.map((sequence) => routingPut(node, key, { sequence }, { headers })),
      );
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 412]);
      const [winner] = sequences.filter((_, i) => answers[i]?.status === 200);
      const [loser] = answers.filter(({ status }) => status === 412);
      expect(loser?.sequence).toBe(String(winner));
      current = winner ?? -1n;
      expect(store.get(key.name)?.record.sequence).toBe(current);
    }
  }, 120_000);

  it("of 200 requests at once exactly one wins per sequence, the others learn who did", async () => {
    await using node = await startHttp();
    const key = createTestName();
    await routingPut(node, key, { sequence: 0n });
    for (const expected of [0n, 1n]) {
      const headers = { "If-Match": `"${expected}"` };
      const rivals = await Promise.all(
        Array.from({ length: 200 }, (_, i) =>
          makeRecord(key, { sequence: expected + 1n, eolMs: Date.now() + 3_600_000 + i }),
        ),
      );
      const answers = await Promise.all(rivals.map((record) => routingPut(node, key, record, { headers })));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 412)).toHaveLength(199);
      const winner = rivals[answers.findIndex(({ status }) => status === 200)];
      expect(node.records.held(key.name)?.record.bytes).toEqual(winner);
      const extra = Buffer.from(winner ?? []).toString("base64");
      const told = answers.filter(({ status }) => status === 412).map(({ text }) => JSON.parse(text).Extra);
      expect(new Set(told)).toEqual(new Set([extra]));
    }
    expect(node.metrics.records).toMatchObject({ stored: 3, conflicts: 398 });
  });
});
