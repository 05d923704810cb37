import { decodeRecord, formatIpnsName } from "@holdfast/core";
import fc from "fast-check";
import { fastify } from "fastify";
import { describe, expect, it } from "vitest";
import { MemoryAnomalyStore } from "../src/adapters/memory/anomaly-store.ts";
import type { HistoryEntryView, RecordView } from "../src/http/name-view.ts";
import { namesRoutes } from "../src/http/routes/names.ts";
import { HISTORY_RECORDS_MAX } from "../src/records/record-store.ts";
import { createRecords } from "./support/create-records.ts";
import { createTestName, makeRecord, type RecordFacts, type TestKey, TEST_VALUE } from "./support/records.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { startHttp, type StartHttpOptions, type TestHttp } from "./support/start-http.ts";

const EMPTY_VALUE = "/ipfs/bafkqaaa";

const start = (options: StartHttpOptions = {}): Promise<TestHttp> =>
  startHttp({ recordsParts: { anomalyStore: new MemoryAnomalyStore() }, ...options });

async function publish(node: TestHttp, key: TestKey, facts: RecordFacts = {}): Promise<Uint8Array> {
  const bytes = await makeRecord(key, facts);
  await node.records.publish(key.name, bytes, { origin: "client" });
  return bytes;
}

/** An answer, of a name or an error: what is not there reads as undefined. */
interface Body {
  readonly name: string;
  readonly record: RecordView;
  readonly answeredFrom: string;
  readonly origin: string;
  readonly freshness: unknown;
  readonly anomalies: unknown;
  readonly recordsMax: number;
  readonly records: readonly HistoryEntryView[];
  readonly error: { readonly code: string; readonly message: string };
}

/** A genuine record whose value is no content path: its bytes are written over, and signed again. */
async function makeOddRecord(key: TestKey): Promise<Uint8Array> {
  const bytes = await makeRecord(key, { v1Compatible: false });
  const { value, data, signatureV2 } = decodeRecord(bytes);
  value.set(Buffer.from("/dns/"));
  signatureV2.set(key.sign(Buffer.concat([Buffer.from("ipns-signature:"), data])));
  return bytes;
}

async function get(
  node: TestHttp,
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; headers: Headers; json: Body; text: string }> {
  const response = await fetch(`${node.url}/names/${path}`, init);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: JSON.parse(text || "{}") as Body,
  };
}

