import fc from "fast-check";
import { expect, test } from "vitest";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { bytesFrom, comparableHeaders, get, makeDag } from "./support/gateway.ts";
import { ScriptedSource } from "./support/scripted-source.ts";
import { startContent, type TestContent } from "./support/start-content.ts";

interface Part {
  readonly contentType: string;
  readonly contentRange: string;
  readonly bytes: Buffer;
}

/** Takes a `multipart/byteranges` body apart, strictly: what is between the parts must be exactly what the RFC says. */
function partsOf(contentType: string, body: Buffer): Part[] {
  const [, boundary = ""] = /^multipart\/byteranges; boundary=([0-9a-f]+)$/.exec(contentType) ?? [];
  const text = body.toString("latin1");
  expect(text.startsWith(`--${boundary}\r\n`)).toBe(true);
  expect(text.endsWith(`\r\n--${boundary}--\r\n`)).toBe(true);
  const inner = text.slice(boundary.length + 4, -(boundary.length + 8));
  return inner.split(`\r\n--${boundary}\r\n`).map((part) => {
    const [, type = "", range = "", bytes = ""] =
      /^Content-Type: (.*)\r\nContent-Range: (.*)\r\n\r\n([^]*)$/.exec(part) ?? [];
    return { contentType: type, contentRange: range, bytes: Buffer.from(bytes, "latin1") };
  });
}

