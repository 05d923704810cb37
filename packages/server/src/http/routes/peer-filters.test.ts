import { expect, it } from "vitest";
import { filterPeer, readPeerFilters } from "./peer-filters.ts";

const peer = {
  id: "12D3",
  addrs: [
    "/ip4/192.0.2.1/tcp/4001",
    "/ip4/192.0.2.1/udp/4001/quic-v1",
    "/dns4/x.example/tcp/443/wss",
    "/p2p/a/p2p-circuit/tcp/1",
  ],
  protocols: ["transport-bitswap"],
};
const [tcp, quic, wss] = peer.addrs;

it.each([
  [undefined, peer.addrs],
  ["", peer.addrs],
  ["quic-v1", [quic]],
  ["WSS,quic-v1", [quic, wss]],
  ["!p2p-circuit", [tcp, quic, wss]],
  ["tcp,!p2p-circuit,!wss", [tcp]],
  ["unknown,wss", [wss]],
  ["!p2p-circuit,unknown", [tcp, quic, wss]],
])("keeps the addresses that filter-addrs=%s wants", (filter, expected) => {
  expect(filterPeer(peer, readPeerFilters(filter, undefined))?.addrs).toEqual(expected);
});

it("drops a peer left without addresses, and keeps one that had none only for unknown", () => {
  const bare = { ...peer, addrs: [] };
  expect(filterPeer(peer, readPeerFilters("webtransport", undefined))).toBeUndefined();
  expect(filterPeer(peer, readPeerFilters("unknown", undefined))).toBeUndefined();
  expect(filterPeer(bare, readPeerFilters("webtransport", undefined))).toBeUndefined();
  expect(filterPeer(bare, readPeerFilters("unknown,tcp", undefined))).toEqual(bare);
});

it("keeps peers by protocol, whatever the case, and those without any only for unknown", () => {
  const silent = { ...peer, protocols: [] };
  expect(filterPeer(peer, readPeerFilters(undefined, "Transport-Bitswap"))).toEqual(peer);
  expect(filterPeer(peer, readPeerFilters(undefined, "transport-ipfs-gateway-http"))).toBeUndefined();
  expect(filterPeer(silent, readPeerFilters(undefined, "transport-bitswap"))).toBeUndefined();
  expect(filterPeer(silent, readPeerFilters(undefined, "unknown"))).toEqual(silent);
});
