import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { listenOnLoopback } from "./listen-on-loopback.ts";

export type KuboBehaviour =
  | "answers"
  | "silent"
  | "stalls in the body"
  | "drips"
  | "garbage"
  | "html"
  | "wrong types"
  | "nothing"
  | "huge body"
  | "huge line"
  | "500"
  | "500 with a huge body"
  | "403"
  | "404"
  | "redirects"
  | "reset"
  | "reset in the body";

/** What claims to be Kubo's RPC, on loopback, and does what a test says. */
export interface HostileKubo extends AsyncDisposable {
  readonly url: string;
  /** For all but the calls about its status, which are answered as Kubo does, unless `isStatusHostile`. */
  behaviour: KuboBehaviour;
  isStatusHostile: boolean;
  /** What it `answers`, by command. */
  readonly answers: Map<string, string | Uint8Array>;
  /** Commands with their query, in order, without those about its status. */
  readonly asked: string[];
  /** Calls of `id`, which only a whole look at its status makes. */
  readonly looks: number;
  /** Distinct connections that were made. */
  readonly connections: number;
  /** Requests that have neither been answered nor broken off. */
  readonly open: number;
}

const STATUS: Readonly<Record<string, string>> = {
  version: '{"Version":"0.43.0"}',
  id: '{"ID":"12D3KooWQCFTv4U8kyVCrwDy41FotkQRrCdCw6EvJiPhK6qgCgre","Addresses":["/ip4/127.0.0.1/tcp/4001"]}',
  "swarm/peers": '{"Peers":[{"Peer":"12D3KooWBXZgkbc8w2s8eq1t5SrRNSrBoYyGMjoc7sHkY5YaNUz8"}]}',
};

export async function startHostileKubo(): Promise<HostileKubo> {
  const drips = new Set<NodeJS.Timeout>();
  let connections = 0;
  let looks = 0;
  let open = 0;
  const server = createServer((request, response) => {
    open++;
    response.on("close", () => open--);
    request.resume();
    const [, command = "", query = ""] = /^\/api\/v0\/([^?]*)\??(.*)$/.exec(request.url ?? "") ?? [];
    const status = STATUS[command];
    if (command === "id") looks++;
    if (status === undefined) kubo.asked.push(`${command}?${query}`);
    else if (!kubo.isStatusHostile) return void response.end(status);
    const answer = kubo.answers.get(command);
    return ANSWERS[kubo.behaviour]({ request, response, drips, answer });
  });
  server.on("connection", () => connections++);
  const { url, stop } = await listenOnLoopback(server, drips);
  const kubo: HostileKubo = {
    url,
    behaviour: "answers",
    isStatusHostile: false,
    answers: new Map(),
    asked: [],
    get looks() {
      return looks;
    },
    get connections() {
      return connections;
    },
    get open() {
      return open;
    },
    [Symbol.asyncDispose]: stop,
  };
  return kubo;
}

interface Context {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly drips: Set<NodeJS.Timeout>;
  readonly answer: string | Uint8Array | undefined;
}

const MIB = Buffer.alloc(1024 * 1024, 97);

const ANSWERS: Readonly<Record<KuboBehaviour, (context: Context) => void>> = {
  answers: ({ response, answer }) =>
    answer === undefined
      ? void response.writeHead(500).end('{"Message":"routing: not found","Code":0,"Type":"error"}')
      : void response.end(answer),
  silent: () => {
    // The request stays open.
  },
  "stalls in the body": ({ response }) => void response.writeHead(200).write('{"Extra":"'),
  drips({ response, drips }) {
    drips.add(setInterval(() => response.write(" "), 20));
  },
  garbage: ({ response }) => void response.end(Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x7b, 0x0a])),
  html: ({ response }) => void response.end("<html><body>It works!</body></html>\n"),
  "wrong types": ({ response }) =>
    void response.end(
      'null\n[]\n7\n"x"\n{"Type":"5"}\n{"Type":4,"Responses":{"ID":1}}\n{"Type":4,"Responses":[null,{"ID":7}]}\n',
    ),
  nothing: ({ response }) => void response.end(),
  "huge body": ({ response }) => pourInto(response, Buffer.concat([MIB.subarray(1), Buffer.from("\n")])),
  "huge line": ({ response }) => pourInto(response, MIB),
  "500": ({ response }) =>
    void response
      .writeHead(500)
      .end('{"Message":"leveldb: /home/kubo/.ipfs is broken","Code":0,"Type":"error"}'),
  "500 with a huge body": ({ response }) => {
    response.writeHead(500);
    pourInto(response, MIB);
  },
  "403": ({ response }) => void response.writeHead(403).end("403 - Forbidden"),
  "404": ({ response }) => void response.writeHead(404).end("404 page not found"),
  redirects: ({ response }) => void response.writeHead(307, { Location: "http://127.0.0.1:1/" }).end(),
  reset: ({ request }) => void request.socket.resetAndDestroy(),
  "reset in the body": ({ request, response }) => {
    response.writeHead(200).write('{"Extra":"');
    setImmediate(() => request.socket.resetAndDestroy());
  },
};

/** Without end, as fast as it is read. */
function pourInto(response: ServerResponse, chunk: Uint8Array): void {
  const pour = (): void => {
    while (!response.destroyed) if (!response.write(chunk)) return void response.once("drain", pour);
  };
  pour();
}
