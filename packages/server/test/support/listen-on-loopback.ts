import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Starts a scripted server on a free port. Stopping it cuts every connection and ends what still drips into one. */
export async function listenOnLoopback(
  server: Server,
  drips: ReadonlySet<NodeJS.Timeout>,
): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      for (const drip of drips) clearInterval(drip);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
