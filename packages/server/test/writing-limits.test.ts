import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { describe, expect, test } from "vitest";
import type { WriteLimits } from "../src/http/routes/add-parts.ts";
import { WritePolicy } from "../src/http/write-policy.ts";
import { blockOf, bytesOf, cidOf } from "./support/blocks.ts";
import { bytesInUse } from "./support/bytes-in-use.ts";
import { carOf } from "./support/cars.ts";
import { messageOf, partsOf, rpc } from "./support/rpc.ts";
import { openSocket, startContent, type TestContent } from "./support/start-content.ts";
import { until } from "./support/until.ts";

const MIB = 1024 * 1024;
const BLOCK_BYTES_MAX = 2 * MIB;
const BIG_BLOCK_BYTES_MAX = 4 * MIB;

const PUT_RAW = "dag/put?input-codec=raw&store-codec=raw";
const WRITES = ["add", PUT_RAW, "dag/import", "block/put"];
const query = (command: string): string => (command.includes("?") ? "&" : "?");

/** A body that this command takes, with content of that size. */
function bodyOf(command: string, size: number): FormData {
  const block = blockOf(bytesOf(size));
  return partsOf(command === "dag/import" ? carOf([block.cid], [block]) : block.bytes);
}

const HEAD = "Host: x\r\nContent-Type: multipart/form-data; boundary=b\r\n" as const;
const PART = '--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n' as const;

describe("R23: the size of a block", () => {
  const cases = [PUT_RAW, "dag/import", "block/put"].flatMap((command) => [
    { command, size: BLOCK_BYTES_MAX - 1, status: 200 },
    { command, size: BLOCK_BYTES_MAX, status: 200 },
    { command, size: BLOCK_BYTES_MAX + 1, status: 413 },
    { command: `${command}${query(command)}allow-big-block=true`, size: BLOCK_BYTES_MAX + 1, status: 200 },
    { command: `${command}${query(command)}allow-big-block=true`, size: BIG_BLOCK_BYTES_MAX, status: 200 },
    {
      command: `${command}${query(command)}allow-big-block=true`,
      size: BIG_BLOCK_BYTES_MAX + 1,
      status: 413,
    },
  ]);

  test.for(cases)("$command with $size bytes: $status", async ({ command, size, status }) => {
    await using node = await startContent();
    const answer = await rpc(node, command, bodyOf(command.split("?")[0] ?? "", size));
    expect(answer.status).toBe(status);
    expect(await node.vault.has(cidOf(bytesOf(size)))).toBe(status === 200);
  });

  test("the refusal says what can be done about it, in Kubo's words", async () => {
    await using node = await startContent();
    const answer = await rpc(node, "block/put", bodyOf("block/put", BLOCK_BYTES_MAX + 1));
    expect(messageOf(answer)).toMatch(/^produced block is over 2MiB: .*--allow-big-block/);
  });

  test("a block that only becomes too large when it is stored is refused too", async () => {
    await using node = await startContent();
    const json = `"${"ü".repeat(MIB - 10)}"`;
    expect((await rpc(node, "dag/put?store-codec=dag-cbor", partsOf(json))).status).toBe(200);
    // Every \u2028 is three bytes here and six there.
    const escaped = `"${"\u2028".repeat(600_000)}"`;
    expect((await rpc(node, "dag/put?store-codec=dag-json", partsOf(escaped))).status).toBe(413);
  });
});

describe("R22, R23: the size of a body", () => {
  const contentBytesMax = 64 * 1024;

  test.for(WRITES)("%s: the contents of all parts together count, to the byte", async (command) => {
    await using node = await startContent({ addLimits: { contentBytesMax } });
    const half = contentBytesMax / 2;
    const isImport = command === "dag/import";
    const partOf = (size: number): Uint8Array => {
      if (!isImport) return bytesOf(size);
      const overhead = carOf([], [blockOf(bytesOf(half))]).byteLength - half;
      return carOf([], [blockOf(bytesOf(size - overhead))]);
    };
    expect((await rpc(node, command, partsOf(partOf(half), partOf(half)))).status).toBe(200);
    expect((await rpc(node, command, partsOf(partOf(half), partOf(half + 1)))).status).toBe(413);
  });

  test.for(WRITES)(
    "%s: a body that says it is too large is answered 413 before any of it is sent",
    async (command) => {
      await using node = await startContent({ addLimits: { contentBytesMax } });
      const socket = await openSocket(node.http.port);
      socket.write(`POST /api/v0/${command} HTTP/1.1\r\n${HEAD}Content-Length: 99999999999\r\n\r\n`);
      const [answer] = (await once(socket, "data")) as [Buffer];
      expect(answer.toString("latin1")).toMatch(/^HTTP\/1\.1 413 /);
      await once(socket, "close");
    },
  );

  test.for(WRITES)("%s: a client that keeps sending over the limit still gets its 413", async (command) => {
    await using node = await startContent({ addLimits: { contentBytesMax } });
    const piece = Buffer.from(bytesOf(16 * 1024));
    async function* endless(): AsyncGenerator<Buffer> {
      yield Buffer.from(PART);
      // A section that is longer than the limit, so that the CAR itself gives no reason to stop.
      if (command === "dag/import") yield Buffer.concat([carOf([], []), Buffer.from("80808001", "hex")]);
      for (let i = 0; i < 500; i++) yield piece;
    }
    const answer = await rpc(node, command, undefined, {
      headers: { "content-type": "multipart/form-data; boundary=b" },
      body: ReadableStream.from(endless()) as never,
      duplex: "half",
    } as RequestInit);
    expect(answer.status).toBe(413);
  });

  test.for(WRITES)("%s: more parts than allowed are 400", async (command) => {
    await using node = await startContent({ addLimits: { entriesMax: 3 } });
    const part = command === "dag/import" ? carOf([], []) : bytesOf(1);
    expect((await rpc(node, command, partsOf(part, part, part))).status).toBe(200);
    expect((await rpc(node, command, partsOf(part, part, part, part))).status).toBe(400);
  });
});

