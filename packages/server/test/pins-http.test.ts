import { CID } from "multiformats/cid";
import { describe, expect, test } from "vitest";
import { adminPinWishRoutes } from "../src/http/routes/admin-pin-wish.ts";
import { blockOf, bytesOf, cidOf } from "./support/blocks.ts";
import { dagCborBlock } from "./support/cars.ts";
import { createPins, requestOf } from "./support/create-pins.ts";
import { partsOf, rpc } from "./support/rpc.ts";
import { fails, hangs, ScriptedPinner } from "./support/scripted-pinner.ts";
import { startContent, type TestContent } from "./support/start-content.ts";
import { startAdmin } from "./support/start-http.ts";
import { until } from "./support/until.ts";

type Json = Readonly<Record<string, unknown>>;

async function json(url: string, init?: RequestInit): Promise<readonly [number, Json]> {
  const response = await fetch(url, init);
  const text = await response.text();
  return [response.status, text.startsWith("{") ? (JSON.parse(text) as Json) : { text }];
}

const submit = (node: Pick<TestContent, "url">, text: string): Promise<readonly [number, Json]> => {
  const { cid, bytes } = blockOf(text);
  const url = `${node.url}/sidecar/submit?cid=${cid.toString()}`;
  return json(url, { method: "POST", body: Buffer.from(bytes) });
};

const status = (node: { readonly url: string }, cid: CID, query = ""): Promise<readonly [number, Json]> =>
  json(`${node.url}/pin-status?cid=${cid.toString()}${query}`);

