import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { listenOnLoopback } from "./listen-on-loopback.ts";

export type RouterBehaviour =
  | "honest"
  | "takes puts and keeps nothing"
  | "takes no puts"
  | "refuses puts"
  | "fails at puts"
  | "holds puts"
  | "answers from a cache unless told otherwise"
  | "404"
  | "silent"
  | "stalls in the body"
  | "drips"
  | "reset"
  | "reset in the body"
  | "500"
  | "503 for 20 s"
  | "html"
  | "garbage as a record"
  | "empty record"
  | "huge record"
  | "redirects";

/** A Delegated Routing server on loopback that does what a test says. */
export interface RouterServer extends AsyncDisposable {
  readonly url: string;
  behaviour: RouterBehaviour;
  /** By name in base36; what it answers for every name is under `*`. */
  readonly records: Map<string, Uint8Array>;
  /** JSON texts by path, e.g. `/routing/v1/providers/bafy…`. */
  readonly json: Map<string, string>;
  /** `METHOD target`, in order. */
  readonly asked: string[];
  readonly headers: IncomingMessage["headers"][];
  /** Puts that wait for the test to call them. */
  readonly heldPuts: (() => void)[];
  /** How many requests are open now. */
  readonly open: number;
}

export const RECORD_TYPE = "application/vnd.ipfs.ipns-record";
const PATH = /^\/routing\/v1\/ipns\/([^/?]+)$/;

export async function startRouterServer(behaviour: RouterBehaviour = "honest"): Promise<RouterServer> {
  const drips = new Set<NodeJS.Timeout>();
  let open = 0;
  const server = createServer((request, response) => {
    open++;
    response.once("close", () => open--);
    router.asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
    router.headers.push(request.headers);
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => answer({ request, response, body: Buffer.concat(chunks), drips, router }));
  });
  const { url, stop } = await listenOnLoopback(server, drips);
  const router: RouterServer = {
    url,
    behaviour,
    records: new Map(),
    json: new Map(),
    asked: [],
    headers: [],
    heldPuts: [],
    get open() {
      return open;
    },
    [Symbol.asyncDispose]: stop,
  };
  return router;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Uint8Array;
  readonly drips: Set<NodeJS.Timeout>;
  readonly router: RouterServer;
}

function answer(exchange: Exchange): void {
  const { request, response, router } = exchange;
  const hostile = HOSTILE[router.behaviour];
  if (hostile !== undefined) return void hostile(exchange);
  const json = router.json.get(request.url ?? "");
  if (json !== undefined)
    return void response.writeHead(200, { "content-type": "application/json" }).end(json);
  const [, name = ""] = PATH.exec(request.url ?? "") ?? [];
  if (name === "") return void response.writeHead(404).end("404 page not found");
  if (request.method === "PUT") return put(exchange, name);
  const record = router.records.get(name) ?? router.records.get("*");
  const isHidden =
    router.behaviour === "answers from a cache unless told otherwise" &&
    request.headers["cache-control"] !== "no-cache";
  // IPIP-513: no record is a 200 of another type.
  if (record === undefined || isHidden) {
    response.writeHead(200, { "content-type": "text/plain" }).end("delegate error: routing: not found");
  } else response.writeHead(200, { "content-type": RECORD_TYPE }).end(record);
}

function put({ response, body, router }: Exchange, name: string): void {
  if (router.behaviour === "takes no puts") return void response.writeHead(405).end();
  if (router.behaviour === "refuses puts") return void response.writeHead(400).end("older");
  if (router.behaviour === "fails at puts") return void response.writeHead(500).end("delegate error");
  const take = (): void => {
    if (router.behaviour !== "takes puts and keeps nothing") router.records.set(name, body);
    response.writeHead(200).end();
  };
  if (router.behaviour === "holds puts") router.heldPuts.push(take);
  else take();
}

const RECORD = { "content-type": RECORD_TYPE };

const HOSTILE: Partial<Record<RouterBehaviour, (exchange: Exchange) => unknown>> = {
  "404": ({ response }) => response.writeHead(404).end("not found"),
  silent: () => undefined,
  "stalls in the body": ({ response }) => response.writeHead(200, RECORD).write("x"),
  drips: ({ response, drips }) => {
    response.writeHead(200, RECORD);
    drips.add(setInterval(() => response.write("x"), 20));
  },
  reset: ({ request }) => request.socket.resetAndDestroy(),
  "reset in the body": ({ request, response }) =>
    response
      .writeHead(200, { ...RECORD, "content-length": "300" })
      .write("x", () => request.socket.resetAndDestroy()),
  "500": ({ response }) => response.writeHead(500, { "content-type": "text/html" }).end("<h1>sorry</h1>"),
  "503 for 20 s": ({ response }) => response.writeHead(503, { "retry-after": "20" }).end(),
  html: ({ response }) => response.writeHead(200, { "content-type": "text/html" }).end("<h1>It works!</h1>"),
  "garbage as a record": ({ response }) =>
    response.writeHead(200, RECORD).end(new Uint8Array([0xff, 0, 1, 2])),
  "empty record": ({ response }) => response.writeHead(200, RECORD).end(),
  "huge record": ({ response }) => {
    response.writeHead(200, RECORD);
    for (let i = 0; i < 100 && !response.destroyed; i++) response.write(new Uint8Array(100_000));
    response.end();
  },
  redirects: ({ response }) => response.writeHead(307, { location: "http://127.0.0.1:1/elsewhere" }).end(),
};
