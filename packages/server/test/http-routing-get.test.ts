import { formatIpnsName, type IpnsName } from "@holdfast/core";
import { describe, expect, it } from "vitest";
import { createTestName, makeRecord } from "./support/records.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { startHttp, type TestHttp } from "./support/start-http.ts";

const ROUTE = "/api/v0/routing/get?arg=";

interface Answer {
  readonly Extra: string;
  readonly Type: number;
}

async function get(node: TestHttp, name: IpnsName | string, init?: RequestInit): Promise<Response> {
  return fetch(`${node.url}${ROUTE}${typeof name === "string" ? name : `/ipns/${name.text}`}`, init);
}

async function bytesOf(response: Response): Promise<Uint8Array> {
  return Uint8Array.from(Buffer.from(((await response.json()) as Answer).Extra, "base64"));
}

describe("routing/get", () => {
  it.each(["GET", "POST"])(
    "gotcha 12: gives the stored bytes to %s, hot and through the framework",
    async (method) => {
      await using node = await startHttp();
      const key = createTestName();
      const bytes = await makeRecord(key, { sequence: 7n });
      await node.records.publish(key.name, bytes, { origin: "client" });
      for (const headers of [{}, { "If-None-Match": '"other"' }]) {
        const response = await get(node, key.name, { method, headers });
        expect(response.status).toBe(200);
        expect(response.headers.get("content-type")).toBe("application/json");
        expect(response.headers.get("cache-control")).toBe("no-cache");
        const text = await response.text();
        expect(response.headers.get("content-length")).toBe(String(text.length));
        expect(text).toBe(`{"Extra":"${Buffer.from(bytes).toString("base64")}","Type":5}\n`);
      }
      expect(node.metrics.http.hotPath).toBe(1);
    },
  );

  it("gotcha 8: takes every spelling of a name, escaped or not, with or without /ipns/, and has one row for it", async () => {
    await using node = await startHttp();
    const rsa = createTestName("RSA");
    const ed25519 = createTestName();
    for (const key of [rsa, ed25519]) {
      await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
      const base32 = formatIpnsName(key.name, "base32");
      const texts = [key.name.text, base32, base32.toUpperCase(), formatIpnsName(key.name, "base58btc")];
      for (const text of texts) {
        for (const arg of [
          `/ipns/${text}`,
          `%2Fipns%2F${text}`,
          `%2fipns/${text}`,
          text,
          `/ipns/${text}&stream=true&x=%zz`,
        ]) {
          expect(await bytesOf(await get(node, arg))).toEqual(node.records.held(key.name)?.record.bytes);
        }
      }
    }
    expect(node.store.count()).toBe(2);
  });

  it("finds the name among other parameters in any order, and takes the first of several", async () => {
    await using node = await startHttp();
    const key = createTestName();
    await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
    const base = `${node.url}/api/v0/routing/get`;
    const name = `/ipns/${key.name.text}`;
    for (const query of [
      `stream=true&arg=${name}`,
      `arg=${name}&arg=/ipns/other`,
      `unknown&arg=${name}&timeout=5s`,
    ]) {
      expect((await fetch(`${base}?${query}`)).status).toBe(200);
    }
  });

  it("says how fresh the answer is, and what it counts from, with the exact sequence (gotcha 10)", async () => {
    const router = new ScriptedRouter();
    router.manual = true;
    await using node = await startHttp({ routers: [router] });
    const key = createTestName();
    const receivedAtMs = node.clock.nowMs();
    await node.records.publish(key.name, await makeRecord(key, { sequence: 2n ** 53n + 1n }), {
      origin: "client",
    });
    const facts = async (): Promise<Record<string, string | null>> => {
      const { headers } = await get(node, key.name);
      const names = ["source", "sequence", "last-updated", "age", "stale"].map((name) => `x-ipns-${name}`);
      return Object.fromEntries([...names, "x-cache-status"].map((name) => [name, headers.get(name)]));
    };
    const fresh = {
      "x-ipns-source": "sidecar-cache",
      "x-ipns-sequence": "9007199254740993",
      "x-ipns-last-updated": new Date(receivedAtMs).toISOString(),
      "x-ipns-age": "0",
      "x-ipns-stale": "false",
      "x-cache-status": "HIT",
    };
    expect(await facts()).toEqual(fresh);
    await node.clock.advance(59_999);
    expect(await facts()).toEqual({ ...fresh, "x-ipns-age": "59" });
    await node.clock.advance(1);
    expect(await facts()).toEqual({
      ...fresh,
      "x-ipns-age": "60",
      "x-ipns-stale": "true",
      "x-cache-status": "STALE",
    });
    await node.clock.advance(3_600_000);
    expect((await facts())["x-ipns-age"]).toBe("3660");
  });

  it("shows a record that turned stale within the second in which it was last read", async () => {
    await using node = await startHttp();
    const key = createTestName();
    await node.records.publish(key.name, await makeRecord(key, { ttlNs: 1_450_000_000n }), {
      origin: "client",
    });
    await node.clock.advance(1_349);
    expect((await get(node, key.name)).headers.get("x-ipns-stale")).toBe("false");
    await node.clock.advance(101);
    expect((await get(node, key.name)).headers.get("x-ipns-stale")).toBe("true");
  });

  it("R5: gives a record that was just put on the very next read, on every connection", async () => {
    await using node = await startHttp();
    const key = createTestName();
    for (let sequence = 0n; sequence < 20n; sequence++) {
      const body = await makeRecord(key, { sequence });
      const put = await fetch(`${node.url}/api/v0/routing/put?arg=${key.name.text}`, {
        method: "POST",
        body: new Uint8Array(body),
      });
      expect(put.status).toBe(200);
      const reads = await Promise.all([get(node, key.name), get(node, key.name, { method: "POST" })]);
      for (const read of reads) expect(read.headers.get("x-ipns-sequence")).toBe(String(sequence));
    }
  });

  it("R13, gotcha 5: never gives a record past its EOL, from no layer, and at its EOL still does", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const eolMs = node.clock.nowMs() + 5_000;
    await node.records.publish(key.name, await makeRecord(key, { eolMs }), { origin: "client" });
    expect((await get(node, key.name)).status).toBe(200);
    await node.clock.advance(5_000);
    expect((await get(node, key.name)).status).toBe(200);
    await node.clock.advance(1);
    expect((await get(node, key.name)).status).toBe(404);
    expect((await get(node, key.name, { headers: { "X-No-Cache": "1" } })).status).toBe(404);
  });

  it("asks the network for a name that is not held, and says so", async () => {
    const router = new ScriptedRouter();
    await using node = await startHttp({ routers: [router] });
    const key = createTestName();
    const bytes = await makeRecord(key);
    router.records.set(key.name.text, [bytes]);
    const cold = await get(node, key.name);
    expect(cold.headers.get("x-ipns-source")).toBe("kubo");
    expect(cold.headers.get("x-cache-status")).toBe("MISS");
    expect(await bytesOf(cold)).toEqual(bytes);
    const warm = await get(node, key.name);
    expect(warm.headers.get("x-ipns-source")).toBe("sidecar-cache");
    expect(router.getCount).toBe(1);
  });

  it("says 404 with Kubo's words for a name that nobody knows, and does not ask again at once (R12)", async () => {
    const router = new ScriptedRouter();
    await using node = await startHttp({ routers: [router] });
    const { name } = createTestName();
    for (let i = 0; i < 3; i++) {
      const response = await get(node, name);
      expect(response.status).toBe(404);
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}-/);
      expect(await response.json()).toMatchObject({
        Message: expect.stringContaining("routing: not found") as string,
        Type: "error",
      });
    }
    expect(router.getCount).toBe(1);
  });

  it.each([
    ["missing", ""],
    ["empty", "?arg="],
    ["empty behind /ipns/", "?arg=/ipns/"],
    ["undefined", "?arg=/ipns/undefined"],
    ["a pseudo-name", `?arg=/ipns/12D3KooW${"0".repeat(40)}`],
    ["a CID of another codec", "?arg=/ipns/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"],
    ["a name with a path", "?arg=/ipns/k51qzi5uqu5dm0t4vbwri4lkg76q03b4x9tsvekgvbu4zli6454ff7w8wdosa4/x"],
    ["a public key", "?arg=/pk/QmRp2LvtSQtCkUWCpi92ph5MdQyRtfb9jHbkNgZzGExGuG"],
    ["5,000 characters", `?arg=/ipns/${"k".repeat(5000)}`],
    ["a malformed escape", "?arg=/ipns/%zz"],
  ])("R7, gotcha 9: refuses a name that is %s with 400 and asks nobody", async (_what, query) => {
    const router = new ScriptedRouter();
    await using node = await startHttp({ routers: [router] });
    for (const method of ["GET", "POST"]) {
      const response = await fetch(`${node.url}/api/v0/routing/get${query}`, { method });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        Code: 1,
        Type: "error",
        Message: expect.any(String) as string,
      });
    }
    expect(router.getCount).toBe(0);
  });

  describe("with X-No-Cache or Cache-Control: no-cache", () => {
    it.each([{ "X-No-Cache": "1" }, { "Cache-Control": "max-age=0, no-cache" }])(
      "asks the network first: %j",
      async (headers) => {
        const router = new ScriptedRouter();
        await using node = await startHttp({ routers: [router] });
        const key = createTestName();
        await node.records.publish(key.name, await makeRecord(key, { sequence: 1n }), { origin: "client" });
        router.records.set(key.name.text, [await makeRecord(key, { sequence: 2n })]);
        expect((await get(node, key.name)).headers.get("x-ipns-sequence")).toBe("1");
        const response = await get(node, key.name, { headers });
        expect(response.headers.get("x-ipns-sequence")).toBe("2");
        expect(response.headers.get("x-cache-status")).toBe("BYPASS");
        expect(response.headers.get("x-ipns-source")).toBe("kubo");
      },
    );

    it("gives what is held when the network cannot be asked, and says so", async () => {
      const router = new ScriptedRouter();
      router.unavailable = new Error("down");
      await using node = await startHttp({ routers: [router] });
      const key = createTestName();
      await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
      const response = await get(node, key.name, { headers: { "X-No-Cache": "1" } });
      expect(response.status).toBe(200);
      expect(response.headers.get("x-cache-status")).toBe("HIT");
      expect(response.headers.get("x-ipns-source")).toBe("sidecar-cache");
    });

    it("gives what is held when the client used up its share", async () => {
      const router = new ScriptedRouter();
      const rates = { freshReadsPerClient: { perSecond: 0.001, burst: 2 } };
      await using node = await startHttp({ routers: [router], server: { rateLimits: true, rates } });
      const key = createTestName();
      await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
      router.records.set(key.name.text, [await makeRecord(key)]);
      const statuses: (string | null)[] = [];
      for (let i = 0; i < 4; i++) {
        statuses.push(
          (await get(node, key.name, { headers: { "X-No-Cache": "1" } })).headers.get("x-cache-status"),
        );
      }
      expect(statuses).toEqual(["BYPASS", "BYPASS", "HIT", "HIT"]);
    });
  });

  it("answers 304 to the tag it gave, and 200 once the record has moved", async () => {
    await using node = await startHttp();
    const key = createTestName();
    await node.records.publish(key.name, await makeRecord(key, { sequence: 1n }), { origin: "client" });
    const tag = (await get(node, key.name)).headers.get("etag") ?? "";
    expect(tag).toMatch(/^W\/"[\w-]{24}"$/);
    const unchanged = await get(node, key.name, { headers: { "If-None-Match": `"x", ${tag}` } });
    expect(unchanged.status).toBe(304);
    expect(await unchanged.text()).toBe("");
    expect(unchanged.headers.get("etag")).toBe(tag);
    await node.records.publish(key.name, await makeRecord(key, { sequence: 2n }), { origin: "client" });
    expect((await get(node, key.name, { headers: { "If-None-Match": tag } })).status).toBe(200);
  });
});
