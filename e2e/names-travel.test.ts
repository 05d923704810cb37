import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Kubo, kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { createPublisher, getRecord, putRecord, sequenceOf } from "./support/names.ts";
import { startNode, type TestNode } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

const TIMES = { timeout: 180_000 };
const WAIT_MS = 45_000;
const VALUE = "/ipfs/bafkqaddwgevxmmraojswg33smq";

/** Its fastest: one read alone may meet a machine that is busy with something else. */
function fastestOf<Read extends { readonly tookMs: number }>(reads: readonly Read[]): Read {
  const [fastest] = reads.toSorted((a, b) => a.tookMs - b.tookMs);
  if (fastest === undefined) throw new Error("there is none");
  return fastest;
}

/** Kubo A knows us; Kubo B knows only A. All on a loopback LAN DHT. */
describe.skipIf(!kuboAvailable)("names travel between us and real Kubo nodes", TIMES, () => {
  let kuboA: Kubo;
  let node: TestNode;

  beforeAll(async () => {
    kuboA = await startKubo({ label: "kubo-a" });
    node = await startNode({ env: { HOLDFAST_BOOTSTRAP: kuboA.addr } });
    await hasPeers(node);
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
    await kuboA?.[Symbol.asyncDispose]();
  });

  test("a name put through us is got from a Kubo that never talked to us", async () => {
    const publisher = createPublisher();
    const record = await publisher.record(VALUE, 0n);
    await using ours = await startNode({ env: { HOLDFAST_BOOTSTRAP: kuboA.addr } });
    await hasPeers(ours);
    expect((await putRecord(ours.publicUrl, publisher.name, record)).status).toBe(200);
    await until(async () => expect(await confirmedPuts(ours)).toBe(1), WAIT_MS);
    // It is gone before B exists, so B can have it from the network alone.
    await ours.stop();

    await using kuboB = await startKubo({ label: "kubo-b", peers: [kuboA.addr] });
    await until(async () => expect(await kuboB.routingGet(publisher.name.text)).toEqual(record), WAIT_MS);
  });

  test("a name published by Kubo resolves here cold in less than 1 s and warm in less than 5 ms", async () => {
    const names: string[] = [];
    for (const key of ["cold-1", "cold-2", "cold-3"]) {
      names.push(await kuboA.generateKey(key));
      await kuboA.publish(key, VALUE);
    }
    // Started after the publish: Kubo pushes records to the DHT servers it knows, which would make the read a warm one.
    await using late = await startNode({ env: { HOLDFAST_BOOTSTRAP: kuboA.addr } });
    await hasPeers(late);
    const reads = [];
    for (const name of names) reads.push({ name, ...(await getRecord(late.publicUrl, name)) });
    // After a minute Kubo pushes all of its records again, to us too.
    const cold = fastestOf(reads.filter(({ headers }) => headers.get("x-ipns-source") === "kubo"));
    expect(cold.status).toBe(200);
    expect(cold.tookMs).toBeLessThan(1000);
    const warm = [];
    for (let i = 0; i < 100; i++) warm.push(await getRecord(late.publicUrl, cold.name));
    for (const { headers, bytes } of warm) {
      expect(headers.get("x-ipns-source")).toBe("sidecar-cache");
      expect(bytes).toEqual(cold.bytes);
    }
    expect(fastestOf(warm).tookMs).toBeLessThan(5);
  });

  test("R11: a newer record at Kubo is seen by X-No-Cache at once, and by a plain read after one refresh behind it", async () => {
    const name = await kuboA.generateKey("newer");
    const publish = async (value: string, ttl: string): Promise<void> => {
      const query = `arg=${value}&key=newer&resolve=false&lifetime=24h&ttl=${ttl}&allow-offline=true`;
      await kuboA.rpc(`name/publish?${query}`);
    };
    await publish(VALUE, "1h");
    await until(async () => expect(sequenceOf(await getRecord(node.publicUrl, name))).toBe("0"), WAIT_MS);

    await publish("/ipfs/bafkqaaa", "1s");
    // Within the first record's TTL a plain read may still give it; X-No-Cache may not, if the network answers it in time.
    await until(async () => {
      const asked = await getRecord(node.publicUrl, name, { "x-no-cache": "1" });
      expect(sequenceOf(asked)).toBe("1");
      expect(asked.headers.get("x-cache-status")).toBe("BYPASS");
    }, WAIT_MS);

    await publish(VALUE, "1s");
    const [before, startedAtMs] = [await metric(node, "refreshes"), performance.now()];
    await until(async () => expect(sequenceOf(await getRecord(node.publicUrl, name))).toBe("2"), WAIT_MS);
    // Kubo also pushes the record to our DHT server, so it may arrive before any refresh; more than one in each TTL is waste.
    const secondsPassed = (performance.now() - startedAtMs) / 1000;
    expect((await metric(node, "refreshes")) - before).toBeLessThanOrEqual(2 + secondsPassed);
  });

  test("absent names answer 404 within 5 s, again within 5 ms, and a put ends the absence", async () => {
    const reads = [];
    for (const publisher of [createPublisher(), createPublisher(), createPublisher()])
      reads.push({ publisher, ...(await getRecord(node.publicUrl, publisher.name.text)) });
    const { publisher, status, tookMs } = fastestOf(reads);
    expect(status).toBe(404);
    expect(tookMs).toBeLessThan(5000);
    // One after the other: all at once would measure each other.
    const again = [];
    for (let i = 0; i < 50; i++) again.push(await getRecord(node.publicUrl, publisher.name.text));
    expect(fastestOf(again)).toMatchObject({ status: 404 });
    expect(fastestOf(again).tookMs).toBeLessThan(5);
    await putRecord(node.publicUrl, publisher.name, await publisher.record(VALUE, 4n));
    expect(sequenceOf(await getRecord(node.publicUrl, publisher.name.text))).toBe("4");
  });
});

async function hasPeers(node: TestNode): Promise<void> {
  await until(async () => expect(await peersOf(node)).toBeGreaterThan(0), 30_000);
}

async function peersOf(node: TestNode): Promise<number> {
  const ready = (await (await fetch(`${node.adminUrl}/ready`)).json()) as {
    checks: { backend: { peers: number } };
  };
  return ready.checks.backend.peers;
}

async function confirmedPuts(node: TestNode): Promise<number> {
  const metrics = (await (await fetch(`${node.adminUrl}/metrics`)).json()) as {
    holdfast: { propagation: { confirmed: number } };
  };
  return metrics.holdfast.propagation.confirmed;
}

async function metric(node: TestNode, counter: string): Promise<number> {
  const metrics = (await (await fetch(`${node.adminUrl}/metrics`)).json()) as {
    holdfast: { records: Record<string, number> };
  };
  return metrics.holdfast.records[counter] ?? Number.NaN;
}
