import { expect, it } from "vitest";
import { createTestName, makeRecord } from "./support/records.ts";
import { rawConnection, startHttp } from "./support/start-http.ts";
import { until } from "./support/until.ts";

/** Longer than a test has: whoever waits for the end of the grace fails. */
const GRACE_MS = 60_000;
const HEALTH = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

/** A node with a route that answers when the test says so. */
async function startWithGate() {
  const gate = Promise.withResolvers<void>();
  const node = await startHttp({
    server: {
      routes: [
        (app) => {
          app.server.keepAliveTimeout = GRACE_MS;
          app.get("/test/wait", async () => {
            await gate.promise;
            return "done";
          });
        },
      ],
    },
  });
  return { node, open: gate.resolve };
}

it("finishes the requests under way, refuses new ones, closes idle connections", async () => {
  const { node, open } = await startWithGate();
  using idle = await rawConnection(node.port);
  idle.write(HEALTH);
  await until(() => expect(idle.received).toContain("healthy"));
  using busy = await rawConnection(node.port);
  busy.write("GET /test/wait HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => expect(node.metrics.http.requests).toBe(2));
  const closed = node.server.close(GRACE_MS);
  await idle.closed;
  await until(async () => expect(fetch(`${node.url}/health`)).rejects.toThrow(TypeError));
  busy.write(HEALTH);
  await until(() => expect(node.metrics.http.requests).toBe(3));
  open();
  const received = await busy.closed;
  expect(received).toMatch(/^HTTP\/1.1 200 [^]*done/);
  expect(received).toMatch(/HTTP\/1.1 503 [^]*shutting down/);
  await closed;
});

it("does not answer from the hot path any more while it drains", async () => {
  const { node, open } = await startWithGate();
  const key = createTestName();
  await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
  using busy = await rawConnection(node.port);
  busy.write("GET /test/wait HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => expect(node.metrics.http.requests).toBe(1));
  const closed = node.server.close(GRACE_MS);
  busy.write(`GET /api/v0/routing/get?arg=${key.name.text} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until(() => expect(node.metrics.http.requests).toBe(2));
  open();
  expect(await busy.closed).toMatch(/HTTP\/1.1 503 /);
  expect(node.metrics.http.hotPath).toBe(0);
  await closed;
});

it("does not wait for the keep-alive time of a connection whose last request is answered", async () => {
  const { node, open } = await startWithGate();
  using busy = await rawConnection(node.port);
  busy.write("GET /test/wait HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => expect(node.metrics.http.requests).toBe(1));
  const closed = node.server.close(GRACE_MS);
  open();
  await closed;
  expect(await busy.closed).toMatch(/done$/);
});

it("closes every connection when the grace is over", async () => {
  const { node } = await startWithGate();
  using stuck = await rawConnection(node.port);
  stuck.write("GET /test/wait HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => expect(node.metrics.http.requests).toBe(1));
  await node.server.close(200);
  expect(await stuck.closed).toBe("");
});
