import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { CarReader as ReferenceReader } from "@ipld/car";
import { create as createKuboClient } from "kubo-rpc-client";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";
import { describe, expect, test } from "vitest";
import type { Block } from "../src/content/block-store.ts";
import { blockOf, bytesOf, cidOf } from "./support/blocks.ts";
import { carOf, carV2Of, dagCborBlock } from "./support/cars.ts";
import { messageOf, partsOf, rootLine, rpc } from "./support/rpc.ts";
import { ScriptedSource } from "./support/scripted-source.ts";
import { startContent, type TestContent } from "./support/start-content.ts";
import { until } from "./support/until.ts";

const A = blockOf("leaf a");
const B = blockOf(bytesOf(1000));
const ROOT = dagCborBlock({ a: A.cid, list: [B.cid, A.cid], n: 1n });
const STRAY = blockOf("nobody links to me");
const GONE = blockOf("not in the CAR");
const INCOMPLETE = dagCborBlock({ a: A.cid, gone: GONE.cid });
const WRONG: Block = { cid: blockOf("right").cid, bytes: new TextEncoder().encode("wrong") };
const CAR = carOf([ROOT.cid], [ROOT, A, B, STRAY]);

const text = ({ cid }: Block): string => cid.toString();
const pinned = (node: TestContent): string[] =>
  node.pins.list({ limit: 100 }).pins.map(({ root }) => root.toString());