describe("in front of another repository", () => {
  test("R20, R21: a submitted block is pending, and in the vault, until the backend has confirmed its pin", async () => {
    const pinner = new ScriptedPinner();
    pinner.isAway = true;
    await using node = await startContent({ pinner });
    const { cid } = blockOf("submitted");
    expect((await submit(node, "submitted"))[1]).toMatchObject({ ok: true, outcome: "accepted" });
    expect((await submit(node, "submitted"))[1]).toMatchObject({ ok: true, outcome: "already_present" });
    expect(await status(node, cid)).toMatchObject([
      200,
      { pinned: false, source: "sidecar", state: "stored" },
    ]);
    const stats = async (): Promise<Json> => (await json(`${node.url}/sidecar/cache-stats`))[1];
    expect(await stats()).toMatchObject({
      pending_entries: 1,
      confirmed_entries: 0,
      bytes_used_pending: 9,
      bytes_used_total: 9,
      promotions_succeeded: 0,
    });
    expect(await node.vault.has(cid)).toBe(true);
    pinner.isAway = false;
    expect(await status(node, cid, "&wait=pinned")).toMatchObject([200, { pinned: true, state: "pinned" }]);
    expect((await submit(node, "submitted"))[1]).toMatchObject({ ok: true, outcome: "already_confirmed" });
    const after = await stats();
    expect(after).toMatchObject({
      pending_entries: 0,
      confirmed_entries: 1,
      bytes_used_pending: 0,
      bytes_used_total: 9,
      promotions_succeeded: 1,
      promotion_failures: 0,
    });
    expect(after["promotion_attempts"]).toBeGreaterThan(0);
    expect(pinner.pinned.size).toBe(1);
  });

  test("R31: every way in makes a pin that the backend gets, recursive or not as it has to be", async () => {
    const pinner = new ScriptedPinner();
    await using node = await startContent({ pinner });
    await rpc(node, "add?cid-version=1", partsOf(bytesOf(600_000)));
    await rpc(node, "dag/put?input-codec=raw&store-codec=raw&pin=true", partsOf("put"));
    await rpc(node, "block/put?pin=true", partsOf("block"));
    await rpc(node, "block/put", partsOf("not pinned"));
    await submit(node, "submitted");
    await until(() => {
      const pins = node.pins.list({ limit: 10 }).pins;
      expect(pins.map(({ state, claim }) => [claim.source, state])).toEqual([
        ["add", "pinned"],
        ["dag-put", "pinned"],
        ["block-put", "pinned"],
        ["sidecar", "pinned"],
      ]);
    });
    expect(pinner.pinned.size).toBe(4);
    const direct = [...pinner.pinned.values()].filter(({ recursive }) => !recursive);
    expect(direct.map(({ root }) => root.toString())).toEqual([blockOf("submitted").cid.toString()]);
  });

  test.for(["dag/put", "block/put?cid-codec=dag-cbor&"])(
    "R20: a block of %s that links to what is not here is a wish, and with that it is stored",
    async (command) => {
      const pinner = new ScriptedPinner();
      pinner.isAway = true;
      await using node = await startContent({ pinner });
      const leaf = blockOf("below");
      const root = dagCborBlock({ leaf: leaf.cid });
      const put = async (): Promise<void> => {
        const query = command.includes("?") ? "pin=true" : "?pin=true&input-codec=dag-cbor";
        const { status: code } = await rpc(node, `${command}${query}`, partsOf(root.bytes));
        expect(code).toBe(200);
      };
      await put();
      expect((await status(node, root.cid))[1]).toMatchObject({ state: "queued", source: "pin-add" });
      await submit(node, "below");
      await put();
      expect((await status(node, root.cid))[1]).toMatchObject({ state: "stored" });
    },
  );

  test("a wait for a pin ends in its time with how far it is, and at once when it is dead or nobody wants it", async () => {
    const pinner = new ScriptedPinner();
    await using node = await startContent({ pinner });
    pinner.script(blockOf("slow").cid, hangs);
    pinner.script(blockOf("dead").cid, fails("CONTENT_UNSUPPORTED", "no such codec"));
    await submit(node, "slow");
    await submit(node, "dead");
    const startMs = performance.now();
    expect(await status(node, blockOf("slow").cid, "&wait=pinned&timeout=1")).toMatchObject([
      200,
      { pinned: false, state: "pinning" },
    ]);
    expect(performance.now() - startMs).toBeGreaterThan(900);
    expect(await status(node, blockOf("dead").cid, "&wait=pinned&timeout=100")).toMatchObject([
      200,
      { pinned: false, state: "dead", problem: "no such codec", attempts: 1 },
    ]);
    const { cid } = blockOf("nobody's");
    expect(await status(node, cid, "&wait=provided&timeout=100")).toEqual([
      200,
      { pinned: false, cid: cid.toString() },
    ]);
  });

  test.for([
    "wait=queued",
    "wait=",
    "wait=pinned&timeout=121",
    "wait=pinned&timeout=-1",
    "wait=stored&timeout=1s",
  ])("%s is 400 with the reason", async (query) => {
    await using node = await startContent();
    expect(await status(node, blockOf("a").cid, `&${query}`)).toEqual([400, { error: expect.any(String) }]);
  });
});

