/** The yardstick: node:http answering a constant with the headers and the body of the answer it is compared with. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [, , headersText = "{}", bodyFile = ""] = process.argv;
const headers = JSON.parse(headersText) as Record<string, string>;
const bytes = readFileSync(bodyFile);

const server = createServer((_req, res) => {
  res.writeHead(200, headers);
  res.end(bytes);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  process.stdout.write(`http://127.0.0.1:${address.port}\n`);
});
