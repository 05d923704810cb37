import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { EventClient } from "../packages/server/test/support/event-client.ts";
import { startWebhookEndpoint } from "../packages/server/test/support/webhook-endpoint.ts";
import { createPublisher, type Publisher, putRecord } from "./support/names.ts";
import { startNode, temporaryFolder, type TestNode } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

const SECRET = "a secret of the tests";

async function put(node: TestNode, publisher: Publisher, sequence: bigint): Promise<void> {
  const record = await publisher.record("/ipfs/bafkqaaa", sequence);
  expect((await putRecord(node.publicUrl, publisher.name, record)).status).toBe(200);
}

test("a node killed with changes that nobody heard of: its webhook and its listeners hear of them after the restart", async () => {
  await using folder = await temporaryFolder();
  let isAway = true;
  await using endpoint = await startWebhookEndpoint(() => (isAway ? 503 : 204));
  const env = {
    HOLDFAST_NETWORK: "offline",
    HOLDFAST_WEBHOOKS: `${endpoint.url}?token=hidden`,
    HOLDFAST_WEBHOOK_SECRET: SECRET,
  };
  const [a, b] = [createPublisher(), createPublisher()];
  const query = `/ipns/events?name=${a.name.text}&name=${b.name.text}`;

  const node = await startNode({ dataDir: folder.path, env });
  const client = await EventClient.open(node.publicUrl + query);
  await put(node, a, 1n);
  await client.hears(1);
  client[Symbol.dispose]();
  await put(node, a, 2n);
  await put(node, b, 7n);
  await node.stop("SIGKILL");
  const heardBefore = endpoint.heard.length;
  isAway = false;

  await using again = await startNode({ dataDir: folder.path, env });
  // What the first node sent at its last moment may be among them, too.
  const told = await until(() => {
    const later = endpoint.heard.slice(heardBefore);
    expect(later.map(({ update }) => [update.name, update.sequence])).toEqual(
      expect.arrayContaining([
        [a.name.text, 2],
        [b.name.text, 7],
      ]),
    );
    return later;
  }, 30_000);
  for (const { headers, body } of told) {
    const signed = `${String(headers["x-holdfast-timestamp"])}.${body}`;
    const signature = createHmac("sha256", SECRET).update(signed).digest("hex");
    expect(headers["x-holdfast-signature"]).toBe(`sha256=${signature}`);
  }
  await until(async () => {
    const text = await (await fetch(`${again.adminUrl}/admin/webhooks`)).text();
    expect(JSON.parse(text)).toMatchObject({ webhooks: [{ url: endpoint.url, waiting: 0, delivered: 2 }] });
    expect(text).not.toContain("hidden");
  });
  expect((await fetch(`${again.publicUrl}/admin/webhooks`)).status).toBe(404);

  using resumed = await EventClient.open(again.publicUrl + query, { "Last-Event-ID": client.lastEventId });
  await resumed.hasCaughtUp();
  expect(resumed.events.map(({ name, sequence }) => [name, sequence])).toEqual([
    [a.name.text, 2],
    [b.name.text, 7],
  ]);
  expect(await again.stop()).toBe(0);
}, 150_000);

test("a names file that is none stops the start and names the line", async () => {
  await using folder = await temporaryFolder();
  const env = {
    HOLDFAST_NETWORK: "offline",
    HOLDFAST_WEBHOOKS: "http://127.0.0.1:1/",
    HOLDFAST_WEBHOOK_SECRET: SECRET,
    HOLDFAST_WEBHOOK_NAMES_FILE: new URL(import.meta.url).pathname,
  };
  await expect(startNode({ dataDir: folder.path, env })).rejects.toThrow(
    "HOLDFAST_WEBHOOK_NAMES_FILE: line 1 is not a name",
  );
});
