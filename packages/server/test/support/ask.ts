import { Agent, request, type IncomingHttpHeaders } from "node:http";

export interface Asked {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/**
 * Sends a request with any `Host` and any target to a port on loopback, which `fetch` does not allow, and follows nothing.
 * Every call has a connection of its own.
 */
export async function ask(
  port: number,
  target: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  } = {},
): Promise<Asked> {
  const { method = "GET", headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port, path: target, method, headers, agent: new Agent() },
      (response) => {
        const chunks: Buffer[] = [];
        response
          .on("data", (chunk: Buffer) => chunks.push(chunk))
          .on("error", reject)
          .on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
          });
      },
    );
    sent.on("error", reject).end(body);
  });
}