async function startWith(
  bytes: Uint8Array,
  query = "",
): Promise<{ node: TestContent; url: string } & AsyncDisposable> {
  const node = await startContent();
  const dag = await makeDag({ x: bytes }, query);
  await node.vault.put(dag.blocks);
  return {
    node,
    url: `/ipfs/${dag.root}?filename=x.bin`,
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

test("several ranges come as multipart/byteranges in the order in which they were asked for", async () => {
  const bytes = bytesOf(600_000);
  await using running = await startWith(bytes);
  const response = await get(running.node, running.url, { range: "bytes=262140-262150, 0-4,-3" });
  expect(response.status).toBe(206);
  expect(response.headers.has("content-range")).toBe(false);
  const body = await bytesFrom(response);
  expect(response.headers.get("content-length")).toBe(String(body.byteLength));
  const parts = partsOf(response.headers.get("content-type") ?? "", body);
  expect(parts.map(({ contentRange }) => contentRange)).toEqual([
    "bytes 262140-262150/600000",
    "bytes 0-4/600000",
    "bytes 599997-599999/600000",
  ]);
  expect(new Set(parts.map(({ contentType }) => contentType))).toEqual(new Set(["application/octet-stream"]));
  const expected = [bytes.subarray(262_140, 262_151), bytes.subarray(0, 5), bytes.subarray(599_997)];
  expect(parts.map((part, i) => Buffer.compare(part.bytes, expected[i] ?? Buffer.of()))).toEqual([0, 0, 0]);
  const head = await get(running.node, running.url, { range: "bytes=262140-262150, 0-4,-3" }, "HEAD");
  expect(comparableHeaders(head)).toEqual(comparableHeaders(response));
});

test("large parts are streamed, and are whole", async () => {
  const bytes = bytesOf(5_000_000);
  await using running = await startWith(bytes);
  const response = await get(running.node, running.url, { range: "bytes=0-1999999,2500000-4499999" });
  const body = await bytesFrom(response);
  expect(response.headers.get("content-length")).toBe(String(body.byteLength));
  const parts = partsOf(response.headers.get("content-type") ?? "", body);
  expect(Buffer.compare(parts[0]?.bytes ?? Buffer.of(), bytes.subarray(0, 2_000_000))).toBe(0);
  expect(Buffer.compare(parts[1]?.bytes ?? Buffer.of(), bytes.subarray(2_500_000, 4_500_000))).toBe(0);
});

test("of several ranges those behind the end are left out, one that is left is sent alone", async () => {
  await using running = await startWith(bytesOf(1000));
  const response = await get(running.node, running.url, { range: "bytes=5000-,10-19" });
  expect([response.status, response.headers.get("content-range")]).toEqual([206, "bytes 10-19/1000"]);
  const none = await get(running.node, running.url, { range: "bytes=5000-,6000-" });
  expect([none.status, none.headers.get("content-range")]).toEqual([416, "bytes */1000"]);
});

test("ranges that are together longer than the file, or absurdly many, are passed over", async () => {
  await using running = await startWith(bytesOf(1000));
  for (const range of [
    "bytes=0-999,0-999",
    `bytes=${Array.from({ length: 200 }, (_, i) => `${i}-${i}`).join(",")}`,
  ]) {
    const response = await get(running.node, running.url, { range });
    expect([response.status, (await bytesFrom(response)).byteLength]).toEqual([200, 1000]);
  }
});

test("gotcha 22: 0-0, the last byte, and behind the end; a full GET afterwards is whole", async () => {
  await using running = await startWith(bytesOf(1000));
  for (const [range, status, contentRange] of [
    ["bytes=0-0", 206, "bytes 0-0/1000"],
    ["bytes=-1", 206, "bytes 999-999/1000"],
    ["bytes=999999999-", 416, "bytes */1000"],
  ] as const) {
    const response = await get(running.node, running.url, { range });
    expect([response.status, response.headers.get("content-range")]).toEqual([status, contentRange]);
    expect((await bytesFrom(await get(running.node, running.url))).byteLength).toBe(1000);
  }
});

test("any one range is the same part of the file, whatever its blocks are", async () => {
  const bytes = bytesOf(20_000);
  await using running = await startWith(bytes, "chunker=size-1000");
  await fc.assert(
    fc.asyncProperty(fc.nat(19_999), fc.nat(6_000), async (first, more) => {
      const last = Math.min(19_999, first + more);
      const response = await get(running.node, running.url, { range: `bytes=${first}-${first + more}` });
      expect(response.headers.get("content-range")).toBe(`bytes ${first}-${last}/20000`);
      expect(Buffer.compare(await bytesFrom(response), bytes.subarray(first, last + 1))).toBe(0);
    }),
    { numRuns: 50, seed: 31 },
  );
});

test("blocks before and behind the range may be missing, also when the type would have to be guessed", async () => {
  const bytes = bytesOf(4000);
  const dag = await makeDag({ x: bytes }, "chunker=size-1000&cid-version=1");
  const source = new ScriptedSource("s", dag.blocks);
  await using node = await startContent({ sources: [source] });
  const leaf = (i: number) => blockOf(bytes.subarray(i * 1000, (i + 1) * 1000)).cid;
  for (const i of [0, 1, 3]) source.behaveFor(leaf(i), "fails");
  const middle = await get(node, `/ipfs/${dag.root}`, { range: "bytes=2200-2201" });
  expect([middle.status, middle.headers.get("content-type")]).toEqual([206, "application/octet-stream"]);
  expect(Buffer.compare(await bytesFrom(middle), bytes.subarray(2200, 2202))).toBe(0);
  source.exceptions.clear();
  expect((await bytesFrom(await get(node, `/ipfs/${dag.root}`))).byteLength).toBe(4000);
});

test("the type of a file in the middle is the one that its beginning tells, when that is held", async () => {
  await using node = await startContent();
  const html = `<!DOCTYPE html>${" ".repeat(5000)}`;
  const dag = await makeDag({ x: html }, "chunker=size-1000&cid-version=1");
  await node.vault.put(dag.blocks);
  const response = await get(node, `/ipfs/${dag.root}`, { range: "bytes=3000-3001" });
  expect(response.headers.get("content-type")).toBe("text/html");
});

test("a raw block can be asked for in part, too", async () => {
  await using node = await startContent();
  const block = blockOf(bytesOf(57));
  await node.vault.put([block]);
  const url = `/ipfs/${block.cid.toString()}?format=raw`;
  const one = await get(node, url, { range: "bytes=6-16" });
  expect([one.status, one.headers.get("content-range")]).toEqual([206, "bytes 6-16/57"]);
  expect(Buffer.compare(await bytesFrom(one), block.bytes.subarray(6, 17))).toBe(0);
  const two = await get(node, url, { range: "bytes=6-16,0-4" });
  const parts = partsOf(two.headers.get("content-type") ?? "", await bytesFrom(two));
  expect(parts.map(({ contentType }) => contentType)).toEqual(Array(2).fill("application/vnd.ipld.raw"));
});
