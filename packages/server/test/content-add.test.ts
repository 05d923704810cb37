import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCid } from "@holdfast/core";
import { create as createKuboClient, globSource } from "kubo-rpc-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { WritePolicy } from "../src/http/write-policy.ts";
import { bytesOf } from "./support/blocks.ts";
import { bytesInUse } from "./support/bytes-in-use.ts";
import { openSocket, startContent, type TestContent } from "./support/start-content.ts";
import { until } from "./support/until.ts";

const MIB = 1024 * 1024;

interface Line {
  readonly Name: string;
  readonly Hash?: string;
  readonly Size?: string;
  readonly Bytes?: number;
}

function formOf(files: Record<string, Uint8Array | string>): FormData {
  const form = new FormData();
  for (const [name, content] of Object.entries(files)) {
    form.append("file", new Blob([content as string]), encodeURIComponent(name));
  }
  return form;
}

async function add(
  node: TestContent,
  body: FormData | string,
  query = "",
): Promise<{ status: number; text: string; lines: Line[] }> {
  const response = await fetch(`${node.url}/api/v0/add?${query}`, {
    method: "POST",
    body,
    duplex: "half",
  } as RequestInit);
  const text = await response.text();
  const isNdjson = response.status === 200;
  const lines = isNdjson
    ? text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Line)
    : [];
  return { status: response.status, text, lines };
}

