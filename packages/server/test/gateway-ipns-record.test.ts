import { formatIpnsName } from "@holdfast/core";
import { expect, test } from "vitest";
import { bytesFrom, comparableHeaders, get } from "./support/gateway.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { startContent } from "./support/start-content.ts";

const MEDIA_TYPE = "application/vnd.ipfs.ipns-record";
const S = 1_000_000_000n;

async function startWith(options: { readonly ttlNs?: bigint; readonly lifetimeMs?: number } = {}) {
  const node = await startContent();
  const key = createTestName();
  const bytes = await makeRecord(key, {
    value: "/ipfs/bafkqaaa",
    sequence: 1n,
    ...(options.ttlNs === undefined ? {} : { ttlNs: options.ttlNs }),
    ...(options.lifetimeMs === undefined ? {} : { eolMs: Date.now() + options.lifetimeMs }),
  });
  await node.http.records.publish(key.name, bytes, { origin: "client" });
  return { node, key, bytes, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() };
}

test("the record of a name is answered byte for byte, in both ways, and is the one that routing answers", async () => {
  await using running = await startWith({ ttlNs: 1800n * S });
  const { node, key, bytes } = running;
  for (const [query, accept] of [
    ["?format=ipns-record", "*/*"],
    ["", MEDIA_TYPE],
    ["/?format=ipns-record", "*/*"],
  ] as const) {
    const response = await get(node, `/ipns/${key.name.text}${query}`, { accept });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": MEDIA_TYPE,
      "content-disposition": expect.stringContaining(`attachment; filename="${key.name.text}.ipns-record"`),
      "content-length": String(bytes.byteLength),
      "cache-control": "public, max-age=1800",
      "x-content-type-options": "nosniff",
      etag: expect.stringMatching(/^"[\w-]{22}"$/),
    });
    expect(Buffer.compare(await bytesFrom(response), bytes)).toBe(0);
  }
  const routing = await get(node, `/api/v0/routing/get?arg=/ipns/${key.name.text}`);
  expect(((await routing.json()) as { Extra: string }).Extra).toBe(Buffer.from(bytes).toString("base64"));
});

// Without the cap that other answers have: gateway-conformance wants the TTL of the record here.
test.for([
  [{ ttlNs: 300n * S, lifetimeMs: 100_000 }, 100],
  [{ ttlNs: 3_155_760_000n * S, lifetimeMs: 99 * 31_557_600_000 }, 99 * 31_557_600],
  [{ ttlNs: 10n * 365n * 86_400n * S, lifetimeMs: 3_600_000 }, 3600],
  [{}, 60],
] as const)(
  "gotcha 10, gotcha 11: may be kept as long as its TTL says, never past its end: %o",
  async ([options, maxAgeS]) => {
    await using running = await startWith(options);
    const response = await get(running.node, `/ipns/${running.key.name.text}?format=ipns-record`);
    const seconds = Number(/^public, max-age=(\d+)$/.exec(response.headers.get("cache-control") ?? "")?.[1]);
    expect(seconds).toBeLessThanOrEqual(maxAgeS);
    expect(seconds).toBeGreaterThanOrEqual(maxAgeS - 30);
  },
);

test("its tag is answered with 304 until there is a newer record; HEAD says the same as GET", async () => {
  await using running = await startWith();
  const { node, key } = running;
  const url = `/ipns/${key.name.text}?format=ipns-record`;
  const first = await get(node, url);
  expect(comparableHeaders(await get(node, url, {}, "HEAD"))).toEqual(comparableHeaders(first));
  const tag = { "if-none-match": first.headers.get("etag") ?? "" };
  const again = await get(node, url, tag);
  expect([again.status, again.headers.get("etag"), await again.text()]).toEqual([
    304,
    tag["if-none-match"],
    "",
  ]);
  const newer = await makeRecord(key, { value: "/ipfs/bafkqaaa", sequence: 2n });
  await node.http.records.publish(key.name, newer, { origin: "client" });
  expect((await get(node, url, tag)).status).toBe(200);
});

test("only a name of a key has one, and no path behind it", async () => {
  await using running = await startWith();
  const { node, key } = running;
  for (const path of ["/ipfs/bafkqaaa", `/ipns/${key.name.text}/below`, "/ipns/docs.example.org"]) {
    const response = await get(node, `${path}?format=ipns-record`);
    expect([path, response.status, response.headers.get("cache-control")]).toEqual([path, 400, "no-store"]);
  }
  const other = await get(node, `/ipns/${formatIpnsName(key.name, "base58btc")}?format=ipns-record`);
  expect([other.status, other.headers.get("location")]).toEqual([
    302,
    `/ipns/${key.name.text}?format=ipns-record`,
  ]);
});

test("of an unknown name is 404 when the network was asked, and not cacheable", async () => {
  await using node = await startContent({ routers: [new ScriptedRouter()] });
  const response = await get(node, `/ipns/${createTestName().name.text}?format=ipns-record`);
  expect([response.status, response.headers.get("cache-control")]).toEqual([404, "no-store"]);
});

test("with X-No-Cache the network is asked first", async () => {
  const router = new ScriptedRouter();
  await using node = await startContent({ routers: [router] });
  const key = createTestName();
  await node.http.records.publish(
    key.name,
    await makeRecord(key, { value: "/ipfs/bafkqaaa", sequence: 1n }),
    { origin: "client" },
  );
  const newer = await makeRecord(key, { value: "/ipfs/bafkqaaa", sequence: 2n });
  router.records.set(key.name.text, [newer]);
  const response = await get(node, `/ipns/${key.name.text}?format=ipns-record`, { "x-no-cache": "1" });
  expect(Buffer.compare(await bytesFrom(response), newer)).toBe(0);
});
