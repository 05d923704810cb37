import { formatIpnsName } from "@holdfast/core";
import { describe, expect, it } from "vitest";
import { createTestName, makeRecord, TEST_VALUE, type TestKey } from "./support/records.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { startHttp, type TestHttp } from "./support/start-http.ts";

async function resolve(
  node: TestHttp,
  query: string,
  method = "POST",
): Promise<readonly [number, Record<string, unknown>]> {
  const response = await fetch(`${node.url}/api/v0/name/resolve?${query}`, { method });
  return [response.status, (await response.json()) as Record<string, unknown>];
}

async function point(node: TestHttp, key: TestKey, value: string): Promise<void> {
  await node.records.publish(key.name, await makeRecord(key, { value }), { origin: "client" });
}

describe("name/resolve", () => {
  it.each(["GET", "POST"])("gives the path to %s, in every form of the argument", async (method) => {
    await using node = await startHttp();
    const key = createTestName();
    await point(node, key, TEST_VALUE);
    const name = key.name.text;
    for (const arg of [
      name,
      `/ipns/${name}`,
      `%2Fipns%2F${name}`,
      `ipns://${name}`,
      formatIpnsName(key.name, "base58btc"),
    ]) {
      expect(await resolve(node, `arg=${arg}&stream=true`, method)).toEqual([200, { Path: TEST_VALUE }]);
    }
  });

  it("follows names, joins paths, and stops after one step if asked", async () => {
    await using node = await startHttp();
    const [first, second] = [createTestName(), createTestName()];
    await point(node, first, `/ipns/${second.name.text}/a`);
    await point(node, second, TEST_VALUE);
    expect(await resolve(node, `arg=/ipns/${first.name.text}/b`)).toEqual([
      200,
      { Path: `${TEST_VALUE}/a/b` },
    ]);
    const once = await resolve(node, `arg=/ipns/${first.name.text}/b&recursive=false`);
    expect(once).toEqual([200, { Path: `/ipns/${second.name.text}/a/b` }]);
  });

  it("gives an empty value as the empty identity CID", async () => {
    await using node = await startHttp();
    const key = createTestName();
    await point(node, key, "");
    expect(await resolve(node, `arg=${key.name.text}`)).toEqual([200, { Path: "/ipfs/bafkqaaa" }]);
  });

  it("refuses a loop, a missing or malformed name, and an odd flag", async () => {
    await using node = await startHttp();
    const [first, second] = [createTestName(), createTestName()];
    await point(node, first, `/ipns/${second.name.text}`);
    await point(node, second, `/ipns/${first.name.text}`);
    for (const query of [
      `arg=${first.name.text}`,
      "",
      "arg=nonsense",
      "arg=/ipfs/bafkqaaa",
      `arg=${first.name.text}&recursive=maybe`,
    ]) {
      expect((await resolve(node, query))[0]).toBe(400);
    }
    expect((await resolve(node, `arg=${createTestName().name.text}`))[0]).toBe(404);
  });

  it("asks the network first with nocache", async () => {
    const router = new ScriptedRouter();
    await using node = await startHttp({ routers: [router] });
    const key = createTestName();
    await point(node, key, "/ipfs/bafkqaaa");
    router.records.set(key.name.text, [await makeRecord(key, { sequence: 2n })]);
    expect(await resolve(node, `arg=${key.name.text}`)).toEqual([200, { Path: "/ipfs/bafkqaaa" }]);
    expect(await resolve(node, `arg=${key.name.text}&nocache=true`)).toEqual([200, { Path: TEST_VALUE }]);
  });
});
