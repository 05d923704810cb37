import { once } from "node:events";
import type { Server } from "node:http";

/** Each process of tests has a hundred of its own, below those that systems give to whoever asks for any. */
let next = 12_000 + (process.pid % 200) * 100;

/** Listens on a port that nobody else takes while the server is away: for those that go and come back at the same place. */
export async function listenOnLastingPort(server: Server): Promise<number> {
  for (;;) {
    const port = next++;
    try {
      await listenOn(server, port);
      return port;
    } catch (err) {
      if (!(err instanceof Error && "code" in err && err.code === "EADDRINUSE")) throw err;
    }
  }
}

export async function listenOn(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}
