import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly update: {
    readonly name: string;
    readonly sequence: number;
    readonly change: number;
    readonly [field: string]: unknown;
  };
}

export interface TestEndpoint extends AsyncDisposable {
  readonly url: string;
  /** What arrived, refused or not. */
  readonly heard: Delivery[];
  /** Deliveries under way at the same time, at most. */
  readonly concurrentMax: number;
  sequencesOf(name: string): number[];
}

/** The answer to a delivery: a status, or a whole answer that the test writes. */
type Answer = (delivery: Delivery) => number | Promise<number>;

/** An HTTP server on loopback that is told of changes. */
export async function startWebhookEndpoint(
  answer: Answer = () => 204,
  {
    port = 0,
    body = "",
    headers = {},
  }: { port?: number; body?: string; headers?: Record<string, string> } = {},
): Promise<TestEndpoint> {
  const heard: Delivery[] = [];
  let concurrent = 0;
  let concurrentMax = 0;
  const server = createServer((request, response) => {
    concurrentMax = Math.max(concurrentMax, ++concurrent);
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const delivery = {
        headers: request.headers,
        body: text,
        update: JSON.parse(text) as Delivery["update"],
      };
      heard.push(delivery);
      void Promise.resolve(answer(delivery)).then((status) => {
        // Before the answer, which may bring the next delivery at once.
        concurrent--;
        response.writeHead(status, headers).end(body);
      });
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    heard,
    get concurrentMax() {
      return concurrentMax;
    },
    sequencesOf: (name) =>
      heard.filter(({ update }) => update.name === name).map(({ update }) => update.sequence),
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
