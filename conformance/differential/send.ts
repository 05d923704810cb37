import { Agent, request as httpRequest } from "node:http";

/** A request before it is sent. A header or parameter value `@own` is replaced by the server's own Etag or date. */
export interface GatewayRequest {
  readonly method: "GET" | "HEAD" | "POST" | "OPTIONS" | "PUT" | "DELETE";
  /** Encoded, as it goes over the wire; nothing normalises it. */
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: readonly (readonly [string, string])[];
}

export interface Exchange {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The body ended as it should; a transfer that broke off has not. */
  readonly isComplete: boolean;
}

const TIMEOUT_MS = 20_000;

export class GatewayClient implements Disposable {
  readonly url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });

  constructor(url: string) {
    this.url = url;
  }

  /** Sends it, after asking for the server's own tag or date when a condition wants to name it. */
  async send(request: GatewayRequest): Promise<Exchange> {
    return this.#exchange(needsOwn(request) ? fillOwn(request, await this.#validatorsOf(request)) : request);
  }

  /** Those of the GET; where it fails, as with a missing block far behind the beginning, those of the HEAD. */
  async #validatorsOf(request: GatewayRequest): Promise<Exchange> {
    const plain = unconditional(request);
    const got = await this.#exchange({ ...plain, method: "GET" });
    return got.headers["etag"] === undefined && got.status !== 400
      ? this.#exchange({ ...plain, method: "HEAD" })
      : got;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #exchange({ method, path, query, headers }: GatewayRequest): Promise<Exchange> {
    const { hostname, port, host } = new URL(this.url);
    const { promise, resolve, reject } = Promise.withResolvers<Exchange>();
    const sent = httpRequest(
      {
        hostname,
        port,
        agent: this.#agent,
        method,
        path: targetOf(path, query),
        // A flat list goes out as it is: twice the same name, and no Host but ours.
        headers: ["Host", host, ...headers.flat()],
        timeout: TIMEOUT_MS,
        // Kubo repeats control characters of the path in its headers.
        insecureHTTPParser: true,
      },
      (response) => {
        const chunks: Buffer[] = [];
        const done = (): void => {
          resolve({
            status: response.statusCode ?? 0,
            headers: joinHeaders(response.rawHeaders),
            body: Buffer.concat(chunks),
            isComplete: response.complete,
          });
        };
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("end", done).once("error", done);
      },
    );
    sent.once("timeout", () => sent.destroy(new Error("no answer in time")));
    // More than once: a Go server answers some HEADs with a body.
    sent.on("error", reject);
    sent.end();
    return promise;
  }
}

function targetOf(path: string, query: GatewayRequest["query"]): string {
  if (query.length === 0) return path;
  return `${path}?${query.map(([name, value]) => (value === "" ? name : `${name}=${value}`)).join("&")}`;
}

export const OWN = "@own";
const CONDITIONS = new Set(["if-none-match", "if-modified-since", "if-range", "range"]);

function needsOwn({ headers }: GatewayRequest): boolean {
  return headers.some(([, value]) => value.includes(OWN));
}

function unconditional(request: GatewayRequest): GatewayRequest {
  return { ...request, headers: request.headers.filter(([name]) => !CONDITIONS.has(name.toLowerCase())) };
}

function fillOwn(request: GatewayRequest, { headers }: Exchange): GatewayRequest {
  const fill = ([name, value]: readonly [string, string]): readonly [string, string] => {
    const own = name.toLowerCase() === "if-modified-since" ? headers["last-modified"] : headers["etag"];
    // Without one there is nothing to name: a tag that nobody has.
    return [name, value.replace(OWN, own ?? '"nobody-has-this"')];
  };
  return { ...request, headers: request.headers.map(fill) };
}

function joinHeaders(raw: readonly string[]): Record<string, string> {
  const joined: Record<string, string> = {};
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase() ?? "";
    // Go writes UTF-8 into headers.
    const value = Buffer.from(raw[i + 1] ?? "", "latin1").toString("utf8");
    joined[name] = joined[name] === undefined ? value : `${joined[name]}, ${value}`;
  }
  return joined;
}

export function curlOf(url: string, request: GatewayRequest): string {
  const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const method =
    request.method === "HEAD" ? ["-I"] : ["-i", ...(request.method === "GET" ? [] : ["-X", request.method])];
  const headers = request.headers.map(
    ([name, value]) => `-H ${quote(value === "" ? `${name};` : `${name}: ${value}`)}`,
  );
  return [
    "curl -sg --path-as-is",
    ...method,
    ...headers,
    quote(url + targetOf(request.path, request.query)),
  ].join(" ");
}
