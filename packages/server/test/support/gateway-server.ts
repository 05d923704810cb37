import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { CarWriter } from "@ipld/car";
import { parseCid } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { blockKeyOf } from "../../src/content/block-hash.ts";
import type { Block } from "../../src/content/block-store.ts";
import { listenOnLoopback } from "./listen-on-loopback.ts";

export type GatewayBehaviour =
  | "honest"
  | "wrong bytes"
  | "truncated block with a right length"
  | "less than its Content-Length"
  | "more than a block"
  | "says that it is huge"
  | "empty car"
  | "empty body"
  | "drips"
  | "silent"
  | "stalls in the body"
  | "reset"
  | "reset in the body"
  | "500"
  | "503 for 20 s"
  | "504"
  | "redirects"
  | "gzip";

/** A trustless gateway on loopback that does what a test says. */
export interface GatewayServer extends AsyncDisposable {
  readonly url: string;
  behaviour: GatewayBehaviour;
  /** Request targets, in order. */
  readonly asked: string[];
  readonly headers: IncomingMessage["headers"][];
  /** Distinct connections that were made. */
  readonly connections: number;
  give(block: Block): CID;
}

export async function startGatewayServer(): Promise<GatewayServer> {
  const blocks = new Map<string, Uint8Array>();
  const drips = new Set<NodeJS.Timeout>();
  let connections = 0;
  const server = createServer((request, response) => {
    const url = request.url ?? "";
    gateway.asked.push(url);
    gateway.headers.push(request.headers);
    const [, text = ""] = /^\/some\/base\/ipfs\/([^/?]+)\?format=raw$/.exec(url) ?? [];
    const bytes = text === "" ? undefined : blocks.get(blockKeyOf(parseCid(text)));
    if (bytes === undefined) response.writeHead(404).end("not here");
    else {
      const half = bytes.subarray(0, Math.floor(bytes.byteLength / 2));
      ANSWERS[gateway.behaviour]({ bytes, half, request, response, drips });
    }
  });
  server.on("connection", () => connections++);
  const { url, stop } = await listenOnLoopback(server, drips);
  const gateway: GatewayServer = {
    url: `${url}/some/base/`,
    behaviour: "honest",
    asked: [],
    headers: [],
    get connections() {
      return connections;
    },
    give: ({ cid, bytes }) => {
      blocks.set(blockKeyOf(cid), bytes);
      return cid;
    },
    [Symbol.asyncDispose]: stop,
  };
  return gateway;
}

interface Exchange {
  readonly bytes: Uint8Array;
  readonly half: Uint8Array;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly drips: Set<NodeJS.Timeout>;
}

const RAW = { "content-type": "application/vnd.ipld.raw" };
const whole = (bytes: Uint8Array) => ({ ...RAW, "content-length": String(bytes.byteLength) });

const ANSWERS: Readonly<Record<GatewayBehaviour, (exchange: Exchange) => unknown>> = {
  honest: ({ response, bytes }) => response.writeHead(200, whole(bytes)).end(bytes),
  "wrong bytes": ({ response, bytes }) =>
    response.writeHead(200, whole(bytes)).end(bytes.map((byte) => byte ^ 1)),
  "truncated block with a right length": ({ response, half }) =>
    response.writeHead(200, whole(half)).end(half),
  "less than its Content-Length": ({ request, response, bytes, half }) =>
    response.writeHead(200, whole(bytes)).write(half, () => request.socket.end()),
  "more than a block": ({ response }) => {
    response.writeHead(200, RAW);
    for (let i = 0; i < 100 && !response.destroyed; i++) response.write(new Uint8Array(100_000));
    response.end();
  },
  "says that it is huge": ({ response, half }) =>
    response.writeHead(200, { ...RAW, "content-length": "99999999999" }).write(half),
  "empty car": async ({ response }) =>
    response.writeHead(200, { "content-type": "application/vnd.ipld.car" }).end(await emptyCar()),
  "empty body": ({ response }) => response.writeHead(200, whole(new Uint8Array())).end(),
  drips: ({ response, bytes, drips }) => {
    response.writeHead(200, whole(bytes));
    let at = 0;
    drips.add(setInterval(() => response.write(bytes.subarray(at, ++at)), 20));
  },
  silent: () => undefined,
  "stalls in the body": ({ response, bytes, half }) => response.writeHead(200, whole(bytes)).write(half),
  reset: ({ request }) => request.socket.resetAndDestroy(),
  "reset in the body": ({ request, response, bytes, half }) =>
    response.writeHead(200, whole(bytes)).write(half, () => request.socket.resetAndDestroy()),
  "500": ({ response }) => response.writeHead(500, { "content-type": "text/html" }).end("<h1>sorry</h1>"),
  "503 for 20 s": ({ response }) => response.writeHead(503, { "retry-after": "20" }).end(),
  "504": ({ response }) => response.writeHead(504).end(),
  redirects: ({ response }) => response.writeHead(302, { location: "http://127.0.0.1:1/elsewhere" }).end(),
  gzip: ({ response, bytes }) => response.writeHead(200, { ...RAW, "content-encoding": "gzip" }).end(bytes),
};

async function emptyCar(): Promise<Uint8Array> {
  const { writer, out } = CarWriter.create([]);
  const closing = writer.close();
  const chunks: Uint8Array[] = [];
  for await (const chunk of out) chunks.push(chunk);
  await closing;
  return Buffer.concat(chunks);
}
