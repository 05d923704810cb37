/**
 * Nostr relays that flood whoever asks them for events, each in its own way, whatever was asked for. Lines out: their URLs; lines
 * in: `on` and `off`.
 */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import { createInterface } from "node:readline";
import { wireEventOf } from "@holdfast/core";
import { type WebSocket, WebSocketServer } from "ws";
import { authorOf } from "../../packages/server/test/support/nostr-authors.ts";
import { rootOf } from "./fill-pins.ts";

const stranger = authorOf(66);
const CIDS = 10_000;
const CIDS_PER_EVENT = 20;
const LARGE_BYTES = 1_000_000;
const DRIP_MS = 5;
const DRIPPED_BYTES = 60_000;
const PAUSE_MS = 20;

let isOn = false;
createInterface({ input: process.stdin }).on("line", (line) => (isOn = line === "on"));

/** Sends the next thing, and calls back when the connection has taken it. */
type Flood = (socket: WebSocket, raw: Duplex, subscription: string, done: () => void) => void;

const events = Array.from({ length: CIDS / CIDS_PER_EVENT }, (_, i) => {
  const tags = Array.from({ length: CIDS_PER_EVENT }, (_tag, j) => {
    return ["cid", rootOf(i * CIDS_PER_EVENT + j).toString()];
  });
  const createdAtS = Math.floor(Date.now() / 1000);
  return wireEventOf(
    stranger.sign({ kind: 78, createdAtS, tags: [["d", "ipfs-pin"], ...tags], content: "" }),
  );
});
let next = 0;

const strangers: Flood = (socket, _raw, subscription, done) => {
  socket.send(JSON.stringify(["EVENT", subscription, events[next++ % events.length]]), done);
};

const largeContent = randomBytes(LARGE_BYTES / 2).toString("hex");
/** Made once: what the generator needs, the node does not get. */
const largeFrames = new Map<string, Buffer>();

const large: Flood = (socket, _raw, subscription, done) => {
  const event = { ...events[0], content: largeContent };
  const frame = largeFrames.get(subscription) ?? Buffer.from(JSON.stringify(["EVENT", subscription, event]));
  largeFrames.set(subscription, frame);
  socket.send(frame, { binary: false }, done);
};

/** One text frame, a byte at a time. */
const drip: Flood = (_socket, raw, _subscription, done) => {
  const head = Buffer.from([0x81, 126, DRIPPED_BYTES >> 8, DRIPPED_BYTES & 0xff]);
  const bytes = Buffer.concat([head, Buffer.alloc(DRIPPED_BYTES, "x")]);
  let at = 0;
  const timer = setInterval(() => {
    raw.write(bytes.subarray(at, ++at));
    if (at < bytes.length && !raw.destroyed) return;
    clearInterval(timer);
    done();
  }, DRIP_MS);
};

for (const flood of [strangers, large, drip]) {
  const http = createServer((_request, response) => response.writeHead(404).end());
  const sockets = new WebSocketServer({ noServer: true });
  http.on("upgrade", (request, raw, head) => {
    sockets.handleUpgrade(request, raw, head, (socket) => listen(socket, raw, flood));
  });
  http.listen(0, "127.0.0.1", () => {
    const address = http.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    process.stdout.write(`ws://127.0.0.1:${address.port}\n`);
  });
}

function listen(socket: WebSocket, raw: Duplex, flood: Flood): void {
  socket.on("error", () => socket.terminate());
  socket.once("message", (data: Buffer) => {
    const [, subscription] = JSON.parse(data.toString("utf8")) as [string, string];
    const go = (): void => {
      if (socket.readyState !== socket.OPEN) return;
      if (isOn) flood(socket, raw, subscription, go);
      else setTimeout(go, PAUSE_MS);
    };
    go();
  });
}
