import { create } from "kubo-rpc-client";
import { expect, it } from "vitest";
import { createTestName, makeRecord, TEST_VALUE } from "./support/records.ts";
import { startHttp } from "./support/start-http.ts";

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

it("kubo-rpc-client 7.1.0 puts, gets and resolves a name, and asks for the version, unmodified", async () => {
  await using node = await startHttp();
  const client = create({ url: node.url });
  const key = createTestName();
  const bytes = await makeRecord(key);
  const path = `/ipns/${key.name.text}`;

  expect((await client.version()).version).toBe("0.1.0");
  const putEvents = await all(client.routing.put(path, bytes));
  expect(putEvents.length).toBeGreaterThan(0);
  expect(node.records.held(key.name)?.record.bytes).toEqual(bytes);

  const [value] = (await all(client.routing.get(path))).filter(({ name }) => name === "VALUE");
  expect(value).toMatchObject({ name: "VALUE", value: new Uint8Array(bytes) });
  expect(await all(client.name.resolve(key.name.text))).toEqual([TEST_VALUE]);
});

it("kubo-rpc-client understands the refusals", async () => {
  await using node = await startHttp();
  const client = create({ url: node.url });
  const key = createTestName();
  await expect(all(client.routing.get(`/ipns/${key.name.text}`))).rejects.toThrow(/not found/);
  await expect(all(client.routing.put(`/ipns/${key.name.text}`, new Uint8Array([1])))).rejects.toThrow(
    /invalid IPNS record/,
  );
  await all(client.routing.put(`/ipns/${key.name.text}`, await makeRecord(key, { sequence: 2n })));
  const older = await makeRecord(key, { sequence: 1n });
  await expect(all(client.routing.put(`/ipns/${key.name.text}`, older))).rejects.toThrow(
    /rejecting IPNS record/,
  );
});
