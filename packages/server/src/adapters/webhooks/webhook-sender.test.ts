import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { startWebhookEndpoint } from "../../../test/support/webhook-endpoint.ts";
import { WebhookRefusedError } from "../../records/webhooks/webhook.ts";
import { systemClock } from "../../telemetry/clock.ts";
import { createWebhookSender } from "./webhook-sender.ts";

const SECRET = "a secret of tests";
const { signal } = new AbortController();
const post = createWebhookSender(systemClock, {
  secret: SECRET,
  userAgent: "holdfast/test",
  requestMsMax: 300,
});

describe("createWebhookSender", () => {
  it("signs instant and body, so that a receiver can tell who sent it and when", async () => {
    await using endpoint = await startWebhookEndpoint();
    await post(endpoint.url, '{"a":"ü"}', { signal });
    const [delivery] = endpoint.heard;
    const timestamp = String(delivery?.headers["x-holdfast-timestamp"]);
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(5);
    const expected = createHmac("sha256", SECRET)
      .update(`${timestamp}.${delivery?.body ?? ""}`)
      .digest("hex");
    expect(delivery?.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "holdfast/test",
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
    await expect(post(endpoint.url, "{}", { signal })).rejects.toThrow("too slow");
    const controller = new AbortController();
    const posted = post(endpoint.url, "{}", { signal: controller.signal });
    controller.abort(new Error("shutting down"));
    await expect(posted).rejects.toThrow("shutting down");
  });

  it("says why a connection failed", async () => {
    const endpoint = await startWebhookEndpoint();
    await endpoint[Symbol.asyncDispose]();
    await expect(post(endpoint.url, "{}", { signal })).rejects.toThrow(/ECONNREFUSED/);
  });
});
