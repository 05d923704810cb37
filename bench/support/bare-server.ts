/** The yardstick: node:http answering a constant with the headers and the size of a warm `routing/get`. */
import { createServer } from "node:http";

const [, , headersText = "{}", body = ""] = process.argv;
const headers = JSON.parse(headersText) as Record<string, string>;
const bytes = Buffer.from(body);

const server = createServer((_req, res) => {
  res.writeHead(200, headers);
  res.end(bytes);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  process.stdout.write(`http://127.0.0.1:${address.port}\n`);
});