async function filesIn(directory: string): Promise<number> {
  const all = await readdir(directory, { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).length;
}

describe("what an add answers", () => {
  test("one file answers exactly one JSON object, and is read at once under /ipfs", async () => {
    await using node = await startContent();
    const { status, text } = await add(node, formOf({ "h.txt": "hello" }), "pin=true&stream-channels=true");
    expect(status).toBe(200);
    expect(text).toBe(
      '{"Name":"h.txt","Hash":"QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX","Size":"13"}\n',
    );
    const url = `${node.url}/ipfs/QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX`;
    for (const accept of ["*/*", "text/html", "application/json", "application/vnd.ipld.raw"]) {
      const head = await fetch(url, { method: "HEAD", headers: { accept } });
      expect([accept, head.status]).toEqual([accept, 200]);
    }
    expect(await (await fetch(url)).text()).toBe("hello");
  });

  test("a part without filename or type is a file named by its CID, byte for byte", async () => {
    await using node = await startContent();
    const bytes = Buffer.from(bytesOf(400));
    const body = Buffer.concat([
      Buffer.from('--b\r\nContent-Disposition: form-data; name="anything"\r\n\r\n'),
      bytes,
      Buffer.from("\r\n--b--\r\n"),
    ]);
    const response = await fetch(`${node.url}/api/v0/add?cid-version=1`, {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
      body,
    });
    const line = (await response.json()) as Line;
    expect(line.Name).toBe(line.Hash);
    const got = await fetch(`${node.url}/ipfs/${line.Hash}`);
    expect(Buffer.compare(Buffer.from(await got.arrayBuffer()), bytes)).toBe(0);
  });

  test("a tree answers its files, then its directories; children before parents (as Kubo 0.43 does)", async () => {
    await using node = await startContent();
    const form = new FormData();
    form.append("file", new File([""], "d", { type: "application/x-directory" }));
    form.append("file", new File(["hello"], "d%2Fa b%252F.txt"));
    form.append("file", new File([bytesOf(1_000_000)], "d%2Fs%2Fr"));
    const { lines } = await add(node, form);
    expect(lines.map(({ Name }) => Name)).toEqual(["d/a b%2F.txt", "d/s/r", "d/s", "d"]);
    expect(node.added.map(({ roots }) => roots.map(String))).toEqual([[lines[3]?.Hash]]);
    const response = await fetch(`${node.url}/ipfs/${lines[3]?.Hash}/a%20b%252F.txt`);
    expect(await response.text()).toBe("hello");
  });

  test("an empty directory, and a wrapping one with an empty name", async () => {
    await using node = await startContent();
    const empty = new FormData();
    empty.append("file", new File([""], "e", { type: "application/x-directory" }));
    expect((await add(node, empty)).lines).toEqual([
      { Name: "e", Hash: "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", Size: "4" },
    ]);
    expect((await add(node, formOf({ "h.txt": "hello" }), "wrap-with-directory=1")).lines).toEqual([
      { Name: "h.txt", Hash: "QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX", Size: "13" },
      { Name: "", Hash: "QmQEMikVJU9uRyu5yjn22pwx7bD4dTSBKo3ZgbfwUZWTEh", Size: "64" },
    ]);
  });

  test("empty directories are told wherever they are, before the directory they are in", async () => {
    await using node = await startContent();
    const form = new FormData();
    for (const name of ["d", "d%2Fempty", "d%2Fe%2Ff"]) {
      form.append("file", new File([""], name, { type: "application/x-directory" }));
    }
    expect((await add(node, form)).lines.map(({ Name }) => Name)).toEqual(["d/e/f", "d/e", "d/empty", "d"]);
    expect((await add(node, form, "wrap-with-directory=true")).lines.map(({ Name }) => Name)).toEqual([
      "d/e/f",
      "d/e",
      "d/empty",
      "d",
      "",
    ]);
  });

  test("what has no name is called by its CID in the directory that wraps it", async () => {
    await using node = await startContent();
    const body = '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nhello\r\n--b--\r\n';
    const response = await fetch(`${node.url}/api/v0/add?wrap-with-directory=true`, {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
      body,
    });
    const cid = "QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX";
    expect(await response.text()).toBe(
      `{"Name":"${cid}","Hash":"${cid}","Size":"13"}\n{"Name":"","Hash":"QmbQZvv2ankGm2zSPfaB4F4ticfxKpi8ttrXY2BfTXgf5p","Size":"105"}\n`,
    );
    const got = await fetch(`${node.url}/ipfs/QmbQZvv2ankGm2zSPfaB4F4ticfxKpi8ttrXY2BfTXgf5p/${cid}`);
    expect(await got.text()).toBe("hello");
  });

  test("a symlink becomes one, with the CID that Kubo gives", async () => {
    await using node = await startContent();
    const form = new FormData();
    form.append("file", new File(["some/target"], "l", { type: "application/symlink" }));
    expect((await add(node, form)).lines).toEqual([
      { Name: "l", Hash: "QmWtMFR3wDde8neb4QC2i2VoS52ybfE1vohnoxtzwyPaq5", Size: "17" },
    ]);
  });

  test.for([
    ["", ["one", "two"]],
    ["pin=true", ["one", "two"]],
    ["pin=false", []],
    ["only-hash=true", []],
    ["wrap-with-directory=true", [""]],
  ] as const)("with '%s' it pins %j, with a name if there is one", async ([query, names]) => {
    await using node = await startContent();
    const { lines } = await add(node, formOf({ one: "1", two: "2" }), `${query}&pin-name=n`);
    const hashes = lines
      .filter(({ Name }) => (names as readonly string[]).includes(Name))
      .map(({ Hash }) => Hash ?? "");
    const pins = node.pins.list({ limit: 10 }).pins;
    expect(pins.map(({ root }) => root.toString()).toSorted()).toEqual(hashes.toSorted());
    for (const pin of pins)
      expect(pin).toMatchObject({ recursive: true, claim: { name: "n", source: "add" } });
  });

  test("names are cleaned as Kubo cleans them and never lead out of the tree", async () => {
    await using node = await startContent();
    for (const name of ["/abs/../x", "../x", "./x", "../../../x"]) {
      expect((await add(node, formOf({ [name]: "hello" }))).lines.map(({ Name }) => Name)).toEqual(["x"]);
    }
  });

  test("with progress there are lines before the last one, which is the only one with a CID", async () => {
    await using node = await startContent();
    const { lines } = await add(node, formOf({ "r.bin": bytesOf(1_000_000) }), "progress=true");
    const said = lines.slice(0, -1).map(({ Bytes }) => Bytes ?? -1);
    expect(said.length).toBeGreaterThan(1);
    expect(said).toEqual(said.toSorted((a, b) => a - b));
    expect(said.at(-1)).toBe(1_000_000);
    expect(lines.at(-1)).toMatchObject({ Name: "r.bin", Size: expect.stringMatching(/^\d+$/) });
    expect(lines.filter(({ Hash }) => Hash !== undefined)).toHaveLength(1);
  });

  test("only-hash gives the CID and stores nothing", async () => {
    await using node = await startContent();
    const { lines } = await add(node, formOf({ x: bytesOf(300_000) }), "only-hash=true");
    expect(lines).toHaveLength(1);
    expect(await filesIn(node.vaultDirectory)).toBe(0);
    expect(node.added).toEqual([]);
  });

  test("50 MB go in and come out the same, and every block is durable before the answer", async () => {
    await using node = await startContent();
    const bytes = bytesOf(50_000_000);
    const { lines } = await add(node, formOf({ big: bytes }));
    const cids = node.added[0]?.cids ?? [];
    expect(cids.length).toBeGreaterThan(190);
    for (const cid of cids) expect(await node.vault.has(cid)).toBe(true);
    const got = await fetch(`${node.url}/ipfs/${lines[0]?.Hash}`);
    expect(got.headers.get("content-length")).toBe("50000000");
    expect(Buffer.compare(Buffer.from(await got.arrayBuffer()), bytes)).toBe(0);
  }, 120_000);

  test("R35: a refusal and an answer carry one Access-Control-Allow-Origin", async () => {
    await using node = await startContent();
    for (const body of [formOf({ x: "x" }), "not multipart"]) {
      const response = await fetch(`${node.url}/api/v0/add?progress=true`, { method: "POST", body });
      expect(response.headers.get("access-control-allow-origin")).toBe("*");
      await response.text();
    }
  });
});

describe("what an add refuses", () => {
  test.for([
    ["not multipart", "application/octet-stream", "hello", /file argument 'path' is required/],
    ["no content type", "", "hello", /file argument 'path' is required/],
    ["no boundary", "multipart/form-data", "hello", /required|boundary/],
    ["multipart without parts", "multipart/form-data; boundary=b", "--b--\r\n", /expected a file argument/],
    ["an empty body", "multipart/form-data; boundary=b", "", /multipart|expected a file/],
    [
      "garbage",
      "multipart/form-data; boundary=b",
      Buffer.from(bytesOf(100_000)).toString("latin1"),
      /multipart/,
    ],
    [
      "a part that ends early",
      "multipart/form-data; boundary=b",
      '--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\nabc',
      /multipart/,
    ],
    ["headers that end early", "multipart/form-data; boundary=b", "--b\r\nContent-Disp", /multipart/],
    ["endless headers", "multipart/form-data; boundary=b", `--b\r\n${"a".repeat(200_000)}`, /multipart/],
  ] as const)("%s: 400 in Kubo's form, and nothing is stored", async ([, contentType, body, message]) => {
    await using node = await startContent();
    const response = await fetch(`${node.url}/api/v0/add`, {
      method: "POST",
      headers: contentType === "" ? {} : { "content-type": contentType },
      body: contentType === "" ? Buffer.from(body) : body,
    });
    expect(response.status).toBe(400);
    const answer = (await response.json()) as { Message: string; Type: string };
    expect(answer.Message).toMatch(message);
    expect(answer.Type).toBe("error");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await filesIn(node.vaultDirectory)).toBe(0);
  });

  test.for(["trickle=true", "chunker=rabin", "hash=blake3", "cid-version=2", "only-hash=maybe"])(
    "%s: 400 before the body is read",
    async (query) => {
      await using node = await startContent();
      expect((await add(node, formOf({ x: "x" }), query)).status).toBe(400);
    },
  );

  test.for([
    ["a name that is a file and a directory", { "d/a": "1", "d/a/b": "2" }],
    ["the other way round", { "d/a/b": "2", "d/a": "1" }],
    ["a backslash that would escape the separator", { "d\\/x": "1" }],
  ] as const)("%s: 400", async ([, files]) => {
    await using node = await startContent();
    expect((await add(node, formOf(files))).status).toBe(400);
  });

  test.for([
    ["an empty target", ""],
    ["a target of more than 4,096 bytes", "t".repeat(4097)],
    ["a target that is not UTF-8", Buffer.from([0x61, 0xff])],
  ] as const)("a symlink with %s: 400", async ([, target]) => {
    await using node = await startContent();
    const form = new FormData();
    form.append("file", new File([target as string], "l", { type: "application/symlink" }));
    expect((await add(node, form)).status).toBe(400);
  });

  test.for(["mode=0644", "mtime=1", "preserve-mode=true", "preserve-mtime=true", "to-files=/x", "nocopy=1"])(
    "%s would change the CID or promise more than a stored DAG: 400 that names it",
    async (query) => {
      await using node = await startContent();
      const { status, text } = await add(node, formOf({ x: "x" }), query);
      expect(status).toBe(400);
      expect(text).toContain(query.split("=")[0]);
    },
  );

  test("too many files and directories, and too many blocks: 400", async () => {
    await using node = await startContent({ addLimits: { entriesMax: 5 } });
    const files = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`d/${i}`, "x"]));
    expect((await add(node, formOf(files))).status).toBe(400);
    delete files["d/5"];
    expect((await add(node, formOf(files))).status).toBe(200);
    expect((await add(node, formOf({ x: bytesOf(300_000) }), "chunker=size-1&raw-leaves=true")).status).toBe(
      200,
    );
  }, 120_000);

  test("writes that the policy forbids are refused before the body is read", async () => {
    const writePolicy = new WritePolicy({ kind: "token", tokens: ["secret"] });
    await using node = await startContent({ writePolicy });
    expect((await add(node, formOf({ x: "x" }))).status).toBe(401);
    const response = await fetch(`${node.url}/api/v0/add`, {
      method: "POST",
      headers: { authorization: "Bearer secret" },
      body: formOf({ x: "x" }),
    });
    expect(response.status).toBe(200);
    await using closed = await startContent({ writePolicy: new WritePolicy({ kind: "closed" }) });
    expect((await add(closed, formOf({ x: "x" }))).status).toBe(403);
  });

  test("GET is 405", async () => {
    await using node = await startContent();
    expect((await fetch(`${node.url}/api/v0/add`)).status).toBe(405);
  });

  test("a full node says 503 with Retry-After, and takes uploads again afterwards", async () => {
    await using node = await startContent({ addLimits: { uploadsMax: 1 } });
    const slow = httpRequest(`${node.url}/api/v0/add`, {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
    });
    slow.write('--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\nabc');
    await until(() => expect(node.http.metrics.http.requests).toBe(1));
    const refused = await fetch(`${node.url}/api/v0/add`, { method: "POST", body: formOf({ x: "x" }) });
    await refused.text();
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    slow.end("\r\n--b--\r\n");
    const [answer] = (await once(slow, "response")) as [import("node:http").IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(200);
    expect((await add(node, formOf({ x: "x" }))).status).toBe(200);
  });
});

