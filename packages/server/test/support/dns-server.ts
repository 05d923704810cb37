import { createSocket } from "node:dgram";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a name answers: TXT records (each a list of strings), nothing at all, or a failure. */
export interface TestZone {
  readonly txt?: readonly (readonly string[])[];
  readonly ttlS?: number;
  /** The records stand at this name, to which the one asked for is an alias. */
  readonly alias?: { readonly name: string; readonly ttlS: number };
  /** `silent`: no answer at all. A number: that response code. */
  readonly fails?: "silent" | number;
}

export interface TestDns extends AsyncDisposable {
  /** `127.0.0.1:port` for DNS over UDP. */
  readonly server: string;
  /** For DNS over HTTP. */
  readonly url: string;
  /** By name, in lower case; absent names do not exist. To be changed as the test goes. */
  readonly zones: Map<string, TestZone>;
  /** The names that were asked for, in order. */
  readonly asked: string[];
}

/** A DNS server on loopback, over UDP and over HTTP. It knows TXT and nothing else. */
export async function startTestDns(zones: Record<string, TestZone> = {}): Promise<TestDns> {
  const known = new Map(Object.entries(zones));
  const asked: string[] = [];
  const answer = (question: Buffer): Buffer | undefined => {
    const { name, end } = readName(question);
    asked.push(name);
    const zone = known.get(name.toLowerCase());
    return zone?.fails === "silent" ? undefined : encodeAnswer(question.subarray(0, end + 4), zone);
  };
  const udp = createSocket("udp4");
  udp.on("message", (message, { address, port }) => {
    const reply = answer(message);
    if (reply !== undefined) udp.send(reply, port, address);
  });
  await new Promise<void>((resolve) => udp.bind(0, "127.0.0.1", resolve));
  const http = createServer((request, response) => {
    answerHttp(request, response, answer);
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    server: `127.0.0.1:${udp.address().port}`,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/dns-query`,
    zones: known,
    asked,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await Promise.all([
        new Promise<void>((resolve) => udp.close(resolve)),
        new Promise((resolve) => http.close(resolve)),
      ]);
    },
  };
}

function answerHttp(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (question: Buffer) => Buffer | undefined,
): void {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost");
  const question = searchParams.get("dns");
  if (
    pathname !== "/dns-query" ||
    question === null ||
    request.headers.accept !== "application/dns-message"
  ) {
    response.writeHead(400).end();
    return;
  }
  const reply = answer(Buffer.from(question, "base64url"));
  // A server that says nothing leaves the client waiting.
  if (reply !== undefined) response.writeHead(200, { "Content-Type": "application/dns-message" }).end(reply);
}

function readName(message: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join("."), end: at + 1 };
}

/** @param question the header and the question of the message. */
function encodeAnswer(question: Buffer, zone: TestZone | undefined): Buffer {
  const { txt = [], ttlS = 300, alias, fails } = zone ?? {};
  const owner = alias === undefined ? POINTER_TO_QUESTION : encodeName(alias.name);
  const records = [
    ...(alias === undefined ? [] : [record(POINTER_TO_QUESTION, 5, alias.ttlS, owner)]),
    ...txt.map((strings) => record(owner, 16, ttlS, Buffer.concat(strings.map(encodeString)))),
  ];
  const reply = Buffer.concat([question, ...records]);
  const code = typeof fails === "number" ? fails : zone === undefined ? 3 : 0;
  reply.writeUInt16BE(0x8180 | code, 2);
  reply.writeUInt16BE(1, 4);
  reply.writeUInt16BE(records.length, 6);
  reply.fill(0, 8, 12);
  return reply;
}

const POINTER_TO_QUESTION = Buffer.from([0xc0, 12]);

function record(owner: Buffer, type: number, ttlS: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttlS, 4);
  fixed.writeUInt16BE(data.byteLength, 8);
  return Buffer.concat([owner, fixed, data]);
}

function encodeName(name: string): Buffer {
  return Buffer.concat([...name.split(".").map(encodeString), Buffer.from([0])]);
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.byteLength]), bytes]);
}
