import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Metrics } from "../telemetry/metrics.ts";
import { createTestName, makeValidatedRecord } from "../../test/support/records.ts";
import { type HeldRecord, representationOf, ResponseCache, reuseOf } from "./response-cache.ts";
import { selectFormat } from "./select-format.ts";

const NONE = { records: [], linksUntilMs: Number.POSITIVE_INFINITY };
const IMMUTABLE = { "cache-control": "public, max-age=29030400, immutable", "x-ipfs-path": "/ipfs/cid" };

function setUp(options: { readonly bytesMax?: number; readonly held?: () => HeldRecord | undefined } = {}) {
  const metrics = new Metrics();
  const records = { peek: () => options.held?.() };
  return {
    metrics,
    cache: new ResponseCache({ records, metrics }, { bytesMax: options.bytesMax ?? 1 << 24 }),
  };
}

const answerOf = (bytes: number, headers: Record<string, string> = IMMUTABLE, status = 200) => ({
  status,
  headers,
  body: new Uint8Array(bytes),
});

test("the bound holds whatever passes through, and what was used last stays", () => {
  const { cache } = setUp({ bytesMax: 1 << 20 });
  for (let i = 0; i < 500; i++) {
    cache.set(`key ${i}`, answerOf(i * 100), NONE);
    expect(cache.heldBytes).toBeLessThanOrEqual(1 << 20);
  }
  expect(cache.get("key 499", 0)?.bodyBytes).toBe(49_900);
  expect(cache.get("key 10", 0)).toBeUndefined();
});

test("empty answers cost something too", () => {
  const { cache } = setUp({ bytesMax: 1 << 20 });
  for (let i = 0; i < 5_000; i++) cache.set(`key ${i}`, answerOf(0), NONE);
  expect(cache.get("key 0", 0)).toBeUndefined();
  expect(cache.get("key 4999", 0)).toBeDefined();
});

test.for([
  { what: "an error", answer: answerOf(1, IMMUTABLE, 404) },
  { what: "a part", answer: answerOf(1, IMMUTABLE, 206) },
  { what: "a redirect", answer: answerOf(0, IMMUTABLE, 301) },
  { what: "what says no-store", answer: answerOf(1, { ...IMMUTABLE, "cache-control": "no-store" }) },
  { what: "what says nothing about its reuse", answer: answerOf(1, { "x-ipfs-path": "/ipfs/cid" }) },
  {
    what: "a body of another length than it says",
    answer: answerOf(1, { ...IMMUTABLE, "content-length": "2" }),
  },
  { what: "more than 1 MiB", answer: answerOf(1024 * 1024 + 1) },
  {
    what: "what is under /ipns and depends on no record",
    answer: answerOf(1, { ...IMMUTABLE, "x-ipfs-path": "/ipns/name" }),
  },
])("$what is not kept", ({ answer }) => {
  const { cache } = setUp();
  cache.set("key", answer, NONE);
  expect(cache.get("key", 0)).toBeUndefined();
});

test("what is under /ipfs and depends on a record is not kept", async () => {
  const held: HeldRecord = { record: await makeValidatedRecord(createTestName()), checkedAtMs: Date.now() };
  const { cache } = setUp({ held: () => held });
  cache.set("key", answerOf(1), { ...NONE, records: [held] });
  expect(cache.get("key", Date.now())).toBeUndefined();
});

test("1 MiB exactly is kept, without the larger buffer that it came in", () => {
  const { cache } = setUp();
  const body = new Uint8Array(1 << 22).subarray(5, 5 + 1024 * 1024);
  cache.set("key", { status: 200, headers: IMMUTABLE, body }, NONE);
  const kept = cache.get("key", 0);
  expect(kept?.bodyBytes).toBe(1024 * 1024);
  expect(kept?.body instanceof Buffer && kept.body.buffer.byteLength).toBe(1024 * 1024);
});

test("small bodies survive as text, byte for byte", () => {
  const { cache } = setUp();
  const body = Uint8Array.from({ length: 512 }, (_, i) => i);
  cache.set("key", { status: 200, headers: IMMUTABLE, body }, NONE);
  expect(Buffer.from(cache.get("key", 0)?.body as string, "latin1").equals(body)).toBe(true);
});

test("R18: as soon as another record is held, the answer is gone; the same one read again changes nothing", async () => {
  const key = createTestName();
  const nowMs = Date.now();
  const first: HeldRecord = { record: await makeValidatedRecord(key), checkedAtMs: nowMs };
  const second: HeldRecord = { record: await makeValidatedRecord(key, { sequence: 2n }), checkedAtMs: nowMs };
  let held: HeldRecord | undefined = first;
  const { cache, metrics } = setUp({ held: () => held });
  const answer = answerOf(1, { "cache-control": "public, max-age=30", "x-ipfs-path": "/ipns/name" });
  cache.set("key", answer, { ...NONE, records: [first] });
  expect(cache.get("key", nowMs)?.isMutable).toBe(true);
  held = { ...first, checkedAtMs: nowMs + 50_000 };
  expect(cache.get("key", nowMs + 55_000)?.headers).toContain("public, max-age=30");
  held = second;
  expect(cache.get("key", nowMs)).toBeUndefined();
  held = first;
  expect(cache.get("key", nowMs)).toBeUndefined();
  cache.set("key", answer, { ...NONE, records: [first] });
  held = undefined;
  expect(cache.get("key", nowMs)).toBeUndefined();
  expect(metrics.content.responsesOutdated).toBe(2);
});

test("what depends on a name is never said to be reusable for longer than it is", async () => {
  const nowMs = Date.now();
  const record = await makeValidatedRecord(createTestName(), { eolMs: nowMs + 45_000 });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 120_000 }),
      fc.integer({ min: 0, max: 120_000 }),
      (ageMs, linkMs) => {
        const origins = { records: [{ record, checkedAtMs: nowMs - ageMs }], linksUntilMs: nowMs + linkMs };
        const { maxAgeMs, freshLeftMs } = reuseOf(origins, nowMs);
        expect(maxAgeMs).toBe(Math.max(0, Math.min(60_000 - ageMs, 45_000, linkMs)));
        expect(freshLeftMs).toBe(Math.min(60_000 - ageMs, linkMs));
      },
    ),
    { seed: 1 },
  );
});

test("R16: two Accept headers share a representation only if they choose the same", () => {
  const types = fc.constantFrom(
    "text/html",
    "*/*",
    "image/png",
    "application/json",
    "application/vnd.ipld.car",
    "application/vnd.ipld.car;dups=y",
    "application/vnd.ipld.car; order=dfs; dups=y",
    "application/vnd.ipld.raw",
    "application/x-tar;q=0.5",
  );
  const accept = fc.array(types, { maxLength: 3 }).map((list) => list.join(","));
  const chosen = (text: string): unknown => {
    const { format, parameters } = selectFormat(new URLSearchParams(), text);
    const list = [...parameters].map(([name, value]) => `${name}=${value}`).sort();
    return [format, ...list, text.includes("text/html")].toString();
  };
  fc.assert(
    fc.property(accept, accept, (a, b) => {
      expect(representationOf(a) === representationOf(b)).toBe(chosen(a) === chosen(b));
    }),
    { seed: 1 },
  );
});
