import { CID } from "multiformats/cid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blockOf, bytesOf, cidOf } from "./support/blocks.ts";
import { carOf, dagCborBlock } from "./support/cars.ts";
import { partsOf, rpc, type RpcAnswer } from "./support/rpc.ts";
import { startContent, type TestContent } from "./support/start-content.ts";
import { type Kubo, kuboAvailable, startKubo } from "./support/start-kubo.ts";

/** Kubo's answer to the same request, also when it refuses. */
async function kuboRpc(kubo: Kubo, command: string, body?: FormData): Promise<RpcAnswer> {
  return rpc({ url: kubo.apiUrl }, command, body);
}

const byText = (lines: RpcAnswer["lines"]): string[] => lines.map((line) => JSON.stringify(line)).toSorted();
const cidsOf = ({ lines }: RpcAnswer): unknown[] =>
  lines.map(({ Cid, Key, Hash }) => Hash ?? Key ?? (Cid as { "/": string } | undefined)?.["/"]);

describe.skipIf(!kuboAvailable)("beside real Kubo 0.43", () => {
  let kubo: Kubo;
  let node: TestContent;
  beforeAll(async () => {
    // Offline: a missing block is missing at once, in the words that we use too.
    [kubo, node] = await Promise.all([
      startKubo({ label: "writing", config: { Routing: { Type: "none" } } }),
      startContent(),
    ]);
  }, 60_000);
  afterAll(async () => {
    await kubo?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  describe("a DAG that Kubo made", () => {
    const trees = {
      "a small file": { query: "", files: { "x.txt": bytesOf(100) } },
      "a large file": { query: "", files: { big: bytesOf(3_000_000) } },
      "a large file of raw leaves": { query: "cid-version=1", files: { big: bytesOf(3_000_000, 2) } },
      "small chunks, several levels": { query: "chunker=size-100", files: { big: bytesOf(100_000, 3) } },
      "a tree": {
        query: "wrap-with-directory=true",
        files: { "a/b/c": bytesOf(10), "a/d": bytesOf(20), "ü &": bytesOf(300_000, 4) },
      },
    };

    test.for(Object.entries(trees))(
      "%s: exported there, imported here, exported here, imported there",
      async ([, tree]) => {
        const form = new FormData();
        for (const [name, bytes] of Object.entries(tree.files)) {
          form.append("file", new Blob([new Uint8Array(bytes)]), encodeURIComponent(name));
        }
        const root = String(cidsOf(await kuboRpc(kubo, `add?${tree.query}`, form)).at(-1));
        const car = await kuboRpc(kubo, `dag/export?arg=${root}`);

        const imported = await rpc(node, "dag/import?stats=true", partsOf(car.bytes));
        const theirs = await kuboRpc(kubo, "dag/import?stats=true", partsOf(car.bytes));
        expect(byText(imported.lines)).toEqual(byText(theirs.lines));
        expect(node.pins.get(CID.parse(root))).toMatchObject({ recursive: true });

        const exported = await rpc(node, `dag/export?arg=${root}`);
        expect(Buffer.compare(exported.bytes, car.bytes)).toBe(0);
        await using empty = await startContent();
        expect(byText((await rpc(empty, "dag/import", partsOf(exported.bytes))).lines)).toEqual([
          `{"Root":{"Cid":{"/":"${root}"},"PinErrorMsg":""}}`,
        ]);
      },
    );
  });

  test("a DAG that we made is imported there without an error, and has the CID that Kubo gives", async () => {
    const form = (): FormData => {
      const parts = new FormData();
      parts.append("file", new File([""], "d", { type: "application/x-directory" }));
      parts.append("file", new File([""], "d%2Fempty", { type: "application/x-directory" }));
      parts.append("file", new File(["../x"], "d%2Flink", { type: "application/symlink" }));
      parts.append("file", new File([bytesOf(600_000, 9)], "d%2Ff%C3%BC.bin"));
      return parts;
    };
    const ours = await rpc(node, "add", form());
    const theirs = await kuboRpc(kubo, "add", form());
    expect(byText(ours.lines)).toEqual(byText(theirs.lines));
    const root = String(cidsOf(ours).at(-1));
    const car = await rpc(node, `dag/export?arg=${root}`);
    expect(byText((await kuboRpc(kubo, "dag/import", partsOf(car.bytes))).lines)).toEqual([
      `{"Root":{"Cid":{"/":"${root}"},"PinErrorMsg":""}}`,
    ]);
  });

  describe("adds that are told from each other by what is missing", () => {
    const part = (name: string | undefined, type: string, content: string): string =>
      `--b\r\nContent-Disposition: form-data; name="file"${name === undefined ? "" : `; filename="${name}"`}\r\nContent-Type: ${type}\r\n\r\n${content}\r\n`;
    const [FILE, LINK, DIRECTORY] = [
      "application/octet-stream",
      "application/symlink",
      "application/x-directory",
    ];
    const bodies = {
      "a nameless file": part(undefined, FILE, "hello"),
      "two nameless files": part(undefined, FILE, "hello") + part(undefined, FILE, "hello2"),
      "a symlink": part("l", LINK, "some/target"),
      "a nameless symlink": part(undefined, LINK, "some/target"),
      "a directory and a nameless file": part("d", DIRECTORY, "") + part(undefined, FILE, "x"),
      "all of it": `${part("a", FILE, "1")}${part(undefined, FILE, "2")}${part("d%2Fe", FILE, "3")}${part("d%2Fl", LINK, "x")}${part("d%2Fn", DIRECTORY, "")}${part(undefined, FILE, "z".repeat(600_000))}`,
    };
    const queries = [
      "",
      "cid-version=1",
      "raw-leaves=true",
      "wrap-with-directory=true",
      "wrap-with-directory=true&cid-version=1",
    ];
    const cases = Object.keys(bodies).flatMap((name) => queries.map((query) => ({ name, query })));

    test.for(cases)("$name with '$query' has Kubo's lines", async ({ name, query }) => {
      const body = `${bodies[name as keyof typeof bodies]}--b--\r\n`;
      const init = { headers: { "content-type": "multipart/form-data; boundary=b" } };
      const ours = await rpc(node, `add?${query}`, body, init);
      const theirs = await rpc({ url: kubo.apiUrl }, `add?${query}`, body, init);
      // Kubo also tells the mode of a symlink, of which nothing is stored.
      const lines = theirs.lines.map(({ Name, Hash, Size }) => ({ Name, Hash, Size }));
      expect(byText(ours.lines)).toEqual(byText(lines));
    });
  });

  describe("dag/put gives Kubo's CIDs", () => {
    const codecs = ["dag-json", "dag-cbor", "dag-pb", "json", "cbor", "raw"];
    const values = {
      "dag-json": [
        '{"b":[1,{"x":"y"}],"a":1.0,"10":-5,"9":null,"e":{},"f":[true,false]}',
        '{"l":{"/":"bafkqaaa"},"b":{"/":{"bytes":"aGVsbG8"}}}',
        '{"Data":{"/":{"bytes":"CAE"}},"Links":[{"Hash":{"/":"bafkqaaa"},"Name":"b","Tsize":5},{"Hash":{"/":"bafkqaaa"},"Name":"a"}]}',
        '"\\u2028<>&\\n"',
        "[1e21,1e-7,-0.0,0.1]",
      ],
      json: ['{"b":1,"a":{"/":"bafkqaaa"},"2":[1.5]}'],
      raw: ["any bytes at all"],
    };
    const cases = Object.entries(values).flatMap(([input, texts]) =>
      texts.flatMap((text) => codecs.map((store) => ({ input, store, text }))),
    );

    test.for(cases)("$input → $store: $text", async ({ input, store, text }) => {
      const command = `dag/put?input-codec=${input}&store-codec=${store}`;
      const [ours, theirs] = [
        await rpc(node, command, partsOf(text)),
        await kuboRpc(kubo, command, partsOf(text)),
      ];
      expect(ours.status === 200).toBe(theirs.status === 200);
      if (theirs.status !== 200) return;
      expect(cidsOf(ours)).toEqual(cidsOf(theirs));
      // What was stored there is read here, and stored with its own codec once more.
      const [cid] = cidsOf(theirs);
      const bytes = (await kuboRpc(kubo, `block/get?arg=${String(cid)}`)).bytes;
      const again = `dag/put?input-codec=${store}&store-codec=${store}`;
      expect(cidsOf(await rpc(node, again, partsOf(bytes)))).toEqual(
        cidsOf(await kuboRpc(kubo, again, partsOf(bytes))),
      );
    });
  });

  test("block/put gives Kubo's keys and sizes", async () => {
    const queries = [
      "",
      "format=v0",
      "format=protobuf",
      "cid-codec=dag-cbor",
      "mhtype=sha2-512",
      "mhtype=sha3-224",
      "mhlen=32",
    ];
    for (const query of queries) {
      const command = `block/put?${query}`;
      const body = (): FormData => partsOf("hello", bytesOf(5000));
      expect((await rpc(node, command, body())).text).toBe((await kuboRpc(kubo, command, body())).text);
    }
  });

  describe("CARs in which something is missing or wrong", () => {
    const [a, b, gone] = [
      blockOf("a of writing-kubo"),
      blockOf(bytesOf(999, 5)),
      blockOf("gone for writing-kubo"),
    ];
    const root = dagCborBlock({ a: a.cid, b: b.cid });
    const incomplete = dagCborBlock({ a: a.cid, gone: gone.cid, name: "writing-kubo" });
    const wrong = { cid: blockOf("right").cid, bytes: new TextEncoder().encode("wrong") };
    const big = blockOf(bytesOf(2 * 1024 * 1024 + 1));
    const good = carOf([root.cid], [root, a, b]);
    const cars: Record<string, Uint8Array> = {
      "a missing root": carOf([gone.cid], [a]),
      "several roots": carOf([root.cid, a.cid, root.cid], [root, a, b]),
      "no roots": carOf([], [a, b]),
      "no blocks": carOf([a.cid], []),
      "wrong bytes": carOf([root.cid], [root, wrong, a, b]),
      "an end in a section": good.subarray(0, -1),
      "an end between sections": good.subarray(0, good.byteLength - (b.cid.bytes.byteLength + 999 + 2)),
      text: new TextEncoder().encode("hello\n"),
      "zeros behind it": Uint8Array.from(Buffer.concat([good, Buffer.alloc(9)])),
      "a block of 2 MiB and a byte": carOf([big.cid], [big]),
    };

    test.for(Object.keys(cars))("%s: taken or refused as there", async (name) => {
      const body = (): FormData => partsOf(cars[name] ?? good);
      const command = "dag/import?stats=true";
      const [ours, theirs] = [await rpc(node, command, body()), await kuboRpc(kubo, command, body())];
      // A refusal says as much as where it happened.
      const told = ({ status, lines }: RpcAnswer): readonly unknown[] =>
        status === 200
          ? byText(lines)
          : [status, /^import failed(?: after block "[^"]*")?/.exec(String(lines[0]?.["Message"]))?.[0]];
      // Sizes have a status of their own here.
      expect(told(ours)).toEqual(name.includes("MiB") ? [413, undefined] : told(theirs));
    });

    test("a missing child is told in the same words as by an offline Kubo", async () => {
      const { lines } = await rpc(node, "dag/import", partsOf(carOf([incomplete.cid], [incomplete, a])));
      expect(lines).toEqual([
        {
          Root: {
            Cid: { "/": incomplete.cid.toString() },
            PinErrorMsg: `block was not found locally (offline): ipld: could not find ${gone.cid.toString()}`,
          },
        },
      ]);
    });
  });

  test("what is read with another codec than it was put with is found on both (R24)", async () => {
    const block = dagCborBlock({ r24: true });
    for (const url of [node.url, kubo.apiUrl]) {
      await rpc({ url }, "block/put", partsOf(block.bytes));
      const { lines } = await rpc({ url }, `block/stat?arg=${block.cid.toString()}`);
      expect(lines).toEqual([{ Key: block.cid.toString(), Size: block.bytes.byteLength }]);
      expect(cidOf(block.bytes).toString()).not.toBe(block.cid.toString());
    }
  });
});