describe("dag/import", () => {
  test("stores every block, reachable or not, pins the root and answers as Kubo does", async () => {
    await using node = await startContent();
    const answer = await rpc(node, "dag/import?pin=true&stats=true&silent=true", partsOf(CAR));
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.text).toBe(
      `{"Root":{"Cid":{"/":"${text(ROOT)}"},"PinErrorMsg":""}}\n{"Stats":{"BlockCount":4,"BlockBytesCount":${ROOT.bytes.byteLength + A.bytes.byteLength + 1000 + STRAY.bytes.byteLength}}}\n`,
    );
    for (const block of [ROOT, A, B, STRAY]) {
      expect(await node.vault.has(block.cid)).toBe(true);
      expect(Buffer.compare((await rpc(node, `block/get?arg=${text(block)}`)).bytes, block.bytes)).toBe(0);
    }
    expect(pinned(node)).toEqual([text(ROOT)]);
    const told = node.added.flatMap(({ cids }) => cids.map(String));
    expect(told.toSorted()).toEqual([ROOT, A, B, STRAY].map(text).toSorted());
    expect(node.added.flatMap(({ roots }) => roots.map(String))).toEqual([text(ROOT)]);
  });

  test("several CARs in one request, and a root that two of them share", async () => {
    await using node = await startContent();
    const second = carOf([ROOT.cid, A.cid], [A]);
    const { lines } = await rpc(node, "dag/import?stats=1", partsOf(CAR, second));
    expect(lines.slice(0, -1)).toEqual([rootLine(text(ROOT)), rootLine(text(A))]);
    expect(lines.at(-1)).toMatchObject({ Stats: { BlockCount: 5 } });
  });

  test("CARs of version 2 are read", async () => {
    await using node = await startContent();
    const car = carV2Of(CAR, { padding: 5, index: bytesOf(200_000) });
    const { lines } = await rpc(node, "dag/import", partsOf(car, CAR));
    expect(lines).toEqual([rootLine(text(ROOT))]);
    expect(await node.vault.has(STRAY.cid)).toBe(true);
  });

  test("pin-roots=false stores and says nothing about roots", async () => {
    await using node = await startContent();
    const answer = await rpc(node, "dag/import?pin-roots=false", partsOf(CAR));
    expect([answer.status, answer.text]).toEqual([200, ""]);
    expect(pinned(node)).toEqual([]);
    expect(await node.vault.has(ROOT.cid)).toBe(true);
  });

  test("a root whose DAG is incomplete is not pinned, in Kubo's words, but its blocks are stored", async () => {
    await using node = await startContent();
    const car = carOf([INCOMPLETE.cid, GONE.cid, A.cid], [INCOMPLETE, A]);
    const { status, lines } = await rpc(node, "dag/import", partsOf(car));
    expect([status, lines]).toEqual([
      200,
      [
        rootLine(
          text(INCOMPLETE),
          `block was not found locally (offline): ipld: could not find ${text(GONE)}`,
        ),
        rootLine(text(GONE), `ipld: could not find ${text(GONE)}`),
        rootLine(text(A)),
      ],
    ]);
    expect(pinned(node)).toEqual([text(A)]);
    expect(await node.vault.has(INCOMPLETE.cid)).toBe(true);
  });

  test("blocks that came before complete a DAG, and the network is not asked for the missing ones", async () => {
    const source = new ScriptedSource("network", [GONE]);
    await using node = await startContent({ sources: [source] });
    const car = carOf([INCOMPLETE.cid], [INCOMPLETE, A]);
    expect((await rpc(node, "dag/import", partsOf(car))).lines[0]).not.toEqual(rootLine(text(INCOMPLETE)));
    expect(source.asked).toEqual([]);
    await rpc(node, "block/put", partsOf(GONE.bytes));
    expect((await rpc(node, "dag/import", partsOf(car))).lines).toEqual([rootLine(text(INCOMPLETE))]);
  });

  test("a block that is only cached is moved into the vault when a pin needs it", async () => {
    const source = new ScriptedSource("network", [GONE]);
    await using node = await startContent({ sources: [source] });
    await rpc(node, `block/get?arg=${text(GONE)}`);
    expect(await node.vault.has(GONE.cid)).toBe(false);
    const { lines } = await rpc(node, "dag/import", partsOf(carOf([INCOMPLETE.cid], [INCOMPLETE, A])));
    expect(lines).toEqual([rootLine(text(INCOMPLETE))]);
    expect(await node.vault.has(GONE.cid)).toBe(true);
    expect(source.asked).toHaveLength(1);
  });

  test("identity CIDs need no block, and none is kept for them", async () => {
    await using node = await startContent();
    const inlined = CID.createV1(0x55, createDigest(0, new TextEncoder().encode("inline")));
    const root = dagCborBlock({ inlined });
    const car = carOf([root.cid, inlined], [root, { cid: inlined, bytes: inlined.multihash.digest }]);
    const { lines } = await rpc(node, "dag/import", partsOf(car));
    expect(lines).toEqual([rootLine(text(root)), rootLine(inlined.toString())]);
    expect(await node.vault.has(root.cid)).toBe(true);
    expect(await node.vault.has(inlined)).toBe(false);
  });

  test("a CAR of 200 small blocks comes in batches, not one put each", async () => {
    await using node = await startContent();
    const leaves = Array.from({ length: 200 }, (_, i) => blockOf(bytesOf(100, i)));
    const root = dagCborBlock({ leaves: leaves.map(({ cid }) => cid) });
    const { lines } = await rpc(node, "dag/import", partsOf(carOf([root.cid], [root, ...leaves])));
    expect(lines).toEqual([rootLine(text(root))]);
    expect(node.added.filter(({ cids }) => cids.length > 0)).toHaveLength(1);
  });

  test("a body in pieces of one byte is read", async () => {
    await using node = await startContent();
    const form = new Response(partsOf(CAR));
    const body = Buffer.from(await form.arrayBuffer());
    const sent = httpRequest(`${node.url}/api/v0/dag/import`, {
      method: "POST",
      headers: { "content-type": form.headers.get("content-type") ?? "" },
    });
    for (const byte of body) sent.write(Buffer.of(byte));
    sent.end();
    const [answer] = (await once(sent, "response")) as [import("node:http").IncomingMessage];
    expect(Buffer.concat(await Array.fromAsync(answer)).toString()).toContain(text(ROOT));
  });
});

