/**
 * Many WebSocket clients of one name in a process of its own, as light as can be: what is measured is the server. Lines out:
 * `ready`, and for each update that the last of them got `{"sequence":…,"atMs":…}`; lines in: `stall N` makes N stop reading.
 */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

const [, , url = "", name = "", countText = "", localAddress = "127.0.0.1"] = process.argv;
const { hostname, port } = new URL(url);
/** Connections being made at the same time. */
const OPENING_MAX = 64;

const HANDSHAKE =
  "GET /ws/ipns HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);
const PING_BYTE = 0x89;

const sockets: Socket[] = [];
/** Sequence → how many got it. */
const heard = new Map<string, number>();
let reading = Number(countText);

await Promise.all(
  Array.from({ length: OPENING_MAX }, async () => {
    while (sockets.length < Number(countText)) await openOne();
  }),
);
process.stdout.write("ready\n");
createInterface({ input: process.stdin }).on("line", (line) => {
  const count = Number(/^stall (\d+)$/.exec(line)?.[1] ?? 0);
  reading -= count;
  for (const socket of sockets.slice(0, count)) socket.pause();
  process.stdout.write("stalled\n");
});

async function openOne(): Promise<void> {
  const socket = connect({ host: hostname, port: Number(port), localAddress });
  sockets.push(socket);
  const subscribed = Promise.withResolvers<void>();
  socket.on("error", (err) => subscribed.reject(err));
  socket.write(HANDSHAKE);
  let isOpen = false;
  socket.on("data", (data) => {
    if (data[0] === PING_BYTE) socket.write(PONG);
    const text = data.toString("latin1");
    if (!isOpen && text.startsWith("HTTP/1.1 101")) {
      isOpen = true;
      socket.write(masked(JSON.stringify({ action: "subscribe", names: [name] })));
    }
    if (text.includes('"subscribed"')) subscribed.resolve();
    for (const [, sequence = ""] of text.matchAll(/"sequenceText":"(\d+)"/g)) hear(sequence);
  });
  await subscribed.promise;
}

function hear(sequence: string): void {
  const count = (heard.get(sequence) ?? 0) + 1;
  heard.set(sequence, count);
  if (count !== reading) return;
  const atMs = performance.timeOrigin + performance.now();
  process.stdout.write(`${JSON.stringify({ sequence: Number(sequence), atMs })}\n`);
}

/** A client's text frame, masked with zeros. */
function masked(text: string): Buffer {
  const payload = Buffer.from(text);
  const head =
    payload.length < 126
      ? [0x81, 0x80 | payload.length]
      : [0x81, 0xfe, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}
