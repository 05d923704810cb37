import { describe, expect, test } from "vitest";
import { kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { createPublisher, getRecord, putRecord, sequenceOf } from "./support/names.ts";
import { startNode } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

describe.skipIf(!kuboAvailable)("Kubo goes away", { timeout: 150_000 }, () => {
  test("R38: cached names and content still answer, and writes are still taken", async () => {
    await using kubo = await startKubo({ label: "kubo" });
    await using node = await startNode({ env: { HOLDFAST_BOOTSTRAP: kubo.addr } });
    const name = await kubo.generateKey("site");
    const cid = await kubo.add(Buffer.from("hello"));
    await kubo.publish("site", `/ipfs/${cid}`);
    await until(async () => expect((await getRecord(node.publicUrl, name)).status).toBe(200), 45_000);
    expect(await (await fetch(`${node.publicUrl}/ipns/${name}`)).text()).toBe("hello");

    await kubo.kill();

    expect((await getRecord(node.publicUrl, name)).status).toBe(200);
    // One of them at least: each would wait for seconds if it asked who is gone.
    await until(async () => expect((await getRecord(node.publicUrl, name)).tookMs).toBeLessThan(1000));
    expect(await (await fetch(`${node.publicUrl}/ipns/${name}`)).text()).toBe("hello");
    const publisher = createPublisher();
    expect(
      (await putRecord(node.publicUrl, publisher.name, await publisher.record("/ipfs/bafkqaaa", 1n))).status,
    ).toBe(200);
    expect(sequenceOf(await getRecord(node.publicUrl, publisher.name.text))).toBe("1");
    const asked = await getRecord(node.publicUrl, name, { "x-no-cache": "1" });
    expect(asked.status).toBe(200);
  });

  test("R38: a node that starts without any neighbour is ready and answers what it has", async () => {
    const nobody = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWAuCnJyxW9a83cnLeFaJajxm3xbibXiw61WwXeDqpWFBq";
    await using node = await startNode({ env: { HOLDFAST_BOOTSTRAP: nobody } });
    const publisher = createPublisher();
    await putRecord(node.publicUrl, publisher.name, await publisher.record("/ipfs/bafkqaaa", 0n));
    expect((await getRecord(node.publicUrl, publisher.name.text)).status).toBe(200);
    expect((await fetch(`${node.adminUrl}/ready`)).status).toBe(200);
  });
});