describe("who may write", () => {
  test.for(WRITES)("%s asks the policy before it reads the body", async (command) => {
    const writePolicy = new WritePolicy({ kind: "token", tokens: ["secret"] });
    await using node = await startContent({ writePolicy });
    expect((await rpc(node, command, bodyOf(command, 10))).status).toBe(401);
    expect((await rpc(node, command, "not even multipart")).status).toBe(401);
    const headers = { authorization: "Bearer secret" };
    expect((await rpc(node, command, bodyOf(command, 10), { headers })).status).toBe(200);
    await using closed = await startContent({ writePolicy: new WritePolicy({ kind: "closed" }) });
    expect((await rpc(closed, command, bodyOf(command, 10))).status).toBe(403);
    expect(closed.pins.list({ limit: 1 }).pins).toEqual([]);
  });

  test("reading needs no permission", async () => {
    await using node = await startContent({ writePolicy: new WritePolicy({ kind: "closed" }) });
    for (const command of ["block/get", "block/stat", "dag/export"]) {
      expect((await rpc(node, `${command}?arg=bafkqaaa`)).status).toBe(200);
    }
  });
});

describe("uploads at once", () => {
  const LIMITS: Partial<WriteLimits> = { uploadsMax: 1 };

  /** An upload that has begun and waits. */
  function begin(node: TestContent, command: string): ReturnType<typeof httpRequest> {
    const sent = httpRequest(`${node.url}/api/v0/${command}`, {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
    });
    sent.on("error", () => {});
    sent.write(PART);
    return sent;
  }

  test.for(WRITES)(
    "one %s takes the place of every other kind of write, and gives it back",
    async (command) => {
      await using node = await startContent({ addLimits: LIMITS });
      const slow = begin(node, command);
      await until(() => expect(node.http.metrics.http.requests).toBe(1));
      for (const other of WRITES) {
        const answer = await rpc(node, other, bodyOf(other, 10));
        expect([answer.status, Number(answer.headers.get("retry-after")) > 0]).toEqual([503, true]);
      }
      slow.destroy();
      await until(async () => expect((await rpc(node, command, bodyOf(command, 10))).status).toBe(200));
    },
  );

  test.for(WRITES)(
    "%s: a client that goes away leaves no pin, and one that stalls is given up",
    async (command) => {
      await using node = await startContent({ addLimits: { ...LIMITS, stallMsMax: 150 } });
      const left = begin(node, `${command}${query(command)}pin=true`);
      left.write(bytesOf(100_000));
      await until(() => expect(node.http.metrics.http.requests).toBe(1));
      left.destroy();
      await until(async () => expect((await rpc(node, "add?pin=false", partsOf("x"))).status).toBe(200));
      const stalling = begin(node, command);
      const [answer] = (await once(stalling, "response")) as [import("node:http").IncomingMessage];
      expect(answer.statusCode).toBe(400);
      stalling.destroy();
      expect(node.pins.list({ limit: 1 }).pins).toEqual([]);
    },
  );
});

describe("garbage", () => {
  const bodies: Record<string, Buffer> = {
    "random bytes": Buffer.from(bytesOf(1_000_000)),
    "a part that never ends": Buffer.concat([Buffer.from(PART), bytesOf(1_000_000)]),
    "headers that never end": Buffer.concat([Buffer.from("--b\r\n"), bytesOf(1_000_000)]),
    "empty parts": Buffer.from("--b\r\n\r\n".repeat(20_000)),
    "nothing but the end": Buffer.from("--b--\r\n"),
    "an empty body": Buffer.alloc(0),
  };

  test.for(WRITES.flatMap((command) => Object.keys(bodies).map((name) => ({ command, name }))))(
    "$command: $name is answered, stores no file and leaves the node alive",
    async ({ command, name }) => {
      await using node = await startContent();
      const answer = await rpc(node, command, bodies[name] ?? "", {
        headers: { "content-type": "multipart/form-data; boundary=b" },
      });
      expect([400, 413, 500]).toContain(answer.status);
      expect(answer.lines[0]?.["Type"]).toBe("error");
      expect((await rpc(node, "block/get?arg=bafkqablimvwgy3y")).text).toBe("hello");
      expect(node.pins.list({ limit: 1 }).pins).toEqual([]);
    },
  );

  test("memory stays flat while CARs stream through", async () => {
    await using node = await startContent();
    const blocks = Array.from({ length: 64 }, (_, i) => blockOf(bytesOf(512 * 1024, i)));
    const car = carOf([], blocks);
    const post = async (): Promise<void> => {
      expect((await rpc(node, "dag/import", partsOf(car))).status).toBe(200);
    };
    await post();
    const beforeBytes = bytesInUse();
    for (let round = 0; round < 8; round++) await post();
    // 256 MiB went through.
    await until(() => expect(bytesInUse() - beforeBytes).toBeLessThan(32 * MIB));
    expect((await readdir(node.vaultDirectory)).length).toBeGreaterThan(0);
  }, 180_000);
});