describe("R22, R23: the size limit", () => {
  const limit = 2 * MIB;

  test.for([limit - 1, limit, limit + 1])("a file of %i bytes with a limit of 2 MiB", async (size) => {
    await using node = await startContent({ addLimits: { contentBytesMax: limit } });
    const { status } = await add(node, formOf({ x: bytesOf(size) }));
    expect(status).toBe(size <= limit ? 200 : 413);
  });

  test("the limit counts all files together", async () => {
    await using node = await startContent({ addLimits: { contentBytesMax: limit } });
    expect((await add(node, formOf({ "d/a": bytesOf(MIB), "d/b": bytesOf(MIB) }))).status).toBe(200);
    expect((await add(node, formOf({ "d/a": bytesOf(MIB), "d/b": bytesOf(MIB + 1) }))).status).toBe(413);
  });

  test("a body that says it is too large is answered 413 before any of it is sent, and its connection is closed", async () => {
    await using node = await startContent({ addLimits: { contentBytesMax: limit } });
    const socket = await openSocket(node.http.port);
    socket.write(
      `POST /api/v0/add HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999999\r\n\r\n`,
    );
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString("latin1")).toMatch(/^HTTP\/1\.1 413 /);
    await once(socket, "close");
  });

  test("a client that keeps sending over the limit still gets its 413", async () => {
    await using node = await startContent({ addLimits: { contentBytesMax: limit } });
    const piece = Buffer.from(bytesOf(64 * 1024));
    async function* endless(): AsyncGenerator<Buffer> {
      yield Buffer.from('--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n');
      for (let i = 0; i < 200; i++) yield piece;
    }
    const response = await fetch(`${node.url}/api/v0/add`, {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
      body: ReadableStream.from(endless()) as never,
      duplex: "half",
    } as RequestInit);
    expect(response.status).toBe(413);
  });
});