describe("GET /names/{name}", () => {
  it("describes the current record, exactly where numbers are too small for it", async () => {
    await using node = await start();
    const key = createTestName();
    const eolMs = node.clock.nowMs() + 3_600_000;
    const bytes = await publish(node, key, { sequence: 2n ** 53n + 1n, eolMs, ttlNs: 90_000_000_000n });
    await node.clock.advance(5_000);
    const { status, headers, json } = await get(node, key.name.text);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("cache-control")).toBe("no-cache");
    expect(headers.get("access-control-allow-origin")).toBe("*");
    const receivedAt = new Date(node.clock.nowMs() - 5_000).toISOString();
    expect(json).toEqual({
      name: key.name.text,
      spellings: {
        base36: key.name.text,
        base32: formatIpnsName(key.name, "base32"),
        base58btc: formatIpnsName(key.name, "base58btc"),
      },
      record: {
        value: TEST_VALUE,
        valueBase64: Buffer.from(TEST_VALUE).toString("base64"),
        sequence: 2 ** 53,
        sequenceText: "9007199254740993",
        validity: expect.stringMatching(/^2\d{3}-/),
        eol: new Date(eolMs).toISOString(),
        expired: false,
        ttlNs: "90000000000",
        ttlSeconds: 90,
        signatureType: "Ed25519",
        bytes: Buffer.from(bytes).toString("base64"),
      },
      receivedAt,
      origin: "client",
      answeredFrom: "store",
      freshness: { state: "fresh", checkedAt: receivedAt, ageSeconds: 5 },
      propagation: null,
      anomalies: [],
    });
  });

  it("gotcha 8: is found by every spelling, for every type of key", async () => {
    await using node = await start();
    for (const type of ["Ed25519", "RSA", "Secp256k1", "ECDSA"] as const) {
      const key = createTestName(type);
      await publish(node, key);
      for (const base of ["base36", "base32", "base58btc"] as const) {
        const { status, json } = await get(node, formatIpnsName(key.name, base));
        expect([status, json.name, json.record.signatureType]).toEqual([200, key.name.text, type]);
      }
    }
  });

  it("says when a record is stale, and that its value is no path", async () => {
    await using node = await start();
    const key = createTestName();
    await node.records.publish(key.name, await makeOddRecord(key), { origin: "client" });
    await node.clock.advance(61_000);
    const { json } = await get(node, key.name.text);
    expect(json.record.value).toBeNull();
    expect(Buffer.from(json.record.valueBase64, "base64").toString()).toMatch(/^\/dns\/\/bafk/);
    expect(json.freshness).toMatchObject({ state: "stale", ageSeconds: 61 });
  });

  it("tells how far the record is on its way, if anybody can say that", async () => {
    const { records, clock } = createRecords([]);
    const key = createTestName();
    await records.publish(key.name, await makeRecord(key), { origin: "client" });
    const app = fastify();
    const target = {
      target: "embedded",
      state: "confirmed",
      attempts: 2,
      confirmedAtMs: 1_000,
      confirmedPeers: 17,
    };
    const propagationOf = () => ({ targets: [target], nextRepublishMs: 2_000 });
    namesRoutes({ records, clock, propagation: { propagationOf } })(app);
    const { propagation } = (await app.inject(`/names/${key.name.text}`)).json<{ propagation: unknown }>();
    expect(propagation).toEqual({
      targets: [
        {
          target: "embedded",
          state: "confirmed",
          attempts: 2,
          confirmedAt: "1970-01-01T00:00:01.000Z",
          confirmedPeers: 17,
          nextAttemptAt: null,
        },
      ],
      nextRepublishAt: "1970-01-01T00:00:02.000Z",
    });
  });

  it("tells of anomalies", async () => {
    await using node = await start();
    const key = createTestName();
    await publish(node, key, { sequence: 1n });
    await publish(node, key, { sequence: 2n ** 60n });
    const { json } = await get(node, key.name.text);
    const seenAt = new Date(node.clock.nowMs()).toISOString();
    expect(json.anomalies).toEqual([
      {
        kind: "jump",
        count: 1,
        counts: { client: 1, network: 0, peerPush: 0 },
        firstSeenAt: seenAt,
        lastSeenAt: seenAt,
        sample: {
          sequenceText: (2n ** 60n).toString(),
          storedSequenceText: "1",
          valueSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          via: "client",
        },
      },
    ]);
  });

  it("never asks the network, unless it is told to", async () => {
    const router = new ScriptedRouter();
    await using node = await start({ routers: [router] });
    const key = createTestName();
    router.records.set(key.name.text, [await makeRecord(key, { sequence: 3n })]);
    expect((await get(node, key.name.text)).status).toBe(404);
    expect((await get(node, `${key.name.text}?ask=never`)).status).toBe(404);
    expect(router.getCount).toBe(0);
    const asked = await get(node, `${key.name.text}?ask=if-absent`);
    expect([asked.status, asked.json.answeredFrom, asked.json.origin]).toEqual([200, "network", "network"]);
    expect((await get(node, key.name.text)).json.answeredFrom).toBe("store");
    expect(router.getCount).toBe(1);
    expect((await get(node, `${key.name.text}?ask=first`)).status).toBe(200);
    expect(router.getCount).toBe(2);
  });

  it("R13: an expired record is no answer, and the refusal says so", async () => {
    await using node = await start();
    const key = createTestName();
    await publish(node, key, { sequence: 7n, eolMs: node.clock.nowMs() + 1_000 });
    await node.clock.advance(1_001);
    const { status, json } = await get(node, key.name.text);
    expect(status).toBe(404);
    expect(json.error.code).toBe("RECORD_NOT_FOUND");
    expect(json.error.message).toContain("the last record, with sequence 7, had expired at");
  });

  it.each([
    ["no-name", 400, "INVALID_NAME"],
    ["bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", 400, "INVALID_NAME"],
    [createTestName().name.text, 404, "RECORD_NOT_FOUND"],
    [`${createTestName().name.text}?at=yesterday`, 400, "INVALID_ARGUMENT"],
    [`${createTestName().name.text}?at=`, 400, "INVALID_ARGUMENT"],
    [`${createTestName().name.text}?at=999999999999999`, 400, "INVALID_ARGUMENT"],
    [`${createTestName().name.text}?at=1000`, 404, "RECORD_NOT_FOUND"],
    [`${createTestName().name.text}?at=1000&ask=first`, 400, "INVALID_ARGUMENT"],
    [`${createTestName().name.text}?ask=perhaps`, 400, "INVALID_ARGUMENT"],
    [`${createTestName().name.text}/history`, 404, "RECORD_NOT_FOUND"],
    [`${createTestName().name.text}/history?at=x`, 400, "INVALID_ARGUMENT"],
  ])("%s is %i %s, as JSON", async (path, status, code) => {
    await using node = await start();
    const answer = await get(node, path);
    expect([answer.status, answer.json.error.code]).toEqual([status, code]);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  it("answers 304 while nothing but the age has changed, and anew after a put", async () => {
    await using node = await start();
    const key = createTestName();
    await publish(node, key, { sequence: 1n });
    const tag = (await get(node, key.name.text)).headers.get("etag") ?? "";
    await node.clock.advance(2_000);
    const again = await get(node, key.name.text, { headers: { "If-None-Match": tag } });
    expect([again.status, again.text, again.headers.get("etag")]).toEqual([304, "", tag]);
    await publish(node, key, { sequence: 2n });
    const changed = await get(node, key.name.text, { headers: { "If-None-Match": tag } });
    expect([changed.status, changed.json.record.sequence]).toEqual([200, 2]);
  });

  it("answers HEAD without a body, and other methods with 405", async () => {
    await using node = await start();
    const key = createTestName();
    await publish(node, key);
    expect(await get(node, key.name.text, { method: "HEAD" })).toMatchObject({ status: 200, text: "" });
    const response = await fetch(`${node.url}/names/${key.name.text}`, { method: "POST" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
  });

  it("answers every text as a name is answered, never with 500", async () => {
    await using node = await start();
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1, maxLength: 80 }),
        fc.string({ maxLength: 40 }),
        async (name, at) => {
          const query = new URLSearchParams({ at });
          const response = await fetch(`${node.url}/names/${encodeURIComponent(name)}?${query.toString()}`);
          await response.text();
          expect([400, 404]).toContain(response.status);
        },
      ),
      { numRuns: 100, seed: 6 },
    );
  });
});