describe("what dag/import refuses", () => {
  test("gotcha 16: an empty POST: 400 at once, by which clients know that the route exists", async () => {
    await using node = await startContent();
    for (const command of ["dag/import", "dag/export"]) {
      const startMs = performance.now();
      const answer = await rpc(node, command);
      expect([answer.status, answer.lines[0]?.["Type"]]).toEqual([400, "error"]);
      // An upload that is waited for is given up after 30 s.
      expect(performance.now() - startMs).toBeLessThan(10_000);
    }
  });

  test.for([
    ["text", new TextEncoder().encode("hello\n")],
    ["nothing", new Uint8Array()],
    ["a CAR that ends early", CAR.subarray(0, -1)],
    ["a header alone, cut", CAR.subarray(0, 20)],
    ["trailing rubbish", Uint8Array.from(Buffer.concat([CAR, bytesOf(50)]))],
    ["a length of gigabytes", Uint8Array.from(Buffer.concat([CAR, Buffer.from("ffffffffffff3f", "hex")]))],
  ] as const)("gotcha 15: %s: Kubo's 500 for a bad CAR, a clear message, and no pin", async ([, bytes]) => {
    await using node = await startContent();
    const answer = await rpc(node, "dag/import", partsOf(bytes));
    expect([answer.status, answer.lines[0]?.["Type"], answer.lines[0]?.["Code"]]).toEqual([500, "error", 0]);
    expect(messageOf(answer)).not.toBe("");
    expect(answer.headers.get("x-request-id")).not.toBeNull();
    expect(pinned(node)).toEqual([]);
  });

  test("R19: a block with wrong bytes is not stored, its root is not pinned, and the message says which", async () => {
    await using node = await startContent();
    const car = carOf([ROOT.cid], [ROOT, A, B, WRONG]);
    const answer = await rpc(node, "dag/import", partsOf(car));
    expect(answer.status).toBe(500);
    expect(messageOf(answer)).toBe(
      `import failed after block "${text(B)}": mismatch in content integrity: the bytes are not those of ${text(WRONG)}`,
    );
    expect(await node.vault.has(WRONG.cid)).toBe(false);
    expect((await rpc(node, `block/get?arg=${text(WRONG)}`)).status).toBe(404);
    expect(pinned(node)).toEqual([]);
  });

  test("a good CAR beside a bad one pins nothing: the answer is one for both", async () => {
    await using node = await startContent();
    expect((await rpc(node, "dag/import", partsOf(CAR, carOf([], [WRONG])))).status).toBe(500);
    expect(pinned(node)).toEqual([]);
  });

  test.for(["pin-roots=x", "stats=x", "allow-big-block=x"])("%s: 400", async (query) => {
    await using node = await startContent();
    const answer = await rpc(node, `dag/import?${query}`, partsOf(CAR));
    expect(answer.status).toBe(400);
    expect(messageOf(answer)).toMatch(/could not convert value "x" to type "bool"/);
  });

  test("a CAR that is not in a multipart body: 400", async () => {
    await using node = await startContent();
    const answer = await rpc(node, "dag/import", CAR, {
      headers: { "content-type": "application/vnd.ipld.car" },
    });
    expect([answer.status, messageOf(answer)]).toEqual([400, "file argument 'path' is required"]);
  });
});

