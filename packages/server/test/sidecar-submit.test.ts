import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import { describe, expect, test } from "vitest";
import { WritePolicy } from "../src/http/write-policy.ts";
import { blockOf, bytesOf, cidOf } from "./support/blocks.ts";
import { dagCborBlock } from "./support/cars.ts";
import { partsOf, rpc } from "./support/rpc.ts";
import { ScriptedSource } from "./support/scripted-source.ts";
import { openSocket, startContent, type TestContent } from "./support/start-content.ts";
import { until } from "./support/until.ts";

const SUBMIT_BYTES_MAX = 32 * 1024 * 1024;
const DAG_CBOR = 0x71;

interface Submitted {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

async function submit(
  node: Pick<TestContent, "url">,
  cid: string,
  body: Uint8Array,
  init: RequestInit = {},
): Promise<Submitted> {
  const response = await fetch(`${node.url}/sidecar/submit?cid=${cid}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: Buffer.from(body),
    ...init,
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

/** The same body without a length. */
function chunked(bytes: Uint8Array): RequestInit {
  return { body: ReadableStream.from([Buffer.from(bytes)]) as never, duplex: "half" } as RequestInit;
}

async function bytesAt(node: Pick<TestContent, "url">, path: string): Promise<Uint8Array> {
  const response = await fetch(`${node.url}${path}`);
  expect([path, response.status]).toEqual([path, 200]);
  return new Uint8Array(await response.arrayBuffer());
}

describe("what is submitted", () => {
  test("is answered in the form of the reference system, durable and pinned as one block", async () => {
    await using node = await startContent();
    const block = dagCborBlock({ child: cidOf(bytesOf(3)) });
    const cid = block.cid.toString();
    const first = await submit(node, cid, block.bytes);
    expect(first).toMatchObject({
      status: 200,
      body: { ok: true, outcome: "accepted", detail: expect.any(String), cid, bytes: block.bytes.byteLength },
    });
    expect(first.headers.get("content-type")).toBe("application/json");
    expect(await node.vault.has(block.cid)).toBe(true);
    expect(node.pins.get(block.cid)).toMatchObject({ recursive: false, claim: { source: "sidecar" } });
    expect(node.added.at(-1)?.cids.map(String)).toEqual([cid]);
  });

  test("again is already_confirmed, and a held block without a pin was already_present and gets one", async () => {
    await using node = await startContent();
    const block = blockOf("once more");
    const cid = block.cid.toString();
    expect((await submit(node, cid, block.bytes)).body["outcome"]).toBe("accepted");
    expect((await submit(node, cid, block.bytes)).body["outcome"]).toBe("already_confirmed");

    expect((await rpc(node, "block/put", partsOf("put before"))).status).toBe(200);
    const before = blockOf("put before");
    const outcomes = [
      await submit(node, before.cid.toString(), before.bytes),
      await submit(node, before.cid.toString(), before.bytes),
    ];
    expect(outcomes.map(({ body }) => body["outcome"])).toEqual(["already_present", "already_confirmed"]);
    expect(node.pins.get(before.cid)).toMatchObject({ claim: { source: "sidecar" } });
  });

  test("R20: a block that is only in memory is put into the vault, not dropped because it is there", async () => {
    const block = blockOf("from a peer");
    await using node = await startContent({ sources: [new ScriptedSource("peer", [block])] });
    await bytesAt(node, `/ipfs/${block.cid.toString()}`);
    expect(await node.vault.has(block.cid)).toBe(false);
    const answer = await submit(node, block.cid.toString(), block.bytes);
    expect([answer.status, answer.body["outcome"]]).toEqual([200, "already_present"]);
    expect(await node.vault.has(block.cid)).toBe(true);
  });

  test("R24: is found under every codec's CID of the same bytes", async () => {
    await using node = await startContent();
    const block = dagCborBlock({ hello: "world" });
    expect((await submit(node, cidOf(block.bytes).toString(), block.bytes)).status).toBe(200);
    for (const codec of [0x55, DAG_CBOR, 0x0129]) {
      const cid = cidOf(block.bytes, codec).toString();
      expect(await bytesAt(node, `/sidecar/blob?cid=${cid}`)).toEqual(new Uint8Array(block.bytes));
      expect((await rpc(node, `block/get?arg=${cid}`)).bytes).toEqual(new Uint8Array(block.bytes));
      expect(await bytesAt(node, `/ipfs/${cid}?format=raw`)).toEqual(new Uint8Array(block.bytes));
    }
  });

  test("is given at once to those who asked for it before, and while the network is still being asked", async () => {
    const source = new ScriptedSource("peer");
    source.behaviour = "hangs";
    await using node = await startContent({ sources: [source] });
    const { cid, bytes } = blockOf("published after it was asked for");
    const paths = [`/ipfs/${cid.toString()}`, `/api/v0/block/get?arg=${cid.toString()}`];
    const waiting = paths.map((path) => bytesAt(node, path));
    await until(() => expect(source.asked.length).toBeGreaterThan(0));
    expect((await submit(node, cid.toString(), bytes)).status).toBe(200);
    // The source stays silent, and is waited for longer than a test has.
    for (const path of paths) expect(await bytesAt(node, path)).toEqual(bytes);
    expect(await Promise.all(waiting)).toEqual([bytes, bytes]);
  });

  test.for([
    [SUBMIT_BYTES_MAX - 1, 200],
    [SUBMIT_BYTES_MAX, 200],
    [SUBMIT_BYTES_MAX + 1, 413],
  ] as const)(
    "R23: of %i bytes is %i, and readable at once everywhere if it was taken",
    { timeout: 180_000 },
    async ([size, status]) => {
      await using node = await startContent();
      const block = blockOf(bytesOf(size));
      const cid = block.cid.toString();
      for (const init of [{}, chunked(block.bytes)]) {
        const answer = await submit(node, cid, block.bytes, init);
        expect(answer.status).toBe(status);
        expect(answer.body).toMatchObject({ ok: status === 200, cid });
      }
      expect(await node.vault.has(block.cid)).toBe(status === 200);
      if (status !== 200) return;
      for (const path of [`/sidecar/blob?cid=${cid}`, `/api/v0/block/get?arg=${cid}`, `/ipfs/${cid}`]) {
        expect(Buffer.compare(await bytesAt(node, path), block.bytes)).toBe(0);
      }
    },
  );
});

describe("what is refused", () => {
  const blake2b = CID.createV1(0x55, Digest.create(0xb220, bytesOf(32)));
  const identity = CID.createV1(0x55, Digest.create(0, bytesOf(4)));
  const cases: Record<string, string> = {
    "no CID": "",
    "a malformed CID": "bafynonsense",
    "a CID of other bytes": cidOf(bytesOf(9)).toString(),
    "a hash that cannot be checked": blake2b.toString(),
    "a CID that carries its bytes": identity.toString(),
    "a path": `/ipfs/${cidOf(bytesOf(10)).toString()}/a`,
  };

  test.for(Object.keys(cases))("R19: %s is 400 and nothing is stored", async (name) => {
    await using node = await startContent();
    const answer = await submit(node, encodeURIComponent(cases[name] ?? ""), bytesOf(10));
    expect(answer).toMatchObject({ status: 400, body: { ok: false, outcome: "invalid", bytes: 0 } });
    expect(answer.headers.get("x-request-id")).not.toBeNull();
    expect(await node.vault.has(cidOf(bytesOf(10)))).toBe(false);
    expect(node.pins.list({ limit: 1 }).pins).toEqual([]);
  });

  test("R19: garbage for a CID does not keep the right bytes out, before or after", async () => {
    await using node = await startContent();
    const { cid, bytes } = blockOf(bytesOf(1000));
    const garbage = bytesOf(1000, 2);
    expect((await submit(node, cid.toString(), garbage)).status).toBe(400);
    expect((await submit(node, cid.toString(), bytes)).body["outcome"]).toBe("accepted");
    expect((await submit(node, cid.toString(), garbage)).status).toBe(400);
    expect(await bytesAt(node, `/sidecar/blob?cid=${cid.toString()}`)).toEqual(bytes);
  });

  test("the write policy is asked before the body is read", async () => {
    const { cid, bytes } = blockOf("secret");
    const writePolicy = new WritePolicy({ kind: "token", tokens: ["secret"] });
    await using node = await startContent({ writePolicy });
    expect(await submit(node, cid.toString(), bytes)).toMatchObject({ status: 401, body: { ok: false } });
    const headers = { authorization: "Bearer secret" };
    expect((await submit(node, cid.toString(), bytes, { headers })).status).toBe(200);
    await using closed = await startContent({ writePolicy: new WritePolicy({ kind: "closed" }) });
    expect((await submit(closed, cid.toString(), bytes)).status).toBe(403);
    expect(await closed.vault.has(cid)).toBe(false);
  });

  test.for([
    ["a malformed CID", "cid=nonsense", 1_000_000, 400],
    ["no CID", "", 1_000_000, 400],
    ["a length over the limit", `cid=${cidOf(bytesOf(1)).toString()}`, SUBMIT_BYTES_MAX + 1, 413],
  ] as const)("R22: %s is answered although no body comes", async ([, query, length, status]) => {
    await using node = await startContent();
    const socket = await openSocket(node.http.port);
    socket.write(`POST /sidecar/submit?${query} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString("latin1")).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    socket.destroy();
  });

  test("R22: a client that keeps sending over the limit still gets its 413", async () => {
    await using node = await startContent();
    const piece = Buffer.from(bytesOf(1024 * 1024));
    async function* tooMuch(): AsyncGenerator<Buffer> {
      for (let i = 0; i < 48; i++) yield piece;
    }
    const body = { body: ReadableStream.from(tooMuch()) as never, duplex: "half" } as RequestInit;
    expect((await submit(node, cidOf(piece).toString(), piece, body)).status).toBe(413);
  });
});

