import { generateKeyPair } from "@libp2p/crypto/keys";
import type { Libp2p, PeerId, Topology } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import type { BlockBroker } from "helia";
import { beforeEach, describe, expect, it } from "vitest";
import { rawCidOf } from "../../../test/support/raw-cid.ts";
import { BitswapSwarm } from "./bitswap-swarm.ts";

const BYTES = Uint8Array.of(1, 2, 3);
const CID = rawCidOf(BYTES);
const never = new AbortController().signal;

/** The few members of libp2p and of bitswap that a swarm uses; `connect` and `disconnect` are what the network does. */
class FakeNetwork extends EventTarget {
  readonly connections = new Set<string>();
  readonly dialled: string[] = [];
  isDialable = true;
  topology: Topology = {};
  /** What the one asked peer does. */
  answer: (signal: AbortSignal) => Promise<Uint8Array> = () => Promise.resolve(BYTES);
  readonly broker: BlockBroker = {
    name: "bitswap",
    createSession: () => ({
      name: "session",
      addPeer: () => Promise.resolve(),
      retrieve: (_cid, options) => this.answer(options?.signal ?? never),
    }),
  };

  getConnections(peer: PeerId): unknown[] {
    return this.connections.has(peer.toString()) ? [{}] : [];
  }

  async dial(peer: PeerId): Promise<void> {
    this.dialled.push(peer.toString());
    if (!this.isDialable) throw new Error("nobody there");
    this.connect(peer);
  }

  async register(_protocol: string, topology: Topology): Promise<string> {
    this.topology = topology;
    return "id";
  }

  connect(peer: PeerId): void {
    this.connections.add(peer.toString());
    void this.topology.onConnect?.(peer, {} as never);
  }

  disconnect(peer: PeerId): void {
    this.connections.delete(peer.toString());
    this.dispatchEvent(new CustomEvent("peer:disconnect", { detail: peer }));
  }
}

let network: FakeNetwork;
let swarm: BitswapSwarm;
let peer: PeerId;

beforeEach(async () => {
  network = new FakeNetwork();
  swarm = await BitswapSwarm.start(network as unknown as Libp2p, network.broker);
  peer = peerIdFromPrivateKey(await generateKeyPair("Ed25519"));
});

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

describe("BitswapSwarm", () => {
  it("knows the connected peers, and forgets those who go", () => {
    network.connect(peer);
    expect(swarm.connectedPeers()).toEqual([peer]);
    network.disconnect(peer);
    expect(swarm.connectedPeers()).toEqual([]);
  });

  it("dials a peer that is not connected, and one that is connected not again", async () => {
    expect(await swarm.ask(peer, CID, never)).toBe(BYTES);
    expect(await swarm.ask(peer, CID, never)).toBe(BYTES);
    expect(network.dialled).toEqual([peer.toString()]);
  });

  it("takes a peer that cannot be dialled for silent", async () => {
    network.isDialable = false;
    expect(await swarm.ask(peer, CID, never)).toBe("silent");
  });

  it("takes a refusal of a connected peer for a no", async () => {
    network.answer = () => Promise.reject(new Error("Provider did not have block"));
    expect(await swarm.ask(peer, CID, never)).toBe("does-not-have");
  });

  it("gives up at once what it asks a peer that goes: bitswap itself would wait on", async () => {
    network.answer = hang;
    network.connect(peer);
    const asking = [swarm.ask(peer, CID, never), swarm.ask(peer, CID, never)];
    await new Promise((resolve) => setImmediate(resolve));
    network.disconnect(peer);
    expect(await Promise.all(asking)).toEqual(["silent", "silent"]);
  });

  it("answers silent when the one who asked goes", async () => {
    network.answer = hang;
    const reader = new AbortController();
    const asking = swarm.ask(peer, CID, reader.signal);
    reader.abort();
    expect(await asking).toBe("silent");
  });
});