describe("/admin/pins", () => {
  test("lists pins by pages, of one state or source, with all that an operator asks", async () => {
    await using admin = await startAdmin();
    const { pins, pinner, clock } = admin.pins;
    pinner.script(blockOf("3").cid, fails("CONTENT_NOT_FOUND", "nobody has it"));
    const wishes = Array.from({ length: 5 }, (_, i) =>
      requestOf(`${i}`, { source: i === 4 ? "pin-add" : "nostr", holder: "author", name: `pin ${i}` }),
    );
    await pins.add(wishes);
    const first = await json(`${admin.url}/admin/pins?limit=3`);
    expect(first).toMatchObject([200, { pins: [{}, {}, {}], next: expect.any(Number) }]);
    const [, rest] = await json(`${admin.url}/admin/pins?limit=3&after=${String(first[1]["next"])}`);
    expect(rest).toMatchObject({ pins: [{ name: "pin 3" }, { name: "pin 4" }] });
    expect(rest).not.toHaveProperty("next");
    pins.start();
    await clock.advance(0);
    const [, queued] = await json(`${admin.url}/admin/pins?state=queued`);
    expect(queued["pins"]).toEqual([
      {
        cid: blockOf("3").cid.toString(),
        state: "failed",
        recursive: true,
        source: "nostr",
        holder: "author",
        name: "pin 3",
        created_at: "1970-01-01T00:00:01.000Z",
        attempts: 1,
        next_attempt_at: new Date(clock.nowMs() + 30_000).toISOString(),
        problem: "nobody has it",
      },
    ]);
    const [, pinned] = await json(`${admin.url}/admin/pins?state=pinned&source=pin-add`);
    expect(pinned["pins"]).toMatchObject([{ name: "pin 4", state: "pinned", pinned_at: expect.any(String) }]);
    expect((await json(`${admin.url}/admin/pins/totals`))[1]["totals"]).toEqual(
      expect.arrayContaining([
        { source: "nostr", state: "pinned", pins: 3, block_bytes: 0 },
        { source: "nostr", state: "queued", pins: 1, block_bytes: 0 },
      ]),
    );
  });

  test("an operator takes back his own wish, and what nobody owns, and nobody else's", async () => {
    const { pins, clock } = createPins();
    await using admin = await startAdmin({ pins, routes: [adminPinWishRoutes({ pins, clock })] });
    const { cid } = blockOf("wanted");
    const url = `${admin.url}/admin/pins/${cid.toString()}`;
    const wanted = ["add", "nostr", "pin-add"] as const;
    await pins.add(
      wanted.map((source) => requestOf("wanted", { source, holder: source === "nostr" ? "author" : "" })),
    );
    await json(url, { method: "POST" });
    const take = (query = "") => json(`${url}${query}`, { method: "DELETE" });
    expect(await take()).toEqual([200, { released: true, pinned_by_others: true }]);
    expect(await take()).toEqual([200, { released: false, pinned_by_others: true }]);
    expect(await take("?unowned=true")).toEqual([200, { released: true, pinned_by_others: true }]);
    expect((await json(url))[1]["claims"]).toMatchObject([{ source: "nostr", holder: "author" }]);
    await pins.release(cid, { source: "nostr", holder: "author" });
    expect(await take("?unowned=true")).toEqual([200, { released: false, pinned_by_others: false }]);
  });

  test("R28: a dead pin shows its reason, and is tried again when somebody says so", async () => {
    await using admin = await startAdmin();
    const { pins, pinner, clock } = admin.pins;
    const { cid } = blockOf("a");
    pinner.script(cid, fails("CONTENT_UNSUPPORTED", "no such codec"));
    await pins.add([requestOf("a", { source: "nostr", holder: "x" })]);
    await pins.add([requestOf("a", { source: "pin-list", createdAtMs: 2000 })]);
    pins.start();
    await clock.advance(0);
    const url = `${admin.url}/admin/pins/${cid.toString()}`;
    expect(await json(url)).toMatchObject([
      200,
      {
        state: "dead",
        problem: "no such codec",
        claims: [
          { source: "nostr", holder: "x" },
          { source: "pin-list", holder: "" },
        ],
      },
    ]);
    pinner.script(cid, () => Promise.resolve({ blocks: 1, bytes: 1 }));
    expect(await json(`${url}/retry`, { method: "POST" })).toMatchObject([200, { retried: true }]);
    await clock.advance(0);
    expect(await json(url)).toMatchObject([200, { state: "pinned" }]);
    expect(await json(`${url}/retry`, { method: "POST" })).toMatchObject([200, { retried: false }]);
  });

  test.for([
    ["/admin/pins?state=lost", 400],
    ["/admin/pins?source=somebody", 400],
    ["/admin/pins?limit=0", 400],
    ["/admin/pins?after=-1", 400],
    ["/admin/pins?limit=9999", 200],
    ["/admin/pins/nonsense", 400],
    [`/admin/pins/${cidOf(bytesOf(3)).toString()}`, 404],
  ] as const)("%s is %i", async ([path, code]) => {
    await using admin = await startAdmin();
    expect((await json(`${admin.url}${path}`))[0]).toBe(code);
  });

  test("is not on the public listener", async () => {
    await using node = await startContent();
    expect((await json(`${node.url}/admin/pins`))[0]).toBe(404);
  });
});
