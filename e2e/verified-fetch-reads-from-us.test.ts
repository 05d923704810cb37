import { randomBytes } from "node:crypto";
import { withHTTP } from "@helia/http";
import { createVerifiedFetchWithHelia, type VerifiedFetch } from "@helia/verified-fetch";
import { createHeliaLight } from "helia";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPublisher, putRecord } from "./support/names.ts";
import { startNode, type TestNode } from "./support/start-node.ts";

/** An unmodified client of the trustless endpoints: it hashes every block and checks every record itself. */
let verifiedFetch: VerifiedFetch;
let node: TestNode;

beforeAll(async () => {
  node = await startNode({ env: { HOLDFAST_NETWORK: "offline" } });
  const urls = [node.publicUrl];
  const helia = await withHTTP(createHeliaLight(), {
    delegatedRouters: urls,
    recursiveGateways: urls,
    allowInsecure: true,
    allowLocal: true,
  }).start();
  verifiedFetch = await createVerifiedFetchWithHelia(helia);
});

afterAll(async () => {
  await verifiedFetch?.stop();
  await node?.[Symbol.asyncDispose]();
});

async function add(files: Readonly<Record<string, Uint8Array | string>>, query = ""): Promise<string[]> {
  const body = new FormData();
  for (const [path, content] of Object.entries(files)) {
    body.append("file", new Blob([typeof content === "string" ? content : Uint8Array.from(content)]), path);
  }
  const answer = await fetch(`${node.publicUrl}/api/v0/add?cid-version=1${query}`, { method: "POST", body });
  const lines = (await answer.text()).trim().split("\n");
  return lines.map((line) => (JSON.parse(line) as { Hash: string }).Hash);
}

test("@helia/verified-fetch reads a file of many blocks", async () => {
  const file = randomBytes(1_500_000);
  const [cid = ""] = await add({ "file.bin": file });
  const answer = await verifiedFetch(`ipfs://${cid}`);
  expect(answer.status).toBe(200);
  expect(Buffer.from(await answer.arrayBuffer()).equals(file)).toBe(true);
});

test("@helia/verified-fetch reads a path in a directory, and a CAR", async () => {
  const cids = await add({ "site/index.html": "<h1>hello</h1>", "site/a/b.txt": "b" });
  const root = cids.at(-1) ?? "";
  const answer = await verifiedFetch(`ipfs://${root}/a/b.txt`);
  expect(await answer.text()).toBe("b");
  const car = await verifiedFetch(`ipfs://${root}`, { headers: { accept: "application/vnd.ipld.car" } });
  expect(car.status).toBe(200);
  expect((await car.arrayBuffer()).byteLength).toBeGreaterThan(100);
});

test("@helia/verified-fetch follows a name through our delegated routing", async () => {
  const [cid = ""] = await add({ "hello.txt": "named\n" });
  const publisher = createPublisher();
  await putRecord(node.publicUrl, publisher.name, await publisher.record(`/ipfs/${cid}`, 0n));
  const answer = await verifiedFetch(`ipns://${publisher.name.text}`);
  expect(await answer.text()).toBe("named\n");
});
