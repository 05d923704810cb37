import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { HoldfastError } from "@holdfast/core";
import { describe, expect, it } from "vitest";
import { MemoryRecordStore } from "../src/adapters/memory/record-store.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startAdmin } from "./support/start-http.ts";

describe("the admin listener", () => {
  it("says that it lives, without CORS", async () => {
    await using admin = await startAdmin();
    const response = await fetch(`${admin.url}/health`, { headers: { Origin: "http://localhost:9081" } });
    expect([response.status, await response.text()]).toEqual([200, "healthy\n"]);
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect((await fetch(`${admin.url}/health`, { method: "OPTIONS" })).status).toBe(405);
  });

  it("R38: is ready without its backend, and says what is missing", async () => {
    await using admin = await startAdmin();
    const ready = async (): Promise<readonly [number, unknown]> => {
      const response = await fetch(`${admin.url}/ready`);
      return [response.status, await response.json()];
    };
    expect(await ready()).toMatchObject([
      200,
      { status: "ready", reasons: [], checks: { store: { ok: true, names: 0 } } },
    ]);
    admin.backend.state = "starting";
    await admin.clock.advance(5_000);
    expect(await ready()).toMatchObject([
      200,
      {
        status: "degraded",
        reasons: ["the backend is starting"],
        checks: { backend: { state: "starting", since_seconds: 5 } },
      },
    ]);
  });

  it("R40: is not ready when the store cannot be read", async () => {
    class BrokenStore extends MemoryRecordStore {
      override count(): number {
        throw new HoldfastError("STORE_FAILED", "/var/lib/secret: I/O error");
      }
    }
    await using admin = await startAdmin({ recordsParts: { store: new BrokenStore() } });
    const response = await fetch(`${admin.url}/ready`);
    expect(response.status).toBe(503);
    const text = await response.text();
    expect(text).toContain("the record store cannot be read");
    expect(text).not.toContain("secret");
  });

  it("is degraded while the disk refuses writes: what is held is answered, and the reason is said", async () => {
    class RefusingStore extends MemoryRecordStore {
      isRefusingWrites = true;
    }
    const store = new RefusingStore();
    await using admin = await startAdmin({ recordsParts: { store } });
    const response = await fetch(`${admin.url}/ready`);
    expect([response.status, await response.json()]).toMatchObject([
      200,
      { status: "degraded", reasons: ["the disk refused the last write"] },
    ]);
    store.isRefusingWrites = false;
    const vault = { heldBytes: 0, bytesMax: 0, isFull: false, isRefusingWrites: true };
    await using blocks = await startAdmin({ vault });
    expect(await (await fetch(`${blocks.url}/ready`)).json()).toMatchObject({
      status: "degraded",
      reasons: ["the disk refused the last blocks"],
    });
    expect(await (await fetch(`${admin.url}/ready`)).json()).toMatchObject({ status: "ready", reasons: [] });
  });

  it("gives the metrics of the reference system, each true", async () => {
    await using admin = await startAdmin();
    const key = createTestName();
    await admin.records.publish(key.name, await makeRecord(key), { origin: "client" });
    await admin.clock.advance(7_000);
    expect(await (await fetch(`${admin.url}/metrics`)).json()).toMatchObject({
      status: "ok",
      uptime_seconds: 7,
      node_name: "test-node",
      database: { total_pinned_cids: 0, total_ipns_records: 1, cid_announcements: 0, ipns_announcements: 0 },
      session: {
        cids_queued: 0,
        cids_pinned: 0,
        cids_rejected: 0,
        cids_failed: 0,
        ipns_records_stored: 1,
        nostr_events_received: 0,
        reannouncements: 0,
      },
      chain_validation: { passed: 0, failed_break: 0, failed_fetch: 0, skipped: 0 },
      security: {
        signature_verification_enabled: true,
        signatures_skipped: 0,
        rate_limit_global_rejected: 1,
        rate_limit_ip_rejected: 3,
        rate_limit_ipns_rejected: 2,
      },
      relays: 0,
      instant_pin_cache: {},
      holdfast: { records: { stored: 1 } },
    });
  });

  it.each(["GET", "POST"])("routing-get answers %s from the store only", async (method) => {
    await using admin = await startAdmin();
    const key = createTestName();
    const bytes = await makeRecord(key, { sequence: 3n });
    const get = (query: string) => fetch(`${admin.url}/routing-get?${query}`, { method });
    expect((await get(`arg=/ipns/${key.name.text}`)).status).toBe(404);
    await admin.records.publish(key.name, bytes, { origin: "client" });
    for (const query of [`arg=/ipns/${key.name.text}`, `name=${key.name.text}`]) {
      const response = await get(query);
      expect(response.headers.get("x-ipns-source")).toBe("sidecar-cache");
      expect(response.headers.get("x-ipns-sequence")).toBe("3");
      expect(await response.json()).toEqual({ Extra: Buffer.from(bytes).toString("base64"), Type: 5 });
    }
    expect((await get("arg=nonsense")).status).toBe(400);
    expect((await get("")).status).toBe(400);
  });

  it("ipns-intercept validates and stores what the proxy mirrors, framed or raw", async () => {
    await using admin = await startAdmin();
    const key = createTestName();
    const intercept = (body: FormData | Uint8Array<ArrayBuffer>) =>
      fetch(`${admin.url}/ipns-intercept?arg=/ipns/${key.name.text}`, { method: "POST", body });
    const form = new FormData();
    form.append("value-file", new Blob([new Uint8Array(await makeRecord(key, { sequence: 1n }))]), "record");
    const stored = await intercept(form);
    expect([stored.status, await stored.text()]).toEqual([200, "OK\n"]);
    expect((await intercept(new Uint8Array(await makeRecord(key, { sequence: 2n })))).status).toBe(200);
    expect((await intercept(new Uint8Array(await makeRecord(key, { sequence: 1n })))).status).toBe(400);
    expect((await intercept(Uint8Array.from(Buffer.from("------garbage")))).status).toBe(400);
    expect(admin.records.held(key.name)?.record.sequence).toBe(2n);
  });

  it.each([
    [403, "POST", { "User-Agent": "Mozilla/5.0" }],
    [403, "POST", { Origin: "https://evil.example" }],
    [403, "GET", { Origin: "https://evil.example" }],
    [403, "GET", { Referer: "https://evil.example/page" }],
    [403, "GET", { Origin: "null" }],
    [404, "POST", { Origin: "http://127.0.0.1:9081", "User-Agent": "Mozilla/5.0" }],
    [404, "POST", { Referer: "http://localhost:1/x", "User-Agent": "Mozilla/5.0" }],
    [404, "GET", { "User-Agent": "Mozilla/5.0" }],
    [404, "POST", { "User-Agent": "curl/8" }],
    [404, "POST", { "User-Agent": "Mozilla/5.0 Electron/30" }],
    [403, "GET", { "User-Agent": "Mozilla/5.0", Host: "evil.example:9081" }],
    [404, "GET", { "User-Agent": "Mozilla/5.0", Host: "localhost:9081" }],
    [404, "GET", { "User-Agent": "Mozilla/5.0", Host: "[::1]:9081" }],
    [404, "GET", { "User-Agent": "curl/8", Host: "metrics.example" }],
  ])(
    "gotcha 12: answers %d to %s with %j: other people's pages stay out",
    async (status, method, headers) => {
      await using admin = await startAdmin();
      // Not fetch, which sets the host itself.
      const [answer] = (await once(
        request(`${admin.url}/nothing`, { method, headers }).end(),
        "response",
      )) as [IncomingMessage];
      answer.resume();
      expect(answer.statusCode).toBe(status);
    },
  );
});
