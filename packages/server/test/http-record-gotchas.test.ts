/** protocols.md §7, gotchas 1 to 11 at the two doors for records, as far as they need its vectors; the others are where their subject is. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type IpnsName, parseIpnsName } from "@holdfast/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { generateKey, type TestKey } from "../../core/test/support/keys.ts";
import { dataOf, encodeRaw, hex, signedRecord, signRaw, utf8 } from "../../core/test/support/raw-record.ts";
import { publishedRecords, vector, vectorFile } from "../../core/test/support/vectors.ts";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { startContent } from "./support/start-content.ts";
import { startHttp, type TestHttp } from "./support/start-http.ts";

const RECORD_TYPE = "application/vnd.ipfs.ipns-record";
const GOLDEN_NAME = parseIpnsName(vectorFile.names.k36);

type Door = (node: TestHttp, name: IpnsName, bytes: Uint8Array) => Promise<Response>;

const rpcDoor: Door = async (node, name, bytes) => {
  const body = new FormData();
  body.append("file", new Blob([new Uint8Array(bytes)]));
  return fetch(`${node.url}/api/v0/routing/put?arg=/ipns/${name.text}`, { method: "POST", body });
};

const routingV1Door: Door = async (node, name, bytes) =>
  fetch(`${node.url}/routing/v1/ipns/${name.text}`, {
    method: "PUT",
    body: new Uint8Array(bytes),
    headers: { "Content-Type": RECORD_TYPE },
  });

interface Found {
  readonly bytes: Uint8Array;
  readonly sequence: string | null;
}

/** What both ways of reading give, which is the same. */
async function read(node: TestHttp, name: IpnsName): Promise<Found | "none"> {
  const rpc = await fetch(`${node.url}/api/v0/routing/get?arg=/ipns/${name.text}`);
  const { Extra = "" } = (await rpc.json()) as { readonly Extra?: string };
  const routingV1 = await fetch(`${node.url}/routing/v1/ipns/${name.text}`);
  const isRecord = routingV1.headers.get("content-type") === RECORD_TYPE;
  const found = foundIn(rpc, new Uint8Array(Buffer.from(Extra, "base64")));
  const foundByV1 = foundIn(routingV1, new Uint8Array(await routingV1.arrayBuffer()));
  expect(rpc.status === 404 ? "none" : found).toEqual(isRecord ? foundByV1 : "none");
  return isRecord ? found : "none";
}

function foundIn({ headers }: Response, bytes: Uint8Array): Found {
  return { bytes, sequence: headers.get("x-ipns-sequence") };
}