describe("uploads that do not come to their end", () => {
  test("a client that goes away leaves nothing half visible, and its place is free again", async () => {
    await using node = await startContent({ addLimits: { uploadsMax: 1 } });
    const socket = await openSocket(node.http.port);
    socket.write(
      'POST /api/v0/add HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9999999\r\n\r\n--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n',
    );
    socket.write(bytesOf(1_000_000));
    await until(() => expect(node.http.metrics.http.requests).toBe(1));
    expect((await add(node, formOf({ x: "x" }))).status).toBe(503);
    socket.destroy();
    await until(async () => expect((await add(node, formOf({ x: "x" }))).status).toBe(200));
    expect(node.added).toHaveLength(1);
  });

  test("an upload that stalls is given up", async () => {
    await using node = await startContent({ addLimits: { stallMsMax: 100 } });
    const socket = await openSocket(node.http.port);
    socket.write(
      'POST /api/v0/add HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9999999\r\n\r\n--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\nabc',
    );
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString("latin1")).toMatch(/^HTTP\/1\.1 400 [\s\S]*stalled/);
    socket.destroy();
  });

  test("P8: an upload that fails after the first progress line breaks its answer off", async () => {
    await using node = await startContent();
    const body = Buffer.concat([
      Buffer.from('--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n'),
      bytesOf(1_000_000),
    ]);
    const response = await fetch(`${node.url}/api/v0/add?progress=true`, {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
      body,
    });
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow("terminated");
    expect(node.added).toEqual([]);
  });

  test("memory stays flat while garbage is sent, and reads go on", async () => {
    await using node = await startContent();
    await add(node, formOf({ x: "hello" }));
    const garbage = Buffer.from(bytesOf(8 * MIB));
    const bodies = [
      garbage,
      Buffer.concat([
        Buffer.from('--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n'),
        garbage,
      ]),
      Buffer.concat([Buffer.from("--b\r\n"), garbage]),
      Buffer.from("--b\r\n\r\n".repeat(100_000)),
    ];
    const post = async (body: Buffer): Promise<number> => {
      const headers = { "content-type": "multipart/form-data; boundary=b" };
      const response = await fetch(`${node.url}/api/v0/add`, { method: "POST", headers, body });
      await response.text();
      return response.status;
    };
    for (const body of bodies) expect(await post(body)).toBe(400);
    const beforeBytes = bytesInUse();
    for (let round = 0; round < 8; round++) {
      const statuses = await Promise.all(bodies.map(post));
      expect(new Set(statuses)).toEqual(new Set([400]));
      const read = await fetch(`${node.url}/ipfs/QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX`);
      expect(await read.text()).toBe("hello");
    }
    // 256 MiB were sent in all; what is still on its way to a node that has answered already is the client's.
    await until(() => expect(bytesInUse() - beforeBytes).toBeLessThan(32 * MIB));
  }, 180_000);
});

