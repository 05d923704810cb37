import { parseCid } from "@holdfast/core";
import { create as createKuboClient } from "kubo-rpc-client";
import { CID } from "multiformats/cid";
import { describe, expect, test } from "vitest";
import { bytesOf, cidOf } from "./support/blocks.ts";
import { dagCborBlock } from "./support/cars.ts";
import { messageOf, partsOf, rpc } from "./support/rpc.ts";
import { startContent } from "./support/start-content.ts";

const HELLO = '{"hello":"world"}';

describe("dag/put", () => {
  test("answers the CID in Kubo's form, one line for each part, and all of them are readable at once", async () => {
    await using node = await startContent();
    const answer = await rpc(node, "dag/put", partsOf(HELLO, "[1,2.0,null]"));
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.lines[0]).toEqual({
      Cid: { "/": "bafyreidykglsfhoixmivffc5uwhcgshx4j465xwqntbmu43nb2dzqwfvae" },
    });
    expect(answer.lines).toHaveLength(2);
    for (const { Cid } of answer.lines) {
      const cid = parseCid((Cid as { "/": string })["/"]);
      expect(await node.vault.has(cid)).toBe(true);
    }
    const cids = node.added.flatMap(({ roots }) => roots.map(String));
    expect(cids).toEqual(answer.lines.map(({ Cid }) => (Cid as { "/": string })["/"]));
  });

  test("R24, gotcha 16: bytes put as raw are found under the CID of another codec, by every way to read", async () => {
    await using node = await startContent();
    const block = dagCborBlock({ a: 1n, b: "x" });
    const query = "input-codec=raw&store-codec=raw&pin=true&hash=sha2-256";
    const { lines } = await rpc(node, `dag/put?${query}`, partsOf(block.bytes));
    const raw = cidOf(block.bytes).toString();
    expect(lines).toEqual([{ Cid: { "/": raw } }]);
    expect([raw.slice(0, 7), block.cid.toString().slice(0, 7)]).toEqual(["bafkrei", "bafyrei"]);
    for (const cid of [raw, block.cid.toString()]) {
      const got = await rpc(node, `block/get?arg=${cid}`);
      expect(Buffer.compare(got.bytes, block.bytes)).toBe(0);
      const asRaw = await fetch(`${node.url}/ipfs/${cid}?format=raw`);
      expect([asRaw.status, asRaw.headers.get("etag")]).toEqual([200, `"${cid}.raw"`]);
      expect(Buffer.compare(new Uint8Array(await asRaw.arrayBuffer()), block.bytes)).toBe(0);
    }
    const page = await fetch(`${node.url}/ipfs/${block.cid.toString()}`, {
      headers: { accept: "application/vnd.ipld.dag-cbor" },
    });
    expect(page.status).toBe(200);
    expect(Buffer.compare(new Uint8Array(await page.arrayBuffer()), block.bytes)).toBe(0);
  });

  test("a part without a name, a filename or a type is taken", async () => {
    await using node = await startContent();
    const body = `--b\r\nContent-Disposition: form-data\r\n\r\n${HELLO}\r\n--b--\r\n`;
    const { lines } = await rpc(node, "dag/put", body, {
      headers: { "content-type": "multipart/form-data; boundary=b" },
    });
    expect(lines).toHaveLength(1);
  });

  test.for([
    ["pin=true", 1],
    ["pin=false", 0],
    ["", 0],
  ] as const)("with '%s' it makes %i pins", async ([query, count]) => {
    await using node = await startContent();
    await rpc(node, `dag/put?pin-name=n&${query}`, partsOf(HELLO));
    const pins = node.pins.list({ limit: 10 }).pins;
    const claim = expect.objectContaining({ name: "n", source: "dag-put" }) as unknown;
    const expected = { recursive: true, state: "pinned", claim };
    expect(pins).toEqual(Array.from({ length: count }, () => expect.objectContaining(expected) as unknown));
  });

  test.for([
    [
      "hash=sha2-512",
      "bafyrgqhai26anf3i7pips7q22coa4sz2fr4gk4q4sqdtymvvjyginfzaqewveaeqdh524nsktaq43j65v22xxrybrtertmcfxufdam3da3hbk",
    ],
    ["hash=sha3-256", "bafyrmidyqnbqbeh5lmkwavjizfmsz6ezwvjleweh5frwk56akfyugoio2e"],
    ["hash=sha1", "bafyrcfdrd6gcbto2jratdl4w5pmpxuvykhnnhay"],
    [
      "hash=sha2-384",
      "bafysamfukkfreiro4gh7f6g7kc7fzw4wy7mkn2ei7pvb6xc5ybw35s4kkctotnkaf36ayncocaj4ypqfvzjq",
    ],
  ] as const)("%s gives the CID that Kubo gives, and the block is readable", async ([query, cid]) => {
    await using node = await startContent();
    const { lines } = await rpc(node, `dag/put?${query}`, partsOf(HELLO));
    expect(lines).toEqual([{ Cid: { "/": cid } }]);
    expect((await rpc(node, `block/get?arg=${cid}`)).bytes).toHaveLength(13);
  });

  test.for([
    ["input-codec=foo", /unknown multicodec/],
    ["store-codec=foo", /unknown multicodec/],
    ["store-codec=libp2p-key", /no encoder/],
    ["store-codec=raw", /only bytes/],
    ["hash=blake3", /not offered/],
    ["hash=identity", /not offered/],
    ["pin=maybe", /type "bool"/],
    ["allow-big-block=maybe", /type "bool"/],
    [`pin-name=${"n".repeat(256)}`, /longer than 255 bytes/],
    ["input-codec=dag-cbor", /malformed CBOR/],
  ] as const)("%s: 400 with the reason, and nothing is stored or pinned", async ([query, message]) => {
    await using node = await startContent();
    const answer = await rpc(node, `dag/put?${query}&pin=true`, partsOf(HELLO));
    expect([answer.status, answer.lines[0]?.["Type"]]).toEqual([400, "error"]);
    expect(messageOf(answer)).toMatch(message);
    expect(node.pins.list({ limit: 1 }).pins).toEqual([]);
    expect(node.added).toEqual([]);
  });

  test("one bad part refuses the whole request: no pin, no answer for the good one", async () => {
    await using node = await startContent();
    expect((await rpc(node, "dag/put?pin=true", partsOf(HELLO, "nope"))).status).toBe(400);
    expect(node.pins.list({ limit: 1 }).pins).toEqual([]);
  });

  test.for([
    [undefined, /file argument 'object data' is required/],
    ["not multipart", /file argument 'object data' is required/],
  ] as const)("a body that is not multipart (%s): 400", async ([body, message]) => {
    await using node = await startContent();
    const answer = await rpc(node, "dag/put", body);
    expect(answer.status).toBe(400);
    expect(messageOf(answer)).toMatch(message);
  });

  test.for(["application/x-directory", "application/symlink"])("a part of type %s: 400", async (type) => {
    await using node = await startContent();
    const form = new FormData();
    form.append("data", new File([HELLO], "d", { type }));
    expect((await rpc(node, "dag/put", form)).status).toBe(400);
  });
});

