import { formatIpnsName } from "@holdfast/core";
import { expect, test } from "vitest";
import { get } from "./support/gateway.ts";
import { createTestName } from "./support/records.ts";
import { startContent } from "./support/start-content.ts";

test("gotcha 23: another spelling of a name is 302 to base36 with tail and query, without looking the name up", async () => {
  await using node = await startContent();
  const { name } = createTestName();
  for (const base of ["base58btc", "base32"] as const) {
    for (const tail of ["", "/", "/a/b%20c?d=e"]) {
      const response = await get(node, `/ipns/${formatIpnsName(name, base)}${tail}`);
      expect([response.status, response.headers.get("location")]).toEqual([302, `/ipns/${name.text}${tail}`]);
    }
  }
});

test("what a browser's protocol handler sends leads to the path", async () => {
  await using node = await startContent();
  const uri = encodeURIComponent("ipfs://bafkqaaa/a?b=c");
  const response = await get(node, `/ipfs/?uri=${uri}`);
  expect([response.status, response.headers.get("location")]).toEqual([301, "/ipfs/bafkqaaa/a?b=c"]);
  const other = await get(node, `/ipfs/?uri=${encodeURIComponent("javascript:alert(1)")}`);
  expect([other.status, other.headers.get("cache-control")]).toEqual([400, "no-store"]);
});

test("a namespace too many is taken away, if what is left is a path", async () => {
  await using node = await startContent();
  const response = await get(node, "/ipfs/ipfs/bafkqaaa/x?y=z");
  expect([response.status, response.headers.get("location")]).toEqual([301, "/ipfs/bafkqaaa/x?y=z"]);
  expect((await get(node, "/ipfs/ipfs/notacid")).status).toBe(400);
});

test("a service worker cannot be registered for all content", async () => {
  await using node = await startContent();
  expect((await get(node, "/ipfs/bafkqaaa", { "service-worker": "script" })).status).toBe(400);
  expect((await get(node, "/ipfs/bafkqaaa/", { "service-worker": "script" })).status).toBe(200);
});

test("an inlined CID may carry 128 bytes, not more (IPIP-512)", async () => {
  await using node = await startContent();
  const { CID } = await import("multiformats/cid");
  const Digest = await import("multiformats/hashes/digest");
  for (const [bytes, status] of [
    [128, 200],
    [129, 400],
  ] as const) {
    const cid = CID.createV1(0x55, Digest.create(0x00, new Uint8Array(bytes))).toString();
    for (const query of ["", "?format=raw", "?format=car"]) {
      expect([bytes, query, (await get(node, `/ipfs/${cid}${query}`)).status]).toEqual([
        bytes,
        query,
        status,
      ]);
    }
  }
});

test("the path without a root says what is wrong, as a page if a browser asks", async () => {
  await using node = await startContent();
  for (const path of ["/ipfs", "/ipfs/", "/ipns", "/ipns/"]) {
    const response = await get(node, path, { accept: "text/html" });
    expect([path, response.status]).toEqual([path, 400]);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await response.text()).toContain("This address is not right");
  }
});