// Kubo answers 500 where its RPC refuses a record; http-api.md decides for 400.
describe.each([
  ["routing/put", rpcDoor],
  ["PUT /routing/v1/ipns", routingV1Door],
])("records at %s", (_path, put) => {
  /** Puts a vector, or some of them one after the other, and gives the statuses. */
  const putVectors = async (node: TestHttp, letters: string): Promise<number[]> => {
    const statuses: number[] = [];
    for (const letter of letters) statuses.push((await put(node, GOLDEN_NAME, vector(letter))).status);
    return statuses;
  };

  const putAndRead = async (letters: string) => {
    await using node = await startHttp();
    const statuses = await putVectors(node, letters);
    return { statuses, stored: await read(node, GOLDEN_NAME) };
  };

  test.each(publishedRecords)(
    "gotcha 1: the published record $id is taken or refused as it was published for",
    async (published) => {
      await using node = await startHttp();
      const name = parseIpnsName(published.name);
      const isGood = published.value !== undefined;
      expect((await put(node, name, hex(published.hex))).status).toBe(isGood ? 200 : 400);
      expect(await read(node, name)).toEqual(isGood ? { bytes: hex(published.hex), sequence: "0" } : "none");
      const resolved = await fetch(`${node.url}/api/v0/name/resolve?arg=${name.text}`);
      const { Path } = (await resolved.json()) as { readonly Path?: string };
      expect([resolved.status, Path]).toEqual([isGood ? 200 : 404, published.value]);
    },
  );

  test.each([
    ["gotcha 2", "H", "a V2-only record with an unsigned value that differs"],
    ["gotcha 2", "I", "a record with a signatureV1 and no copies"],
    ["gotcha 6", "L", "an Ed25519 record that embeds somebody else's key"],
    ["gotcha 10", "N", "a negative sequence"],
    ["gotcha 10", "P", "a sequence of 2^63"],
  ])("%s: vector %s, %s, is refused", async (_gotcha, letter) => {
    expect(await putAndRead(letter)).toEqual({ statuses: [400], stored: "none" });
  });

  test("gotcha 3: an unsigned sequence of 999 is refused, never shown, and the next record wins", async () => {
    expect(await putAndRead("BG")).toEqual({
      statuses: [200, 400],
      stored: { bytes: vector("B"), sequence: "5" },
    });
    expect(await putAndRead("BGC")).toEqual({
      statuses: [200, 400, 200],
      stored: { bytes: vector("C"), sequence: "6" },
    });
  });

  test.each([
    ["an EOL one nanosecond later replaces", "BD", [200, 200], "D"],
    ["then the earlier one is refused as older", "BDB", [200, 200, 400], "D"],
    ["and the same bytes again change nothing", "BDBD", [200, 200, 400, 200], "D"],
    ["of equal sequence and EOL the greater bytes win", "BE", [200, 200], "E"],
    ["whichever comes first", "EB", [200, 400], "E"],
    ["a V2-only record beats its V1 twin", "AB", [200, 200], "B"],
    ["whichever of the two comes first", "BA", [200, 400], "B"],
  ])("gotcha 4: %s (%s)", async (_what, letters, statuses, winner) => {
    expect(await putAndRead(letters)).toEqual({
      statuses,
      stored: { bytes: vector(winner), sequence: "5" },
    });
  });

  test("gotcha 5: an expired record is refused, however high its sequence, and the stored one stays", async () => {
    expect(await putAndRead("BF")).toEqual({
      statuses: [200, 400],
      stored: { bytes: vector("B"), sequence: "5" },
    });
  });

  test("gotcha 6: an RSA record that embeds and is signed with another RSA key is refused", async () => {
    await using node = await startHttp();
    const [owner, thief] = [generateKey("RSA"), generateKey("RSA")];
    const recordOf = (key: TestKey) => encodeRaw([[7, key.publicKey.protobuf], ...signRaw(key, dataOf())]);
    expect((await put(node, owner.name, recordOf(thief))).status).toBe(400);
    expect(await read(node, owner.name)).toBe("none");
    expect((await put(node, owner.name, recordOf(owner))).status).toBe(200);
  });

  test("gotcha 7: a record of 10,240 bytes is stored, one of 10,241 is refused, and so are bytes that are not read", async () => {
    await using node = await startHttp();
    const key = generateKey("Ed25519");
    const recordOf = (paddingBytes: number, Sequence: bigint) =>
      signedRecord(key, dataOf({ Sequence, Value: utf8(`/ipfs/bafkqaaa/${"x".repeat(paddingBytes)}`) }));
    const frameBytes = recordOf(9_000, 5n).length - 9_000;
    const largest = recordOf(10_240 - frameBytes, 5n);
    expect(largest).toHaveLength(10_240);
    expect((await put(node, key.name, largest)).status).toBe(200);
    for (const tooLarge of [recordOf(10_241 - frameBytes, 6n), new Uint8Array(10_241)]) {
      const refused = await put(node, key.name, tooLarge);
      expect([tooLarge.length, refused.status]).toEqual([10_241, 400]);
      expect(await refused.text()).toContain("exceeds 10240 bytes");
    }
    expect(await read(node, key.name)).toEqual({ bytes: largest, sequence: "5" });
  });

  test("gotcha 10: sequences beyond 2^53 are stored, returned and compared exactly", async () => {
    const exact = { bytes: vector("O"), sequence: "9007199254740993" };
    expect(await putAndRead("O")).toEqual({ statuses: [200], stored: exact });
    await using node = await startHttp();
    const key = createTestName();
    const nowMs = node.clock.nowMs();
    // The lower one has the later EOL: whoever takes the two sequences for equal takes the wrong record for the better one.
    const less = await makeRecord(key, { sequence: 9_007_199_254_740_992n, eolMs: nowMs + 7_200_000 });
    const more = await makeRecord(key, { sequence: 9_007_199_254_740_993n, eolMs: nowMs + 3_600_000 });
    for (const [bytes, status] of [
      [less, 200],
      [more, 200],
      [less, 400],
    ] as const) {
      expect((await put(node, key.name, bytes)).status).toBe(status);
    }
    expect(await read(node, key.name)).toEqual({ bytes: more, sequence: "9007199254740993" });
  });

  test("gotcha 11: a record without a TTL is fresh for 60 s, then stale", async () => {
    await using node = await startHttp();
    await putVectors(node, "Q");
    const isStale = async (): Promise<string | null> =>
      (await fetch(`${node.url}/api/v0/routing/get?arg=${GOLDEN_NAME.text}`)).headers.get("x-ipns-stale");
    const cacheControl = (await fetch(`${node.url}/routing/v1/ipns/${GOLDEN_NAME.text}`)).headers.get(
      "cache-control",
    );
    expect(cacheControl).toMatch(/^public, max-age=60, /);
    await node.clock.advance(59_999);
    expect(await isStale()).toBe("false");
    await node.clock.advance(1);
    expect(await isStale()).toBe("true");
  });
});

