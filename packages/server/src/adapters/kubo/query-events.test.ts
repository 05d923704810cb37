import fc from "fast-check";
import { expect, test } from "vitest";
import { addrsOf, queryEventOf } from "./query-events.ts";

const PEER = "12D3KooWBXZgkbc8w2s8eq1t5SrRNSrBoYyGMjoc7sHkY5YaNUz8";

test("a value event gives its bytes", () => {
  expect(queryEventOf({ ID: "", Type: 5, Responses: null, Extra: "AQID" })).toEqual({
    kind: "value",
    bytes: Uint8Array.of(1, 2, 3),
  });
});

test("a provider event gives its peers, without what is malformed and without the /p2p/ end of addresses", () => {
  const Responses = [
    { ID: PEER, Addrs: ["/ip4/1.2.3.4/tcp/4001", `/ip4/1.2.3.4/tcp/4002/p2p/${PEER}`, 7, "no address"] },
    { ID: "Qm", Addrs: null },
    { ID: "", Addrs: [] },
    { ID: "x".repeat(200), Addrs: [] },
    null,
  ];
  expect(queryEventOf({ Type: 4, Responses })).toEqual({
    kind: "provider",
    peers: [
      { id: PEER, addrs: ["/ip4/1.2.3.4/tcp/4001", "/ip4/1.2.3.4/tcp/4002"], protocols: [] },
      { id: "Qm", addrs: [], protocols: [] },
    ],
  });
});

test("an answer, a final peer, an error and what has no meaning for us are told apart", () => {
  expect(queryEventOf({ Type: 1, Responses: null }).kind).toBe("answer");
  expect(queryEventOf({ Type: 2, Responses: [{ ID: PEER, Addrs: [] }] }).kind).toBe("peer");
  expect(queryEventOf({ Type: 3, Extra: "routing: not found" })).toEqual({
    kind: "error",
    words: "routing: not found",
  });
  for (const Type of [0, 6, 7, 99, "5", null, undefined]) {
    expect(queryEventOf({ Type }).kind).toBe("other");
  }
});

test("a peer with thousands of addresses keeps some", () => {
  const addrs = Array.from({ length: 5_000 }, (_, i) => `/ip4/127.0.0.1/tcp/${i}`);
  expect(addrsOf(PEER, addrs)).toHaveLength(64);
});

test("whatever JSON comes, it is an event and nothing throws", () => {
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.record({ Type: fc.integer({ min: -1, max: 8 }), Responses: fc.jsonValue(), Extra: fc.jsonValue() }),
    fc.record({
      Type: fc.constantFrom(2, 4),
      Responses: fc.array(fc.record({ ID: fc.jsonValue(), Addrs: fc.jsonValue() })),
    }),
  );
  fc.assert(
    fc.property(anything, (object) => {
      const event = queryEventOf(object);
      expect(["peer", "provider", "value", "error", "answer", "other"]).toContain(event.kind);
      for (const peer of "peers" in event ? event.peers : []) {
        expect(peer.id).not.toBe("");
        for (const addr of peer.addrs) expect(addr).toMatch(/^\//);
      }
    }),
    { seed: 20_261_125, numRuns: 500 },
  );
});
