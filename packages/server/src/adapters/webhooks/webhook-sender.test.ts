import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { until } from "../../../test/support/until.ts";
import { startWebhookEndpoint } from "../../../test/support/webhook-endpoint.ts";
import { WebhookRefusedError } from "../../records/webhooks/webhook.ts";
import { createWebhookSender } from "./webhook-sender.ts";

const SECRET = "a secret of tests";
const { signal } = new AbortController();
const clock = new ManualClock(1_737_749_000_999);
const post = createWebhookSender(clock, {
  secret: SECRET,
  userAgent: "holdfast/test",
  requestMsMax: 300,
});

describe("createWebhookSender", () => {
  it("signs instant and body, so that a receiver can tell who sent it and when", async () => {
    await using endpoint = await startWebhookEndpoint();
    await post(endpoint.url, '{"a":"ü"}', { signal });
    const [delivery] = endpoint.heard;
    expect(delivery?.body).toBe('{"a":"ü"}');
    const expected = createHmac("sha256", SECRET).update('1737749000.{"a":"ü"}').digest("hex");
    expect(delivery?.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "holdfast/test",
      "x-holdfast-timestamp": "1737749000",
      "x-holdfast-signature": `sha256=${expected}`,
    });
  });

  it.each([
    [200, undefined],
    [202, undefined],
    [301, "HTTP 301"],
    [307, "HTTP 307"],
    [408, "HTTP 408"],
    [429, "HTTP 429"],
    [500, "HTTP 500"],
  ])("takes %i as %s", async (status, message) => {
    await using elsewhere = await startWebhookEndpoint();
    await using endpoint = await startWebhookEndpoint(() => status, { headers: { Location: elsewhere.url } });
    const outcome = await post(endpoint.url, "{}", { signal }).catch((err: unknown) => err);
    expect(outcome).toEqual(message === undefined ? undefined : new Error(message));
    expect(outcome).not.toBeInstanceOf(WebhookRefusedError);
    expect(elsewhere.heard).toEqual([]);
  });

  it.each([400, 401, 404, 410, 422])("takes %i as a refusal of this delivery", async (status) => {
    await using endpoint = await startWebhookEndpoint(() => status);
    await expect(post(endpoint.url, "{}", { signal })).rejects.toBeInstanceOf(WebhookRefusedError);
  });

  it("reads little of an answer, however long it is, and goes by its status", async () => {
    let bytesWritten = 0;
    const server = createServer((request, response) => {
      request.resume().on("end", () => {
        response.writeHead(200);
        const more = (): void => {
          if (response.destroyed) return;
          bytesWritten += 65_536;
          response.write(Buffer.alloc(65_536), () => more());
        };
        more();
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    await post(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, "{}", { signal });
    await once(server.close(), "close");
    expect(bytesWritten).toBeLessThan(64 * 1024 * 1024);
  });

  it("gives up what does not answer in time, and at once when it is not wanted any more", async () => {
    await using endpoint = await startWebhookEndpoint(() => new Promise<number>(() => undefined));
    const slow = post(endpoint.url, "{}", { signal }).catch((err: unknown) => err);
    await until(() => expect(endpoint.heard).toHaveLength(1));
    await clock.advance(300);
    expect(await slow).toMatchObject({ message: "too slow" });
    const controller = new AbortController();
    const posted = post(endpoint.url, "{}", { signal: controller.signal });
    controller.abort(new Error("shutting down"));
    await expect(posted).rejects.toThrow("shutting down");
  });

  it("says why a connection failed", async () => {
    // Nobody listens there; a port that was given back may be somebody else's by now.
    await expect(post("http://127.0.0.1:2/", "{}", { signal })).rejects.toThrow(/ECONNREFUSED/);
  });
});
