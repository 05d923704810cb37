import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { createTestName, makeRecord } from "./support/records.ts";
import { type RawConnection, rawConnection, startHttp } from "./support/start-http.ts";
import { until } from "./support/until.ts";

const key = createTestName();
const PUT = `POST /api/v0/routing/put?arg=/ipns/${key.name.text} HTTP/1.1\r\nHost: x\r\n`;
const MULTIPART = "Content-Type: multipart/form-data; boundary=b\r\n";
/** Less than the 10 s that a body may take: what comes within this did not wait for the body. */
const EARLY_MS_MAX = 8_000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

/** The server's end of the connection on which its next request comes. */
async function nextServerSocket(): Promise<Socket> {
  return new Promise((resolve) => {
    const onRequest = (message: unknown): void => {
      unsubscribe("http.server.request.start", onRequest);
      resolve((message as { readonly socket: Socket }).socket);
    };
    subscribe("http.server.request.start", onRequest);
  });
}

/** Waits for an answer on a connection that the test still writes to. */
async function answerOn(connection: RawConnection): Promise<string> {
  return until(() => {
    expect(connection.received).toContain("\r\n\r\n");
    return connection.received;
  }, EARLY_MS_MAX);
}

describe("R22: an answer that needs no body arrives although the body is still coming", () => {
  it.each([
    ["400 for garbage instead of multipart", `${PUT}${MULTIPART}Content-Length: 60000\r\n\r\ngarbage`, 400],
    [
      "400 for a multipart body without a boundary",
      `${PUT}Content-Type: multipart/form-data\r\nContent-Length: 60000\r\n\r\n`,
      400,
    ],
    ["413 for a length over the limit", `${PUT}Content-Length: 50000000\r\n\r\nx`, 413],
    [
      "400 for a name that is none",
      "POST /api/v0/routing/put?arg=x HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nx",
      400,
    ],
    [
      "404 for a path that is not offered",
      "POST /api/v0/pin/add HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
      404,
    ],
    [
      "405 for a method that is not offered",
      "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nx",
      405,
    ],
  ])("%s", async (_what, request, status) => {
    await using node = await startHttp();
    using connection = await rawConnection(node.port);
    connection.write(request);
    expect(await answerOn(connection)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  it("413 for a chunked body as soon as it is over the limit", async () => {
    await using node = await startHttp();
    using connection = await rawConnection(node.port);
    connection.write(`${PUT}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
    for (let i = 0; i < 5; i++) connection.write(chunk);
    expect(await answerOn(connection)).toMatch(/^HTTP\/1.1 413 /);
  });

  it("the rest is drained, and the connection takes the next request", async () => {
    await using node = await startHttp({ server: { listener: { drainMsMax: 60_000 } } });
    using connection = await rawConnection(node.port);
    connection.write(`${PUT}${MULTIPART}Content-Length: 60000\r\n\r\ngarbage`);
    await answerOn(connection);
    connection.write("x".repeat(60_000 - "garbage".length));
    connection.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => expect(connection.received).toMatch(/\r\n\r\nhealthy\n$/));
  });

  it("the rest is drained, too, when the connection is closed after the answer", async () => {
    await using node = await startHttp({ server: { listener: { drainMsMax: 60_000 } } });
    const accepted = nextServerSocket();
    const client = connect({ port: node.port, host: "127.0.0.1", allowHalfOpen: true });
    onTestFinished(() => void client.destroy());
    let received = "";
    client.setEncoding("latin1").on("data", (text: string) => (received += text));
    const ended = once(client, "end");
    client.write(`${PUT}Connection: close\r\n${MULTIPART}Content-Length: 60000\r\n\r\ngarbage`);
    await ended;
    expect(received).toMatch(/^HTTP\/1.1 400 /);
    const socket = await accepted;
    client.write("x".repeat(60_000 - "garbage".length));
    // A connection that is closed with something unread is reset, which can overtake the answer.
    await until(() => expect(socket.bytesRead).toBeGreaterThan(60_000));
    await until(() => expect(socket.destroyed).toBe(true));
  });

  it("a client that never sends the rest is closed", async () => {
    await using node = await startHttp({ server: { listener: { drainMsMax: 100 } } });
    using connection = await rawConnection(node.port);
    connection.write(`${PUT}Content-Length: 50000000\r\n\r\nx`);
    expect(await connection.closed).toMatch(/^HTTP\/1.1 413 /);
  });

  it("fetch gets the answer to a body that it is still sending", async () => {
    await using node = await startHttp();
    const endless = new ReadableStream({
      async pull(controller) {
        await pause(5);
        controller.enqueue(new Uint8Array(1024));
      },
    });
    const init = { method: "POST", body: endless, duplex: "half" as const };
    const response = await fetch(`${node.url}/api/v0/pin/add`, init);
    expect(response.status).toBe(404);
  });
});

describe("a Content-Type that is none", () => {
  it.each([
    [404, "POST", "/api/v0/pin/rm"],
    [404, "QUERY", "/api/v0/pin/rm"],
    [405, "PUT", "/health"],
    [200, "POST", "/api/v0/version"],
    [200, "POST", "/api/v0/routing/put?arg="],
    [200, "POST", "/api/v0/routing/get?arg="],
  ])("changes no answer: %i for %s %s", async (status, method, path) => {
    await using node = await startHttp();
    const bytes = await makeRecord(key);
    await node.records.publish(key.name, bytes, { origin: "client" });
    for (const type of ["null", "undefined", "/", "text/plain"]) {
      using connection = await rawConnection(node.port);
      const url = path.endsWith("=") ? path + key.name.text : path;
      connection.write(`${method} ${url} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\n`);
      connection.write(`Connection: close\r\nContent-Length: ${bytes.length}\r\n\r\n`);
      connection.write(bytes);
      expect(await connection.closed).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    }
  });
});

describe("Expect: 100-continue", () => {
  it("is answered, and the body is read then", async () => {
    await using node = await startHttp();
    const bytes = await makeRecord(key);
    using connection = await rawConnection(node.port);
    connection.write(`${PUT}Expect: 100-continue\r\nContent-Length: ${bytes.length}\r\n\r\n`);
    await until(() => expect(connection.received).toMatch(/^HTTP\/1.1 100 /));
    connection.write(bytes);
    await until(() => expect(connection.received).toMatch(/HTTP\/1.1 200 OK/));
  });
});

describe("slow clients", () => {
  it("one that does not finish its headers gets 408", async () => {
    await using node = await startHttp({ server: { listener: { headersMsMax: 200 } } });
    using connection = await rawConnection(node.port);
    connection.write("GET /health HTTP/1.1\r\nHost: x\r\n");
    expect(await connection.closed).toMatch(/^HTTP\/1.1 408 /);
  });

  it("one that does not finish its body gets 408 and no record is stored", async () => {
    await using node = await startHttp({ server: { listener: { headersMsMax: 200, requestMsMax: 300 } } });
    using connection = await rawConnection(node.port);
    connection.write(`${PUT}Content-Length: 300\r\n\r\nabc`);
    expect(await connection.closed).toMatch(/^HTTP\/1.1 408 /);
    expect(node.store.count()).toBe(0);
  });

  it("500 of them hold little memory and do not keep warm reads from being answered", async () => {
    await using node = await startHttp();
    await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
    const slow = await Promise.all(Array.from({ length: 500 }, async () => rawConnection(node.port)));
    const beforeBytes = heldBytes();
    const beforeRequests = node.metrics.http.requests;
    // Far more than a record, in pieces: what is over the size of a record must not be kept, nor the buffers behind pieces.
    for (const connection of slow) connection.write(`${PUT}Content-Length: 65536\r\n\r\n${"x".repeat(10)}`);
    for (let i = 0; i < 5; i++) {
      for (const connection of slow) connection.write("x".repeat(10_000));
      expect((await fetch(`${node.url}/api/v0/routing/get?arg=${key.name.text}`)).status).toBe(200);
    }
    await until(() => expect(node.metrics.http.requests - beforeRequests).toBe(505));
    expect((await fetch(`${node.url}/health`)).status).toBe(200);
    // Pieces that are still on their way between the two ends, both of which are in this process, are nobody's to hold.
    await until(() => expect((heldBytes() - beforeBytes) / slow.length).toBeLessThan(20_000));
    for (const connection of slow) connection[Symbol.dispose]();
  });
});

describe("a body of 5 MB", () => {
  it("gotcha 7: is answered with 413, and nothing of 20 of them is held while they go on coming", async () => {
    await using node = await startHttp({ server: { listener: { drainMsMax: 60_000 } } });
    const sockets: Socket[] = [];
    const onRequest = (message: unknown): void => {
      sockets.push((message as { readonly socket: Socket }).socket);
    };
    subscribe("http.server.request.start", onRequest);
    onTestFinished(() => void unsubscribe("http.server.request.start", onRequest));
    const large = await Promise.all(Array.from({ length: 20 }, async () => rawConnection(node.port)));
    const beforeBytes = heldBytes();
    const chunk = Buffer.from(`40000\r\n${"x".repeat(0x40000)}\r\n`);
    for (const connection of large) {
      connection.write(`${PUT}Transfer-Encoding: chunked\r\n\r\n`);
      for (let i = 0; i < 20; i++) connection.write(chunk);
    }
    for (const connection of large) expect(await answerOn(connection)).toMatch(/^HTTP\/1.1 413 /);
    // What the server has read of bodies that have not ended yet.
    await until(() => {
      expect(sockets).toHaveLength(large.length);
      for (const socket of sockets) expect(socket.bytesRead).toBeGreaterThan(5_000_000);
    });
    await until(() => expect((heldBytes() - beforeBytes) / large.length).toBeLessThan(100_000));
    for (const connection of large) connection.write("0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    for (const connection of large) {
      await until(() => expect(connection.received).toMatch(/\r\n\r\nhealthy\n$/));
    }
  });
});

describe("a failure after the first byte", () => {
  it("P8: breaks the transfer and appends nothing", async () => {
    await using node = await startHttp({
      server: {
        routes: [
          (app) => {
            app.get("/test/half", async (_request, reply) => {
              reply.raw.writeHead(200, { "Content-Type": "text/plain" });
              await new Promise<void>((resolve) => reply.raw.write("half", () => resolve()));
              throw new Error("a secret");
            });
          },
        ],
      },
    });
    using connection = await rawConnection(node.port);
    connection.write("GET /test/half HTTP/1.1\r\nHost: x\r\n\r\n");
    const received = await connection.closed;
    expect(received).toMatch(/\r\n4\r\nhalf\r\n$/);
    await expect(fetch(`${node.url}/test/half`).then(async (response) => response.text())).rejects.toThrow(
      TypeError,
    );
  });
});

describe("what is not HTTP", () => {
  it("answers garbage with 400 or closes, never hangs, and goes on serving", async () => {
    await using node = await startHttp();
    const line = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.constantFrom(
        "GET / HTTP/1.1",
        "POST /api/v0/routing/put?arg=x HTTP/1.1",
        "Host: x",
        "Transfer-Encoding: chunked",
        "Content-Length: -1",
        "zz",
        "\0",
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 6 }), async (lines) => {
        using connection = await rawConnection(node.port);
        connection.write(`${lines.join("\r\n")}\r\n\r\n`);
        // The end of what we send ends what may come: an HTTP server closes or answers.
        connection.write("\0\r\n\r\n\r\n");
        await until(() => expect(connection.received).toMatch(/^HTTP\/1.1 [1-5]\d\d /));
      }),
      { seed: 5, numRuns: 60 },
    );
    expect((await fetch(`${node.url}/health`)).status).toBe(200);
  });

  it("refuses a request without Host, and a body that is not chunked as it says", async () => {
    await using node = await startHttp();
    using noHost = await rawConnection(node.port);
    noHost.write("GET /health HTTP/1.1\r\nConnection: close\r\n\r\n");
    expect(await noHost.closed).toMatch(/^HTTP\/1.1 400 /);
    using badChunk = await rawConnection(node.port);
    badChunk.write(`${PUT}Transfer-Encoding: chunked\r\n\r\nzz\r\n`);
    expect(await badChunk.closed).toMatch(/^HTTP\/1.1 400 /);
  });

  it("answers an offered upgrade to HTTP/2 as if it had not been offered, and HTTP/1.0", async () => {
    await using node = await startHttp();
    using upgrade = await rawConnection(node.port);
    upgrade.write(
      "GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
    );
    await until(() => expect(upgrade.received).toMatch(/^HTTP\/1.1 200 [^]*healthy\n$/));
    using old = await rawConnection(node.port);
    old.write("GET /health HTTP/1.0\r\n\r\n");
    expect(await old.closed).toMatch(/^HTTP\/1.1 200 /);
  });

  it("keeps pipelined answers in order, across the hot path and the framework", async () => {
    await using node = await startHttp();
    await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
    using connection = await rawConnection(node.port);
    const hot = `GET /api/v0/routing/get?arg=${key.name.text} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const cold = "GET /api/v0/version HTTP/1.1\r\nHost: x\r\n\r\n";
    connection.write(cold + hot + cold + hot);
    await until(() => expect(connection.received.match(/HTTP\/1.1 200/g)).toHaveLength(4));
    const bodies = [...connection.received.matchAll(/\{"(\w+)"/g)].map((match) => match[1]);
    expect(bodies).toEqual(["Version", "Extra", "Version", "Extra"]);
  });
});

it("garbage multipart bodies by the thousand are refused while warm reads are answered", async () => {
  await using node = await startHttp();
  await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
  const random = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 2000 }), { seed: 6, numRuns: 1000 });
  const statuses = new Set<number>();
  for (let i = 0; i < random.length; i += 50) {
    const flood = random.slice(i, i + 50).map(async (body) => {
      const response = await fetch(`${node.url}/api/v0/routing/put?arg=${key.name.text}`, {
        method: "POST",
        body: new Uint8Array(body),
        headers: { "Content-Type": "multipart/form-data; boundary=b" },
      });
      statuses.add(response.status);
      await response.arrayBuffer();
    });
    const read = await fetch(`${node.url}/api/v0/routing/get?arg=${key.name.text}`);
    expect(read.status).toBe(200);
    await read.arrayBuffer();
    await Promise.all(flood);
  }
  expect([...statuses]).toEqual([400]);
  expect(node.store.count()).toBe(1);
}, 60_000);
