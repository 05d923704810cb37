import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type ScriptedCommand = (
  response: ServerResponse,
  call: { readonly query: URLSearchParams; readonly request: IncomingMessage },
) => void;

/** What answers as Kubo's RPC does, command by command, as a test says; on loopback. */
export interface ScriptedKubo extends AsyncDisposable {
  readonly url: string;
  /** Looked up with each call, so that a script may change. What is not scripted is answered 404. */
  readonly commands: Map<string, ScriptedCommand>;
  /** Commands in their order, without those about its status. */
  readonly asked: string[];
}

export const KUBO_ID = "12D3KooWQCFTv4U8kyVCrwDy41FotkQRrCdCw6EvJiPhK6qgCgre";

const STATUS: Readonly<Record<string, string>> = {
  version: '{"Version":"0.43.0"}',
  id: `{"ID":"${KUBO_ID}","Addresses":["/ip4/127.0.0.1/tcp/4001"]}`,
  "swarm/peers": '{"Peers":[{"Peer":"12D3KooWBXZgkbc8w2s8eq1t5SrRNSrBoYyGMjoc7sHkY5YaNUz8"}]}',
};

export async function startScriptedKubo(
  script: Readonly<Record<string, ScriptedCommand>> = {},
): Promise<ScriptedKubo> {
  const commands = new Map(Object.entries(script));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://kubo");
    const command = url.pathname.replace("/api/v0/", "");
    const status = STATUS[command];
    if (status === undefined) asked.push(command);
    const scripted = commands.get(command);
    if (scripted !== undefined) return scripted(response, { query: url.searchParams, request });
    request.resume();
    if (status === undefined) response.writeHead(404);
    response.end(status ?? "404 page not found");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    commands,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The form of a command's failure. */
export function refuse(response: ServerResponse, message: string): void {
  response.writeHead(500, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ Message: message, Code: 0, Type: "error" }));
}