describe("dag/export", () => {
  test("gives the DAG depth first, each block once, with GET and POST", async () => {
    await using node = await startContent();
    await rpc(node, "dag/import", partsOf(CAR));
    for (const method of ["GET", "POST"]) {
      const answer = await rpc(node, `dag/export?arg=${text(ROOT)}`, undefined, {
        method,
        headers: { "accept-encoding": "gzip" },
      });
      expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/vnd.ipld.car"]);
      expect(answer.headers.get("x-stream-output")).toBe("1");
      expect(answer.headers.get("content-encoding")).toBeNull();
      expect(Buffer.compare(answer.bytes, carOf([ROOT.cid], [ROOT, A, B]))).toBe(0);
      const reader = await ReferenceReader.fromBytes(answer.bytes);
      expect((await Array.fromAsync(reader.cids())).map(String)).toEqual([ROOT, A, B].map(text));
    }
  });

  test("what was exported is imported elsewhere, and a large file survives the way", async () => {
    await using from = await startContent();
    await using to = await startContent();
    const form = new FormData();
    form.append("file", new Blob([bytesOf(5_000_000)]), "big");
    const { lines } = await rpc(from, "add", form);
    const cid = String(lines[0]?.["Hash"]);
    const car = await rpc(from, `dag/export?arg=${cid}`);
    expect((await rpc(to, "dag/import", partsOf(car.bytes))).lines).toEqual([rootLine(cid)]);
    const file = new Uint8Array(await (await fetch(`${to.url}/ipfs/${cid}`)).arrayBuffer());
    expect(Buffer.compare(file, bytesOf(5_000_000))).toBe(0);
  });

  test("blocks that are not here come from the network", async () => {
    const source = new ScriptedSource("network", [ROOT, A, B]);
    await using node = await startContent({ sources: [source] });
    const answer = await rpc(node, `dag/export?arg=${text(ROOT)}`);
    expect(Buffer.compare(answer.bytes, carOf([ROOT.cid], [ROOT, A, B]))).toBe(0);
    expect(source.asked.every(({ root }) => root?.equals(ROOT.cid))).toBe(true);
  });

  test("offline asks nobody", async () => {
    const source = new ScriptedSource("network", [ROOT, A, B]);
    await using node = await startContent({ sources: [source] });
    const answer = await rpc(node, `dag/export?arg=${text(ROOT)}&offline=true`);
    expect([answer.status, source.asked]).toEqual([404, []]);
    expect(messageOf(answer)).toBe(
      `block was not found locally (offline): ipld: could not find ${text(ROOT)}`,
    );
  });

  test("P8: a block that cannot be had breaks the transfer after what came before it", async () => {
    await using node = await startContent();
    await rpc(node, "dag/import?pin-roots=false", partsOf(carOf([], [INCOMPLETE, A])));
    const response = await fetch(`${node.url}/api/v0/dag/export?arg=${text(INCOMPLETE)}`);
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow(/terminated|aborted/);
  });

  test("a source that falls silent ends the transfer after the retrieval timeout, and not cleanly", async () => {
    const source = new ScriptedSource("network", [ROOT, A]);
    source.behaveFor(B.cid, "hangs");
    await using node = await startContent({ sources: [source], retrievalTimeoutMs: 200 });
    const response = await fetch(`${node.url}/api/v0/dag/export?arg=${text(ROOT)}`);
    await expect(response.arrayBuffer()).rejects.toThrow(/terminated|aborted/);
    const unknown = await rpc(node, `block/get?arg=${text(B)}`);
    expect(unknown.status).toBe(504);
  });

  test("a client that leaves stops the reading", async () => {
    const source = new ScriptedSource("network", [ROOT]);
    source.behaveFor(A.cid, "hangs");
    source.behaveFor(B.cid, "hangs");
    await using node = await startContent({ sources: [source] });
    const leave = new AbortController();
    const response = await fetch(`${node.url}/api/v0/dag/export?arg=${text(ROOT)}`, { signal: leave.signal });
    const waiting = () => source.asked.filter(({ cid }) => !cid.equals(ROOT.cid));
    await until(() => expect(waiting().length).toBeGreaterThan(0));
    leave.abort();
    await expect(response.arrayBuffer()).rejects.toThrow(/terminated|aborted/);
    await until(() => expect(waiting().every(({ signal }) => signal.aborted)).toBe(true));
  });

  test("a block that is no DAG of its codec has a status, not a broken transfer", async () => {
    await using node = await startContent();
    await rpc(node, "block/put?cid-codec=dag-cbor", partsOf("not CBOR"));
    await rpc(node, "block/put?cid-codec=libp2p-key", partsOf("unknown"));
    const malformed = cidOf(Buffer.from("not CBOR"), 0x71).toString();
    const unknown = cidOf(Buffer.from("unknown"), 0x72).toString();
    expect((await rpc(node, `dag/export?arg=${malformed}`)).status).toBe(400);
    expect((await rpc(node, `dag/export?arg=${unknown}`)).status).toBe(406);
  });
});

test("kubo-rpc-client 7.1.0 imports and exports, unmodified", async () => {
  await using node = await startContent();
  const client = createKuboClient({ url: `${node.url}/api/v0` });
  const roots: string[] = [];
  for await (const { root } of client.dag.import([[CAR]] as never)) {
    roots.push(`${root.cid.toString()} ${root.pinErrorMsg ?? ""}`);
  }
  expect(roots).toEqual([`${text(ROOT)} `]);
  const pieces = await Array.fromAsync(client.dag.export(CID.parse(text(ROOT)) as never));
  expect(Buffer.compare(Buffer.concat(pieces), carOf([ROOT.cid], [ROOT, A, B]))).toBe(0);
  const none: unknown[] = [];
  for await (const item of client.dag.import([[CAR]] as never, { pinRoots: false })) none.push(item);
  expect(none).toEqual([]);
  const refused = Array.fromAsync(client.dag.import([[new TextEncoder().encode("no CAR")]] as never));
  await expect(refused).rejects.toThrow(/EOF|header/);
});
