import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Kubo, kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { createPublisher, putRecord } from "./support/names.ts";
import { startNode, type TestNode } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

describe.skipIf(!kuboAvailable)("content travels by bitswap", () => {
  let kubo: Kubo;
  let node: TestNode;

  beforeAll(async () => {
    kubo = await startKubo({ label: "kubo" });
    node = await startNode({ env: { HOLDFAST_BOOTSTRAP: kubo.addr } });
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
    await kubo?.[Symbol.asyncDispose]();
  });

  test("a file that only Kubo has is read here, under its CID and under a name", async () => {
    const file = randomBytes(3_000_000);
    const cid = await kubo.add(file);
    const read = await fetch(`${node.publicUrl}/ipfs/${cid}`);
    expect(read.status).toBe(200);
    expect(Buffer.from(await read.arrayBuffer()).equals(file)).toBe(true);

    const publisher = createPublisher();
    await putRecord(node.publicUrl, publisher.name, await publisher.record(`/ipfs/${cid}`, 0n));
    const named = await fetch(`${node.publicUrl}/ipns/${publisher.name.text}`);
    expect(Buffer.from(await named.arrayBuffer()).equals(file)).toBe(true);
    expect(named.headers.get("cache-control")).toMatch(/max-age=([0-9]|[12][0-9]|30)\b/);
  });

  test("a file that was added here is read from Kubo", { timeout: 90_000 }, async () => {
    const file = randomBytes(1_000_000);
    const body = new FormData();
    body.set("file", new Blob([file]), "file.bin");
    const added = await fetch(`${node.publicUrl}/api/v0/add?cid-version=1`, { method: "POST", body });
    const { Hash } = (await added.json()) as { Hash: string };
    const read = await until(() => {
      const signal = AbortSignal.timeout(15_000);
      return kubo.bytes(`cat?arg=${Hash}`, undefined, { signal });
    }, 50_000);
    expect(Buffer.from(read).equals(file)).toBe(true);
  });
});
