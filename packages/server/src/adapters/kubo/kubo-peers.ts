import type { KuboRpc } from "./kubo-rpc.ts";

const CONNECT_MS_MAX = 15_000;
const BYTES_MAX = 64 * 1024;

/**
 * Lets Kubo connect to each peer by whichever of its addresses answers first.
 *
 * @param addrs multiaddrs that end in `/p2p/…`.
 * @throws HoldfastError `BACKEND_UNAVAILABLE`, `UPSTREAM_TIMEOUT` when no peer could be reached.
 */
export async function connectKubo(
  rpc: Pick<KuboRpc, "bytes">,
  addrs: readonly string[],
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const peers = Map.groupBy(addrs, (addr) => addr.slice(addr.lastIndexOf("/p2p/")));
  const results = await Promise.allSettled(
    [...peers.values()].map((ofPeer) => connectTo(rpc, ofPeer, { signal })),
  );
  const failure = results.find((result) => result.status === "rejected");
  if (failure !== undefined && results.every(({ status }) => status === "rejected")) throw failure.reason;
}

async function connectTo(
  rpc: Pick<KuboRpc, "bytes">,
  addrs: readonly string[],
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const calls = addrs.map(
    (arg) =>
      ({
        kind: "routing",
        command: "swarm/connect",
        query: { arg },
        msMax: CONNECT_MS_MAX,
        bytesMax: BYTES_MAX,
      }) as const,
  );
  for (const [index, call] of calls.entries()) {
    try {
      await rpc.bytes(call, options);
      return;
    } catch (err) {
      if (options.signal.aborted || index === calls.length - 1) throw err;
    }
  }
}