describe("bounds", () => {
  const block = blockOf("small");

  /** A submit that has begun and waits. */
  function begin(node: TestContent, length: number): ReturnType<typeof httpRequest> {
    const headers = { "content-length": length };
    const url = `${node.url}/sidecar/submit?cid=${block.cid.toString()}`;
    const sent = httpRequest(url, { method: "POST", headers });
    sent.on("error", () => {});
    sent.write("x");
    return sent;
  }

  test("over the uploads at once it is 503 with Retry-After, and a client that leaves makes room", async () => {
    await using node = await startContent({ addLimits: { uploadsMax: 1 } });
    const slow = begin(node, 1000);
    await until(async () => {
      const answer = await submit(node, block.cid.toString(), block.bytes);
      expect(answer).toMatchObject({ status: 503, body: { ok: false, outcome: "cache_full" } });
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    });
    slow.destroy();
    await until(async () => expect((await submit(node, block.cid.toString(), block.bytes)).status).toBe(200));
  });

  test("over the memory for bodies it is 503, announced or not, and what was read is given back", async () => {
    const bodiesBytesMax = 1024 * 1024;
    await using node = await startContent({ addLimits: { bodiesBytesMax } });
    const large = blockOf(bytesOf(bodiesBytesMax + 1));
    for (const init of [{}, chunked(large.bytes), {}, chunked(large.bytes)]) {
      const answer = await submit(node, large.cid.toString(), large.bytes, init);
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
    }
    const fitting = blockOf(bytesOf(bodiesBytesMax));
    for (let i = 0; i < 3; i++) {
      expect((await submit(node, fitting.cid.toString(), fitting.bytes)).status).toBe(200);
    }
  });

  test("a submit that stalls is given up", async () => {
    await using node = await startContent({ addLimits: { stallMsMax: 100 } });
    const stalling = begin(node, 1000);
    const [answer] = (await once(stalling, "response")) as [import("node:http").IncomingMessage];
    expect(answer.statusCode).toBe(400);
    stalling.destroy();
    expect(node.pins.list({ limit: 1 }).pins).toEqual([]);
  });
});
