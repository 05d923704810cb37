/** As much of a Kubo's RPC as the comparison of pins needs: it lists the pins of `fillPins` as fast as they are read, and has nothing else. */
import { createReadStream, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { rootOf } from "./fill-pins.ts";

const [, , folder = "", countText = ""] = process.argv;
const STATUS: Readonly<Record<string, string>> = {
  version: '{"Version":"0.43.0"}',
  id: '{"ID":"12D3KooWQCFTv4U8kyVCrwDy41FotkQRrCdCw6EvJiPhK6qgCgre","Addresses":[]}',
  "swarm/peers": '{"Peers":[]}',
};

const list = join(folder, "pins");
for (let from = 0; from < Number(countText); from += 100_000) {
  const length = Math.min(100_000, Number(countText) - from);
  writeFileSync(list, Array.from({ length }, (_, i) => `${rootOf(from + i).toString()}\n`).join(""), {
    flag: "a",
  });
}

const server = createServer((request, response) => {
  request.resume();
  const { pathname, searchParams } = new URL(request.url ?? "", "http://kubo");
  const command = pathname.replace("/api/v0/", "");
  const status = STATUS[command];
  if (status !== undefined) response.end(status);
  else if (command !== "pin/ls" || searchParams.has("arg")) {
    response.writeHead(500).end(`{"Message":"is not pinned","Code":0,"Type":"error"}`);
  } else if (searchParams.get("type") === "recursive") createReadStream(list).pipe(response);
  else response.end();
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  process.stdout.write(`http://127.0.0.1:${address.port}\n`);
});
process.on("exit", () => {
  rmSync(list, { force: true });
});
