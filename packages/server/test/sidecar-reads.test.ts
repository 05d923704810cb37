import { once } from "node:events";
import { CID } from "multiformats/cid";
import { describe, expect, test } from "vitest";
import { blockOf, bytesOf, cidOf } from "./support/blocks.ts";
import { carOf, dagCborBlock } from "./support/cars.ts";
import { damageVault } from "./support/damage-vault.ts";
import { requestOf } from "./support/create-pins.ts";
import { partsOf, rpc } from "./support/rpc.ts";
import { ScriptedSource } from "./support/scripted-source.ts";
import { openSocket, startContent, type TestContent } from "./support/start-content.ts";
import { startAdmin } from "./support/start-http.ts";

type Json = Readonly<Record<string, unknown>>;

const submit = (node: TestContent, cid: CID, bytes: Uint8Array): Promise<Response> =>
  fetch(`${node.url}/sidecar/submit?cid=${cid.toString()}`, { method: "POST", body: Buffer.from(bytes) });

async function json(url: string): Promise<readonly [number, Json]> {
  const response = await fetch(url);
  return [response.status, (await response.json()) as Json];
}

describe("/sidecar/blob", () => {
  test.for([
    ["GET", "cid"],
    ["GET", "arg"],
    ["POST", "cid"],
    ["POST", "arg"],
    ["HEAD", "cid"],
  ] as const)("%s with %s gives the bytes as nothing that a browser renders", async ([method, parameter]) => {
    await using node = await startContent();
    const { cid, bytes } = blockOf("<html><script>alert(1)</script></html>");
    await submit(node, cid, bytes);
    const headers = { accept: "text/html", "accept-encoding": "gzip" };
    const response = await fetch(`${node.url}/sidecar/blob?${parameter}=${cid.toString()}`, {
      method,
      headers,
    });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": String(bytes.byteLength),
      "x-content-type-options": "nosniff",
      "x-sidecar-cache": "hit",
    });
    expect(response.headers.has("content-encoding")).toBe(false);
    const got = new Uint8Array(await response.arrayBuffer());
    expect(got).toEqual(method === "HEAD" ? new Uint8Array() : bytes);
  });

  test("gives what is held here, whoever brought it", async () => {
    const block = blockOf("from a peer");
    await using node = await startContent({ sources: [new ScriptedSource("peer", [block])] });
    expect((await fetch(`${node.url}/sidecar/blob?cid=${block.cid.toString()}`)).status).toBe(404);
    await fetch(`${node.url}/ipfs/${block.cid.toString()}`);
    const response = await fetch(`${node.url}/sidecar/blob?cid=${block.cid.toString()}`);
    expect([response.status, await response.text()]).toEqual([200, "from a peer"]);
    expect((await fetch(`${node.url}/sidecar/blob?cid=bafkqablimvwgy3y`)).status).toBe(200);
  });

  test("what is not held is 404 without asking anybody", async () => {
    const source = new ScriptedSource("peer");
    source.behaviour = "hangs";
    await using node = await startContent({ sources: [source] });
    const response = await fetch(`${node.url}/sidecar/blob?cid=${cidOf(bytesOf(5)).toString()}`);
    expect(response.status).toBe(404);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.has("x-sidecar-cache")).toBe(false);
    expect(source.asked).toEqual([]);
  });

  test("R22: a POST whose body never comes gets its 404", async () => {
    await using node = await startContent();
    const socket = await openSocket(node.http.port);
    const target = `/sidecar/blob?arg=${cidOf(bytesOf(5)).toString()}`;
    socket.write(`POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString("latin1")).toMatch(/^HTTP\/1\.1 404 /);
    socket.destroy();
  });

  test("a damaged copy is 404, never its bytes, and no source is asked in its place", async () => {
    const block = blockOf(bytesOf(100_000));
    const source = new ScriptedSource("peer", [block]);
    await using node = await startContent({ sources: [source] });
    await submit(node, block.cid, block.bytes);
    await damageVault(node.vaultDirectory);
    expect((await fetch(`${node.url}/sidecar/blob?cid=${block.cid.toString()}`)).status).toBe(404);
    expect(source.asked).toEqual([]);
  });

  test("what is no CID is 400, and other paths and methods do not exist", async () => {
    await using node = await startContent();
    expect((await fetch(`${node.url}/sidecar/blob?cid=nonsense`)).status).toBe(400);
    expect((await fetch(`${node.url}/sidecar/blob`)).status).toBe(400);
    for (const path of ["/sidecar", "/sidecar/", "/sidecar/health", "/sidecar/blob/x", "/sidecar/evict"]) {
      for (const method of ["GET", "POST"]) {
        expect([path, (await fetch(node.url + path, { method })).status]).toEqual([path, 404]);
      }
    }
    expect((await fetch(`${node.url}/sidecar/submit`)).status).toBe(405);
    expect((await fetch(`${node.url}/sidecar/blob`, { method: "DELETE" })).status).toBe(405);
  });
});

describe("/sidecar/cache-stats", () => {
  test("R21: counts the bytes held by state, each block once, and what was asked and refused", async () => {
    await using node = await startContent({ addLimits: { bodiesBytesMax: 10_000 } });
    const stats = async (): Promise<Json> => (await json(`${node.url}/sidecar/cache-stats`))[1];
    expect(await stats()).toMatchObject({ enabled: true, confirmed_entries: 0, bytes_used_total: 0 });
    const [one, two] = [blockOf(bytesOf(100)), blockOf(bytesOf(250, 2))];
    for (const { cid, bytes } of [one, two, one]) await submit(node, cid, bytes);
    await submit(node, cidOf(one.bytes, 0x71), one.bytes);
    await submit(node, one.cid, two.bytes);
    await submit(node, cidOf(bytesOf(20_000)), bytesOf(20_000));
    await fetch(`${node.url}/sidecar/blob?cid=${one.cid.toString()}`);
    await fetch(`${node.url}/sidecar/blob?cid=${cidOf(bytesOf(7)).toString()}`);
    await fetch(`${node.url}/sidecar/submit?cid=${one.cid.toString()}`, {
      method: "POST",
      body: Buffer.alloc(32 * 1024 * 1024 + 1),
    });
    expect(await stats()).toEqual({
      enabled: true,
      pending_entries: 0,
      confirmed_entries: 3,
      bytes_used_pending: 0,
      bytes_used_total: 350,
      max_bytes: null,
      max_entries: null,
      accepted_submits: 2,
      rejected_full: 1,
      rejected_too_large: 1,
      promotions_succeeded: 0,
      promotion_attempts: 0,
      promotion_failures: 0,
      promotion_timeout_alerts: 0,
      cache_hits: 1,
      cache_misses: 1,
    });
  });
});

describe("/pin-status", () => {
  const status = (node: { readonly url: string }, cid: string): Promise<readonly [number, Json]> =>
    json(`${node.url}/pin-status?cid=${cid}`);

  test("R31: a pin from any source is told, with its source and time", async () => {
    await using node = await startContent();
    const startMs = Date.now();
    const root = dagCborBlock({ a: 1 });
    await rpc(node, "dag/import", partsOf(carOf([root.cid], [root])));
    const added = await rpc(node, "add?cid-version=1", partsOf("added"));
    await rpc(node, "dag/put?input-codec=raw&store-codec=raw&pin=true", partsOf("put"));
    await rpc(node, "block/put?pin=true", partsOf("block"));
    await submit(node, blockOf("submitted").cid, blockOf("submitted").bytes);
    const expected = {
      "dag-import": root.cid.toString(),
      add: String(added.lines[0]?.["Hash"]),
      "dag-put": blockOf("put").cid.toString(),
      "block-put": blockOf("block").cid.toString(),
      sidecar: blockOf("submitted").cid.toString(),
    };
    for (const [source, cid] of Object.entries(expected)) {
      const [code, body] = await status(node, cid);
      const facts = { pinned: true, cid, source, pinned_at: expect.any(String) as string };
      expect([code, body]).toEqual([200, { ...facts, state: "pinned", attempts: 0 }]);
      const pinnedAtMs = Date.parse(String(body["pinned_at"]));
      expect(pinnedAtMs).toBeGreaterThanOrEqual(startMs);
      expect(pinnedAtMs).toBeLessThanOrEqual(Date.now());
    }
  });

  test("what has no pin is 200 with pinned false, held or not", async () => {
    await using node = await startContent();
    await rpc(node, "block/put", partsOf("unpinned"));
    for (const { cid } of [blockOf("unpinned"), blockOf("never seen")]) {
      expect(await status(node, cid.toString())).toEqual([200, { pinned: false, cid: cid.toString() }]);
    }
  });

  test("every spelling of a CID is the same pin and is echoed as it came", async () => {
    await using node = await startContent();
    const v1 = cidOf(Buffer.from([10, 0]), 0x70);
    await submit(node, v1, Buffer.from([10, 0]));
    const v0 = CID.createV0(v1.multihash as never).toString();
    expect(await status(node, v0)).toMatchObject([200, { pinned: true, cid: v0 }]);
  });

  test("R31: a pin whose block was lost is not called pinned", async () => {
    await using node = await startContent();
    const { cid, bytes } = blockOf(bytesOf(100_000));
    await submit(node, cid, bytes);
    await damageVault(node.vaultDirectory);
    expect(await node.vault.get(cid)).toBeUndefined();
    expect(await status(node, cid.toString())).toMatchObject([200, { pinned: false, state: "failed" }]);
    // The pin is still there, so that the bytes are all it takes to mend it.
    expect((await submit(node, cid, bytes)).status).toBe(200);
    expect(await status(node, cid.toString())).toMatchObject([200, { pinned: true, source: "sidecar" }]);
  });

  test.for(["", "nonsense", "%2Fipfs%2Fx", "bafy%00"])("%j is 400 with the reason", async (cid) => {
    await using node = await startContent();
    expect(await status(node, cid)).toEqual([400, { error: expect.any(String) }]);
  });

  test("the admin listener has it too, and its metrics count pins and submitted blocks", async () => {
    await using admin = await startAdmin();
    const { cid, bytes } = blockOf("pinned");
    const blockBytes = bytes.byteLength;
    await admin.pins.pins.add([
      requestOf(cid, { source: "sidecar", isStored: true, blockBytes }),
      requestOf("another", { source: "sidecar", isStored: true, blockBytes: 5 }),
      requestOf("a third"),
    ]);
    const claimed = { cid: cid.toString(), source: "sidecar", attempts: 0 };
    expect(await status(admin, cid.toString())).toEqual([
      200,
      { ...claimed, pinned: false, state: "stored" },
    ]);
    const settled = { kind: "pinned", recursive: true, provides: false } as const;
    const atMs = Date.UTC(2026, 10, 25, 12);
    await admin.pins.store.settle([{ root: cid, outcome: { ...settled, atMs } }]);
    expect(await status(admin, cid.toString())).toEqual([
      200,
      { ...claimed, pinned: true, pinned_at: "2026-11-25T12:00:00.000Z", state: "pinned" },
    ]);
    expect((await status(admin, "nonsense"))[0]).toBe(400);
    expect((await json(`${admin.url}/metrics`))[1]).toMatchObject({
      database: { total_pinned_cids: 1 },
      session: { cids_queued: 3 },
      instant_pin_cache: {
        confirmed_entries: 1,
        pending_entries: 1,
        bytes_used_pending: 5,
        bytes_used_total: blockBytes + 5,
      },
    });
  });
});