test("gotcha 5: a record that expired is not read from the disk either, by a node that never held it in memory", async () => {
  const dataDir = mkdtempSync(join(MEMORY_FOLDER, "holdfast-gotchas-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  await using store = await SqliteRecordStore.open({ logger: createLogger("silent") }, { dataDir });
  const key = createTestName();
  const eolMs = Date.now() + 3_600_000;
  const bytes = await makeRecord(key, { eolMs });
  {
    await using before = await startHttp({ recordsParts: { store } });
    expect((await rpcDoor(before, key.name, bytes)).status).toBe(200);
  }
  for (const [nowMs, expected] of [
    [eolMs, { bytes, sequence: "1" }],
    [eolMs + 1, "none"],
  ] as const) {
    const clock = new ManualClock(nowMs);
    await using node = await startHttp({ recordsParts: { store, clock, timers: clock } });
    expect(await read(node, key.name)).toEqual(expected);
  }
  expect(store.count()).toBe(1);
});

// A name with one altered character is often another name, which is then simply unknown (protocols.md §8); this one is none.
test.each([
  `12D3KooW${"0123456789abcdef".repeat(3).slice(0, 40)}`,
  "undefined",
  "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
  vectorFile.names.k36.replace("k51qzi5", "k51qzj5"),
])("gotcha 9: %s is 400 at every door, and a network that never answers is not asked", async (text) => {
  const router = new ScriptedRouter();
  router.manual = true;
  await using node = await startContent({ routers: [router] });
  for (const path of [
    `/api/v0/routing/get?arg=/ipns/${text}`,
    `/api/v0/routing/get?arg=${text}`,
    `/api/v0/name/resolve?arg=${text}`,
    `/routing/v1/ipns/${text}`,
    `/names/${text}`,
    `/ipns/${text}`,
    `/ipns/${text}?format=ipns-record`,
  ]) {
    const answer = await fetch(`${node.url}${path}`, { headers: { "X-No-Cache": "1" } });
    expect([path, answer.status]).toEqual([path, 400]);
  }
  expect(router.getCount).toBe(0);
});
