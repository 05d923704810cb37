import fc from "fast-check";
import { expect, test } from "vitest";
import { createTestName } from "../../../test/support/records.ts";
import { formatIpnsName } from "@holdfast/core";
import { routedPeersOf } from "./routed-peers.ts";

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const id = formatIpnsName(createTestName().name, "base58btc");

function peersOrWhyNot(json: Uint8Array): ReturnType<typeof routedPeersOf> | string {
  try {
    return routedPeersOf(json, "Providers");
  } catch (err) {
    return (err as Error).message;
  }
}

test("whatever the answer holds, what comes out are peers in their one form", () => {
  const addr = fc.oneof(
    fc.string(),
    fc.constantFrom("/ip4/1.2.3.4/tcp/1", "/p2p/x", `/p2p/${id}`),
    fc.anything(),
  );
  const peer = fc.record(
    { ID: fc.oneof(fc.constant(id), fc.string()), Addrs: fc.array(addr), Protocols: fc.anything() },
    { requiredKeys: [] },
  );
  const list = fc.oneof(fc.array(fc.oneof(peer, fc.jsonValue())), fc.jsonValue());
  fc.assert(
    fc.property(list, (Providers) => {
      const found = peersOrWhyNot(encode({ Providers }));
      const peers = typeof found === "string" ? [] : found;
      expect(typeof found === "string" ? found : "").toMatch(/^(no list of Providers)?$/);
      expect(new Set(peers.map((peer) => peer.id)).size).toBe(peers.length);
      for (const { id: given, addrs } of peers) {
        expect(given).toBe(id);
        for (const text of addrs) expect(text).toMatch(/^\/(?!p2p\/)/);
      }
    }),
    { seed: 3, numRuns: 500 },
  );
});

test("bytes give no peers or an Error, whatever they are", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(peersOrWhyNot(bytes)).toSatisfy(
        (found: unknown) => typeof found === "string" || Array.isArray(found),
      );
    }),
    { seed: 4, numRuns: 300 },
  );
});

test("no more is looked at than a list may have", () => {
  const many = Array.from({ length: 5_000 }, () => ({
    Schema: "peer",
    ID: id,
    Addrs: Array(300).fill("/ip4/1.2.3.4/tcp/1"),
  }));
  const peers = routedPeersOf(encode({ Providers: many }), "Providers");
  expect(peers).toHaveLength(1);
  expect(peers[0]?.addrs).toHaveLength(100);
});