describe("GET /names/{name}/history", () => {
  it("has the last records, newest first, with times and origins, the current one marked", async () => {
    await using node = await start();
    const key = createTestName();
    for (let sequence = 1n; sequence <= BigInt(HISTORY_RECORDS_MAX) + 2n; sequence++) {
      await publish(node, key, { sequence });
      await node.clock.advance(1_000);
    }
    const { status, json } = await get(node, `${key.name.text}/history`);
    expect([status, json.name, json.recordsMax, json.records.length]).toEqual([200, key.name.text, 10, 10]);
    expect(json.records[0]).toMatchObject({
      sequenceText: "12",
      current: true,
      expired: false,
      origin: "client",
    });
    expect(json.records[9]).toMatchObject({ sequenceText: "3", current: false });
    const ages = json.records.map(({ receivedAt }) => node.clock.nowMs() - Date.parse(receivedAt));
    expect(ages).toEqual(Array.from({ length: 10 }, (_, i) => (i + 1) * 1_000));
  });

  it("R13: shows expired records and marks them, none of them as current", async () => {
    await using node = await start();
    const key = createTestName();
    await publish(node, key, { sequence: 1n });
    await publish(node, key, { sequence: 2n, eolMs: node.clock.nowMs() + 1_000 });
    await node.clock.advance(2_000);
    const { json } = await get(node, `${key.name.text}/history`);
    const marks = json.records.map(({ current, expired }) => [current, expired]);
    expect(marks).toEqual([
      [false, true],
      [false, false],
    ]);
  });
});

describe("?at=", () => {
  it("says what the name pointed to then, in both spellings of an instant", async () => {
    await using node = await start();
    const key = createTestName();
    const startMs = node.clock.nowMs();
    await publish(node, key, { sequence: 1n, value: EMPTY_VALUE });
    await node.clock.advance(10_000);
    await publish(node, key, { sequence: 2n });
    await node.clock.advance(10_000);

    const early = await get(node, `${key.name.text}?at=${startMs + 9_999}`);
    expect(early.json).toMatchObject({
      at: new Date(startMs + 9_999).toISOString(),
      record: { sequenceText: "1", value: EMPTY_VALUE },
      receivedAt: new Date(startMs).toISOString(),
    });
    const iso = new Date(startMs + 10_000).toISOString().replace("Z", "+00:00");
    for (const at of [encodeURIComponent(iso), iso]) {
      expect((await get(node, `${key.name.text}?at=${at}`)).json.record.sequenceText).toBe("2");
    }
    const history = await get(node, `${key.name.text}/history?at=${startMs + 9_999}`);
    expect(history.json.records).toMatchObject([{ sequenceText: "1", current: true }]);
  });

  it("says plainly that it does not know: nothing had come yet, it is not kept any more, or it had expired", async () => {
    await using node = await start();
    const key = createTestName();
    const startMs = node.clock.nowMs();
    await publish(node, key, { sequence: 1n, eolMs: startMs + 5_000 });
    await node.clock.advance(10_000);
    const messageAt = async (path: string): Promise<string> =>
      (await get(node, `${key.name.text}${path}`)).json.error.message;
    expect(await messageAt(`?at=${startMs - 1}`)).toContain(
      "no record had come here yet; the first one came at",
    );
    expect(await messageAt(`/history?at=${startMs - 1}`)).toContain("no record had come here yet");
    expect(await messageAt(`?at=${startMs + 5_001}`)).toContain("sequence 1, had expired at");
    for (let sequence = 2n; sequence < 14n; sequence++) await publish(node, key, { sequence });
    expect(await messageAt(`?at=${startMs + 1}`)).toContain("what was current then is not kept");
    expect(await messageAt(`/history?at=${startMs + 1}`)).toContain(
      `the oldest record kept here came at ${new Date(startMs + 10_000).toISOString()}`,
    );
  });
});
