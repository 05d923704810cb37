import { describe, expect, it } from "vitest";
import { whenReachable } from "./reachability.ts";

const facts = {
  routingTableSize: () => 0,
  lastChangeMs: () => 0,
  peersExpected: () => false,
  configuredPeers: 0,
};
const signal = new AbortController().signal;

describe("whenReachable", () => {
  it("goes on at once with a peer, and alone when none is configured", async () => {
    const withPeer = { ...facts, routingTableSize: () => 1, configuredPeers: 1 };
    await expect(whenReachable(withPeer, signal)).resolves.toBeUndefined();
    await expect(whenReachable(facts, signal)).resolves.toBeUndefined();
  });

  it("waits after a change until the first peer is there", async () => {
    let looks = 0;
    const routingTableSize = (): number => (++looks > 3 ? 1 : 0);
    const lastChangeMs = (): number => Date.now();
    await whenReachable(
      { routingTableSize, lastChangeMs, peersExpected: () => true, configuredPeers: 1 },
      signal,
    );
    expect(looks).toBe(4);
  });

  it("fails with BACKEND_UNAVAILABLE when configured peers stay away", async () => {
    await expect(
      whenReachable({ ...facts, peersExpected: () => true, configuredPeers: 2 }, signal),
    ).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  });

  it("ends when the signal aborts", async () => {
    const waiting = {
      ...facts,
      lastChangeMs: () => Date.now(),
      peersExpected: () => true,
      configuredPeers: 1,
    };
    await expect(whenReachable(waiting, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
    const reader = new AbortController();
    const wait = whenReachable(waiting, reader.signal);
    reader.abort();
    await expect(wait).rejects.toMatchObject({ name: "AbortError" });
  });
});