describe("kubo-rpc-client 7.1.0, unmodified", () => {
  test("add, addAll, wrapping, progress and CID version 1", async () => {
    await using node = await startContent();
    const client = createKuboClient({ url: `${node.url}/api/v0` });
    const one = await client.add("hello");
    expect([one.path, one.cid.toString(), one.size]).toEqual([
      one.cid.toString(),
      "QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX",
      13,
    ]);

    const v1 = await client.add(
      { path: "d/ü +.txt", content: bytesOf(600_000) },
      { cidVersion: 1, pin: true },
    );
    expect([v1.path, v1.cid.version]).toEqual(["d", 1]);
    const got = await fetch(`${node.url}/ipfs/${v1.cid.toString()}/${encodeURIComponent("ü +.txt")}`);
    expect(Buffer.compare(Buffer.from(await got.arrayBuffer()), bytesOf(600_000))).toBe(0);

    const wrapped = await client.add({ path: "a", content: "x" }, { wrapWithDirectory: true });
    expect(wrapped.path).toBe("");

    const paths: string[] = [];
    for await (const { path } of client.addAll([
      { path: "t/1", content: "1" },
      { path: "t/2", content: "2" },
    ])) {
      paths.push(path);
    }
    expect(paths).toEqual(["t/1", "t/2", "t"]);

    const progress: number[] = [];
    await client.add(bytesOf(2_000_000), { progress: (bytes) => progress.push(bytes) });
    expect(progress.at(-1)).toBe(2_000_000);
  });

  test("addAll of a tree as globSource gives it, and of a directory without files", async () => {
    await using node = await startContent();
    const client = createKuboClient({ url: `${node.url}/api/v0` });
    const folder = await mkdtemp(join(tmpdir(), "holdfast-glob-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, "site/empty"), { recursive: true });
    await writeFile(join(folder, "site/index.html"), "<p>hi");
    await writeFile(join(folder, "site/big.bin"), bytesOf(700_000));
    const added = new Map<string, string>();
    const sources = globSource(folder, "**/*", { preserveMode: true, preserveMtime: true });
    for await (const { path, cid } of client.addAll(sources as never)) added.set(path, cid.toString());
    expect([...added.keys()].toSorted()).toEqual(["site", "site/big.bin", "site/empty", "site/index.html"]);
    const page = await fetch(`${node.url}/ipfs/${added.get("site") ?? ""}/index.html`);
    expect(await page.text()).toBe("<p>hi");
    expect(node.pins.list({ limit: 10 }).pins.map(({ root }) => root.toString())).toEqual([
      added.get("site"),
    ]);

    const [empty] = await Array.fromAsync(client.addAll([{ path: "e" }]));
    expect(empty?.cid.toString()).toBe("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn");
  });

  test("a refusal reaches the caller with its message", async () => {
    await using node = await startContent();
    const client = createKuboClient({ url: `${node.url}/api/v0` });
    await expect(client.add("x", { trickle: true })).rejects.toThrow(/trickle/);
  });
});

test("the roots told to onAdded are CIDs that were answered", async () => {
  await using node = await startContent();
  const { lines } = await add(node, formOf({ a: "1", b: "2" }));
  const roots = node.added[0]?.roots ?? [];
  expect(roots.map(String)).toEqual(lines.map(({ Hash }) => parseCid(Hash ?? "").toString()));
});
