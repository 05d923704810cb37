import { describe, expect, test } from "vitest";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { carOf } from "./support/cars.ts";
import { partsOf, rpc } from "./support/rpc.ts";
import { startAdmin } from "./support/start-http.ts";
import { startContent, type TestContent } from "./support/start-content.ts";

const BYTES_MAX = 1024 * 1024;
const BIG = bytesOf(2 * BYTES_MAX, 9);

/** The same body without a length: the node learns only while it streams that it does not fit. */
function streamed(form: FormData): Promise<RequestInit> {
  const response = new Response(form);
  const contentType = response.headers.get("content-type") ?? "";
  return Promise.resolve({
    body: response.body as never,
    headers: { "content-type": contentType },
    duplex: "half",
  } as RequestInit);
}

/** Leaves room for less than a KiB. */
async function fill(node: TestContent): Promise<string> {
  const { status, lines } = await rpc(node, "block/put", partsOf(bytesOf(BYTES_MAX - 500)));
  expect(status).toBe(200);
  return String(lines[0]?.["Key"]);
}

describe("a vault that is full", () => {
  test.for([
    { command: "add", body: () => partsOf(BIG) },
    { command: "dag/put?input-codec=raw&store-codec=raw", body: () => partsOf(bytesOf(3_000)) },
    { command: "block/put", body: () => partsOf(bytesOf(3_000)) },
    { command: "dag/import", body: () => partsOf(carOf([blockOf(BIG).cid], [blockOf(bytesOf(3_000))])) },
  ])("answers $command with 503 and Retry-After before it reads the body", async ({ command, body }) => {
    await using node = await startContent({ vaultBytesMax: BYTES_MAX });
    await fill(node);
    const refused = await rpc(node, command, body());
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("30");
    expect(refused.lines).toEqual([
      {
        Message: `the vault is full: ${BYTES_MAX - 500} of ${BYTES_MAX} bytes are taken`,
        Code: 0,
        Type: "error",
        Reason: "VAULT_FULL",
      },
    ]);
  });

  test.for(["add", "dag/import"])(
    "answers %s with 503 also when it shows only while the body streams in, and pins nothing of it",
    async (command) => {
      await using node = await startContent({ vaultBytesMax: BYTES_MAX });
      const blocks = Array.from({ length: 40 }, (_, i) => blockOf(bytesOf(100_000, i)));
      const root = blocks.at(-1)?.cid ?? blockOf("").cid;
      const body = command === "add" ? BIG : carOf([root], blocks);
      const refused = await rpc(node, command, undefined, await streamed(partsOf(body)));
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "30"]);
      expect(node.vault.heldBytes).toBeLessThanOrEqual(BYTES_MAX);
      expect(node.pinStore.list({ limit: 10 }).pins).toEqual([]);
    },
  );

  test("says cache_full to a submit, in the words of the reference system", async () => {
    await using node = await startContent({ vaultBytesMax: BYTES_MAX });
    await fill(node);
    const { cid, bytes } = blockOf(bytesOf(3_000));
    const answer = await fetch(`${node.url}/sidecar/submit?cid=${cid.toString()}`, {
      method: "POST",
      body: Buffer.from(bytes),
    });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "30"]);
    expect(await answer.json()).toMatchObject({ ok: false, outcome: "cache_full" });
  });

  test("is read as before, takes what still fits, and has lost nothing", async () => {
    await using node = await startContent({ vaultBytesMax: BYTES_MAX });
    const key = await fill(node);
    await rpc(node, "add", partsOf(BIG));
    const read = await rpc(node, `block/get?arg=${key}`);
    expect([read.status, read.bytes.byteLength]).toEqual([200, BYTES_MAX - 500]);
    expect((await rpc(node, "block/put", partsOf("small"))).status).toBe(200);
    expect((await rpc(node, "version")).status).toBe(200);
  });

  test("takes writes again when there is room", async () => {
    await using node = await startContent({ vaultBytesMax: BYTES_MAX });
    await fill(node);
    const body = (): FormData => partsOf(bytesOf(3_000));
    expect((await rpc(node, "block/put", body())).status).toBe(503);
    await node.vault.delete([blockOf(bytesOf(BYTES_MAX - 500)).cid]);
    expect((await rpc(node, "block/put", body())).status).toBe(200);
  });

  test("its bound is in /sidecar/cache-stats; without one it is null", async () => {
    await using bounded = await startContent({ vaultBytesMax: BYTES_MAX });
    await using unbounded = await startContent();
    const [one, other] = await Promise.all(
      [bounded, unbounded].map(async ({ url }) => (await fetch(`${url}/sidecar/cache-stats`)).json()),
    );
    expect(one).toMatchObject({ max_bytes: BYTES_MAX });
    expect(other).toMatchObject({ max_bytes: null });
  });

  test("the operator sees it in /ready, which stays 200, and in /metrics", async () => {
    const vault = { heldBytes: 100, bytesMax: 100, isFull: true };
    await using admin = await startAdmin({ vault });
    const ready = await fetch(`${admin.url}/ready`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({
      status: "degraded",
      reasons: ["the vault is full: writes are refused"],
      checks: { vault: { bytes: 100, bytes_max: 100, is_full: true } },
    });
    const metrics = (await (await fetch(`${admin.url}/metrics`)).json()) as Record<string, unknown>;
    expect(metrics).toMatchObject({
      holdfast: { vault: { bytes: 100, bytes_max: 100, is_full: true } },
      instant_pin_cache: { max_bytes: 100 },
    });
  });
});
