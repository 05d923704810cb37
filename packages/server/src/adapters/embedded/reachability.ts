import { setTimeout as pause } from "node:timers/promises";
import { HoldfastError } from "@holdfast/core";

/** How long after the start, or after a new connection, a peer may take until it is in the routing table. */
const INTRODUCTION_MS = 3_000;
const LOOK_EVERY_MS = 20;

interface Parts {
  /** How many peers the DHT's routing table holds. */
  readonly routingTableSize: () => number;
  /** When the node started, or the last connection was opened, ms since the Unix epoch. */
  readonly lastChangeMs: () => number;
  /** Whether peers are to be expected: some are configured, or connected. */
  readonly peersExpected: () => boolean;
  /** How many peers the configuration names. */
  readonly configuredPeers: number;
}

/**
 * Waits until the DHT has a peer to ask, for a few seconds at most: right after the start its queries end at once with
 * nothing, which would be taken for "nobody knows".
 *
 * @throws HoldfastError `BACKEND_UNAVAILABLE` when peers are configured and none is there. A node without configured peers
 *   may be alone, and then nothing is a true answer.
 */
export async function whenReachable(parts: Parts, signal: AbortSignal): Promise<void> {
  while (parts.routingTableSize() === 0) {
    signal.throwIfAborted();
    const waiting = parts.peersExpected() && Date.now() - parts.lastChangeMs() < INTRODUCTION_MS;
    if (!waiting && parts.configuredPeers === 0) return;
    if (!waiting) throw new HoldfastError("BACKEND_UNAVAILABLE", "no peer of the network is connected");
    await pause(LOOK_EVERY_MS, undefined, { signal });
  }
}