describe("block/put, block/get and block/stat", () => {
  test("a block goes in and comes out, byte for byte, with GET and POST", async () => {
    await using node = await startContent();
    const bytes = bytesOf(300_000);
    const { lines } = await rpc(node, "block/put", partsOf(bytes, "hello"));
    const cid = cidOf(bytes).toString();
    expect(lines).toEqual([
      { Key: cid, Size: 300_000 },
      { Key: cidOf(Buffer.from("hello")).toString(), Size: 5 },
    ]);
    for (const method of ["GET", "POST"]) {
      const got = await rpc(node, `block/get?arg=${cid}`, undefined, {
        method,
        headers: { "accept-encoding": "gzip", accept: "text/html" },
      });
      expect([got.status, got.headers.get("content-type")]).toEqual([200, "application/vnd.ipld.raw"]);
      expect(got.headers.get("content-length")).toBe("300000");
      expect(got.headers.get("content-encoding")).toBeNull();
      expect(got.headers.get("x-content-type-options")).toBe("nosniff");
      expect(Buffer.compare(got.bytes, bytes)).toBe(0);
    }
    expect((await rpc(node, `block/stat?arg=${cid}`)).lines).toEqual([{ Key: cid, Size: 300_000 }]);
  });

  test.for(["", "/ipfs/", "ipfs://"])("the CID is taken with '%s' in front", async (prefix) => {
    await using node = await startContent();
    expect((await rpc(node, `block/get?arg=${prefix}bafkqablimvwgy3y`)).text).toBe("hello");
    expect((await rpc(node, `block/stat?arg=${prefix}bafkqablimvwgy3y`)).lines).toEqual([
      { Key: "bafkqablimvwgy3y", Size: 5 },
    ]);
  });

  test.for([
    ["format=v0", "QmYGx7Wzqe5prvEsTSzYBQN8xViYUM9qsWJSF5EENLcNmM"],
    ["format=raw", "bafkreietui4xdkiu4xvmx4fi2jivjtndbhb4drzpxomrjvd4mdz4w2avra"],
    ["format=protobuf", "bafybeietui4xdkiu4xvmx4fi2jivjtndbhb4drzpxomrjvd4mdz4w2avra"],
    ["format=cbor", "bafyreietui4xdkiu4xvmx4fi2jivjtndbhb4drzpxomrjvd4mdz4w2avra"],
    ["format=v0&cid-codec=raw", "QmYGx7Wzqe5prvEsTSzYBQN8xViYUM9qsWJSF5EENLcNmM"],
    [
      "cid-codec=dag-pb&mhtype=sha2-256&mhlen=32",
      "bafybeietui4xdkiu4xvmx4fi2jivjtndbhb4drzpxomrjvd4mdz4w2avra",
    ],
    ["cid-codec=json&mhlen=-1", "bagaaierasords4njcts6vs7qvdjfcvgnume4hqohf65zsfguprqphs3icwea"],
    ["cid-codec=0x71", "bafyreietui4xdkiu4xvmx4fi2jivjtndbhb4drzpxomrjvd4mdz4w2avra"],
    ["mhtype=sha1", "bafkrcfbcjdxc7ifkvlmzc6ctd6jex4aljmfi6tq"],
    [
      "mhtype=sha2-512",
      "bafkrgqhy7nujai2hulecru4mgdq4gylxrse4mezdf422gdacvuvqiginhych7w77h22l76aubnpyef7f2zsfbqv7wufdwuzhhlyrsijxecmvm",
    ],
  ] as const)("%s gives the key that Kubo gives", async ([query, key]) => {
    await using node = await startContent();
    expect((await rpc(node, `block/put?${query}`, partsOf(HELLO))).lines).toEqual([{ Key: key, Size: 17 }]);
    expect((await rpc(node, `block/get?arg=${key}`)).text).toBe(HELLO);
  });

  test.for([
    "cid-codec=foo",
    "format=foo",
    "format=v0&cid-codec=dag-json",
    "format=v0&mhtype=sha1",
    "mhtype=blake3",
    "mhtype=identity",
    "mhtype=md5",
    "mhlen=20",
    "mhlen=0",
    "mhlen=x",
    "mhtype=sha2-512&mhlen=32",
  ])("%s: 400, and nothing is stored", async (query) => {
    await using node = await startContent();
    const answer = await rpc(node, `block/put?${query}&pin=true`, partsOf(HELLO));
    expect([answer.status, answer.lines[0]?.["Type"]]).toEqual([400, "error"]);
    expect(await node.vault.has(cidOf(Buffer.from(HELLO)))).toBe(false);
    expect(node.pins.list({ limit: 1 }).pins).toEqual([]);
  });

  test("pin is off unless it is asked for", async () => {
    await using node = await startContent();
    await rpc(node, "block/put", partsOf("a"));
    await rpc(node, "block/put?pin=true", partsOf("b"));
    expect(
      node.pins.list({ limit: 10 }).pins.map(({ root, claim }) => [root.toString(), claim.source]),
    ).toEqual([[cidOf(Buffer.from("b")).toString(), "block-put"]]);
  });

  test.for([
    ["block/get", 400],
    ["block/stat", 400],
    ["dag/export", 400],
    ["block/get?arg=garbage", 400],
    ["block/get?arg=undefined", 400],
    [`block/get?arg=bafkqaaa/below`, 400],
    [`block/get?arg=/ipns/bafkqaaa`, 400],
    [`block/get?arg=${cidOf(bytesOf(9)).toString()}`, 404],
    [`block/get?arg=${cidOf(bytesOf(9)).toString()}&offline=true`, 404],
    [`block/stat?arg=${cidOf(bytesOf(9)).toString()}`, 404],
    [`dag/export?arg=${cidOf(bytesOf(9)).toString()}`, 404],
  ] as const)(
    "gotcha 15: %s: %i in Kubo's form (JSON also for a missing argument: HTTP contract, rule 7)",
    async ([command, status]) => {
      await using node = await startContent();
      const answer = await rpc(node, command);
      expect([answer.status, answer.lines[0]?.["Type"]]).toEqual([status, "error"]);
      expect(answer.headers.get("cache-control")).toBe("no-store");
      expect(answer.headers.get("x-request-id")).not.toBeNull();
    },
  );

  test("R35: every answer of these routes carries one Access-Control-Allow-Origin", async () => {
    await using node = await startContent();
    const commands = [
      "block/get?arg=bafkqaaa",
      "block/get",
      "block/stat?arg=x",
      "block/put",
      "dag/put",
      "dag/import",
      "dag/export?arg=bafkqaaa",
      "dag/export",
    ];
    for (const command of commands) {
      const { headers } = await rpc(node, command, undefined, { headers: { origin: "http://app.example" } });
      expect([command, headers.get("access-control-allow-origin")]).toEqual([command, "*"]);
    }
  });

  test("R37: writing is POST only, and what is not offered stays 404 with any method", async () => {
    await using node = await startContent();
    for (const command of ["add", "dag/put", "dag/import", "block/put", "block/stat"]) {
      expect((await fetch(`${node.url}/api/v0/${command}`)).status).toBe(405);
    }
    for (const command of [
      "dag/get",
      "dag/resolve",
      "dag/stat",
      "block/rm",
      "dag",
      "block",
      "pin/rm",
      "cat",
    ]) {
      for (const method of ["GET", "POST", "PUT", "DELETE"]) {
        const response = await fetch(`${node.url}/api/v0/${command}?arg=bafkqaaa`, { method });
        expect([command, method, response.status]).toEqual([command, method, 404]);
      }
    }
  });
});

