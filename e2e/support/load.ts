import { Agent, request } from "node:http";

export interface LoadOptions {
  readonly perSecond: number;
  readonly seconds: number;
  readonly connections: number;
}

export interface LoadResult {
  /** How many answers had each status; `0` counts requests without an answer (the connection was closed). */
  readonly statuses: Readonly<Record<number, number>>;
  /** Milliseconds per answer, sorted; from when it was sent, so that a sender who falls behind says nothing about the server. */
  readonly tookMs: readonly number[];
}

export interface LoadRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** Sends requests at a steady rate, whatever the answers; ends when all have been answered. */
export async function sendLoad(
  url: string,
  make: (i: number) => LoadRequest,
  options: LoadOptions,
): Promise<LoadResult> {
  // By turns: one that is left idle is closed by the server, perhaps just when it is used again.
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections, scheduling: "fifo" });
  const statuses: Record<number, number> = {};
  const tookMs: number[] = [];
  const waiting: Promise<void>[] = [];
  const startedAtMs = performance.now();
  for (let i = 0; i < options.perSecond * options.seconds; i++) {
    const dueAtMs = startedAtMs + (i * 1000) / options.perSecond;
    // Also when it is late: the answers have to have their turn on this thread.
    await new Promise((resolve) => setImmediate(resolve));
    while (performance.now() < dueAtMs) await new Promise((resolve) => setTimeout(resolve, 1));
    waiting.push(
      send(url, agent, make(i)).then(({ status, ms }) => {
        statuses[status] = (statuses[status] ?? 0) + 1;
        tookMs.push(ms);
      }),
    );
  }
  await Promise.all(waiting);
  agent.destroy();
  return { statuses, tookMs: tookMs.sort((a, b) => a - b) };
}

function send(url: string, agent: Agent, what: LoadRequest): Promise<{ status: number; ms: number }> {
  return new Promise((resolve) => {
    let startedAtMs = performance.now();
    const done = (status: number): void => {
      resolve({ status, ms: performance.now() - startedAtMs });
    };
    const req = request(
      new URL(what.path, url),
      { method: what.method, agent, headers: what.headers ?? {} },
      (res) => {
        res.resume();
        res.on("end", () => {
          done(res.statusCode ?? 0);
        });
        res.on("error", () => {
          done(0);
        });
      },
    );
    req.once("socket", () => {
      startedAtMs = performance.now();
    });
    req.on("error", () => {
      done(0);
    });
    req.end(what.body);
  });
}
