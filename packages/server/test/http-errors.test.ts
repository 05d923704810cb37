import { HoldfastError } from "@holdfast/core";
import { expect, test } from "vitest";
import { MemoryRecordStore } from "../src/adapters/memory/record-store.ts";
import { bytesOf } from "./support/blocks.ts";
import { get, makeDag } from "./support/gateway.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startContent } from "./support/start-content.ts";
import { startHttp } from "./support/start-http.ts";

class FullDisk extends MemoryRecordStore {
  override async put(): Promise<never> {
    throw new HoldfastError("STORE_FAILED", "the disk is full");
  }
}

test("http.errors counts what is a bug of ours, and no answer that a full disk or an absent network explains", async () => {
  await using node = await startHttp({
    recordsParts: { store: new FullDisk() },
    server: {
      routes: [
        (app) => {
          app.get("/test/500", () => {
            throw new Error("unforeseen");
          });
          app.get("/test/504", () => {
            throw new HoldfastError("UPSTREAM_TIMEOUT", "the network is slow today");
          });
        },
      ],
    },
  });
  const key = createTestName();
  const put = { method: "POST", body: new Uint8Array(await makeRecord(key)) };
  expect((await fetch(`${node.url}/api/v0/routing/put?arg=${key.name.text}`, put)).status).toBe(503);
  expect((await fetch(`${node.url}/test/504`)).status).toBe(504);
  expect(node.metrics.http.errors).toBe(0);
  expect((await fetch(`${node.url}/test/500`)).status).toBe(500);
  expect(node.metrics.http.errors).toBe(1);
});

test("an error that the gateway answers without failing carries a request id like every other", async () => {
  await using node = await startContent();
  const { root, blocks } = await makeDag({ x: bytesOf(10) });
  await node.vault.put(blocks);
  const behindTheEnd = await get(node, `/ipfs/${root}`, { range: "bytes=100-" });
  expect(behindTheEnd.status).toBe(416);
  expect(behindTheEnd.headers.get("x-request-id")).toMatch(/^[0-9a-f]+-\w+$/);
  const whole = await get(node, `/ipfs/${root}`);
  expect([whole.status, whole.headers.has("x-request-id")]).toEqual([200, false]);
});