describe("kubo-rpc-client 7.1.0, unmodified", () => {
  test("dag.put with its codecs", async () => {
    await using node = await startContent();
    const client = createKuboClient({ url: `${node.url}/api/v0` });
    const cid = await client.dag.put({ hello: "world" });
    expect(cid.toString()).toBe("bafyreidykglsfhoixmivffc5uwhcgshx4j465xwqntbmu43nb2dzqwfvae");
    const json = await client.dag.put({ hello: "world" }, { storeCodec: "dag-json" });
    expect(json.toString()).toBe("baguqeerasords4njcts6vs7qvdjfcvgnume4hqohf65zsfguprqphs3icwea");
    const pb = await client.dag.put(
      { Data: Uint8Array.of(8, 1), Links: [] },
      { storeCodec: "dag-pb", pin: true },
    );
    expect(pb.toString()).toBe("bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
    const raw = await client.dag.put(bytesOf(1000), { inputCodec: "raw", storeCodec: "raw" } as never);
    expect(raw.toString()).toBe(cidOf(bytesOf(1000)).toString());
    expect(node.pins.list({ limit: 10 }).pins.map(({ root }) => root.toString())).toEqual([pb.toString()]);
    await expect(client.dag.put(bytesOf(9), { inputCodec: "dag-json" } as never)).rejects.toThrow(/JSON/);
  });

  test("block.put, block.get and block.stat", async () => {
    await using node = await startContent();
    const client = createKuboClient({ url: `${node.url}/api/v0` });
    const bytes = bytesOf(100_000);
    const cid = await client.block.put(bytes);
    expect(cid.toString()).toBe(cidOf(bytes).toString());
    expect(Buffer.compare(await client.block.get(cid), bytes)).toBe(0);
    const { cid: statCid, size } = await client.block.stat(cid);
    expect([statCid.toString(), size]).toEqual([cid.toString(), 100_000]);
    const v0 = await client.block.put(Buffer.from(HELLO), { format: "v0", pin: true } as never);
    expect(v0.toString()).toBe("QmYGx7Wzqe5prvEsTSzYBQN8xViYUM9qsWJSF5EENLcNmM");
    expect(node.pins.get(CID.parse(v0.toString()))).toBeDefined();
    await expect(client.block.get(CID.parse(cidOf(bytesOf(7)).toString()) as never)).rejects.toThrow(
      /not found/,
    );
  });
});
