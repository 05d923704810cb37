import { generateKeyPair } from "@libp2p/crypto/keys";
import type { PeerId } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import type { CID } from "multiformats/cid";
import { beforeAll, describe, expect, it } from "vitest";
import { rawCidOf } from "../../../test/support/raw-cid.ts";
import type { Answer } from "./bitswap-swarm.ts";
import { type SearchParts, searchBlock } from "./block-search.ts";
import { DagSession } from "./dag-session.ts";

const BYTES = Uint8Array.of(1, 2, 3);
const CID_OF_BYTES = rawCidOf(BYTES);
const ROOT = rawCidOf(Uint8Array.of(9));
const never = new AbortController().signal;
let peers: PeerId[];

beforeAll(async () => {
  peers = await Promise.all(
    Array.from({ length: 6 }, async () => peerIdFromPrivateKey(await generateKeyPair("Ed25519"))),
  );
});

/** A swarm on paper: what each peer answers (default: it does not have the block), and who is known from where. */
function swarmOf(facts: {
  answers?: Record<number, Answer | Promise<Answer>>;
  connected?: number[];
  providersOfBlock?: number[];
  providersOfRoot?: number[] | Error;
}) {
  const asked: number[] = [];
  const peerAt = (index: number): PeerId => peers[index] as PeerId;
  const providersOf = async function* (cid: CID): AsyncGenerator<PeerId> {
    const found = cid.equals(ROOT) ? facts.providersOfRoot : facts.providersOfBlock;
    if (found instanceof Error) throw found;
    for (const index of found ?? []) yield peerAt(index);
  };
  const parts: SearchParts = {
    async ask(peer, _cid, signal) {
      const index = peers.findIndex((p) => p.equals(peer));
      asked.push(index);
      const gone = new Promise<Answer>((resolve) => {
        signal.addEventListener("abort", () => resolve("silent"), { once: true });
      });
      return Promise.race([facts.answers?.[index] ?? "does-not-have", gone]);
    },
    connectedPeers: () => (facts.connected ?? []).map(peerAt),
    findProviders: providersOf,
    isSelf: (peer) => peer.equals(peerAt(5)),
  };
  const session = new DagSession(ROOT, providersOf);
  return { asked, parts, session, peerAt };
}

describe("searchBlock", () => {
  it("asks only the best peer of the session when it has the block", async () => {
    const { asked, parts, session, peerAt } = swarmOf({ answers: { 0: BYTES, 1: BYTES }, connected: [2, 3] });
    session.answered(peerAt(1), 50);
    session.answered(peerAt(0), 10);
    expect(await searchBlock(CID_OF_BYTES, session, parts, never)).toEqual({ found: true, bytes: BYTES });
    expect(asked).toEqual([0]);
  });

  it("asks the next one as soon as the best says no", async () => {
    const { asked, parts, session, peerAt } = swarmOf({ answers: { 1: BYTES } });
    session.answered(peerAt(0), 10);
    session.answered(peerAt(1), 50);
    expect((await searchBlock(CID_OF_BYTES, session, parts, never)).found).toBe(true);
    expect(asked).toEqual([0, 1]);
  });

  it("asks the next one as well when the best keeps silent, without waiting for it", async () => {
    const { asked, parts, session, peerAt } = swarmOf({
      answers: { 0: new Promise<Answer>(() => undefined), 1: BYTES },
    });
    session.answered(peerAt(0), 1);
    session.answered(peerAt(1), 2);
    expect((await searchBlock(CID_OF_BYTES, session, parts, never)).found).toBe(true);
    expect(asked).toEqual([0, 1]);
  });

  it("asks connected peers, providers of the root and of the block when the session knows nobody", async () => {
    const facts = { connected: [0], providersOfRoot: [1], providersOfBlock: [2] };
    for (const has of [0, 1, 2]) {
      const { parts, session } = swarmOf({ ...facts, answers: { [has]: BYTES } });
      expect((await searchBlock(CID_OF_BYTES, session, parts, never)).found).toBe(true);
      expect(session.peers().map((p) => peers.indexOf(p))).toContain(has);
    }
  });

  it("asks each peer once, and never ourselves", async () => {
    const { asked, parts, session } = swarmOf({
      connected: [0, 1, 5],
      providersOfRoot: [1, 0],
      providersOfBlock: [0, 5],
    });
    expect(await searchBlock(CID_OF_BYTES, session, parts, never)).toEqual({ found: false, certain: true });
    expect(asked).toHaveLength(2);
    expect(new Set(asked)).toEqual(new Set([0, 1]));
  });

  it("is certain that nobody has it when there is nobody", async () => {
    const { parts, session } = swarmOf({});
    expect(await searchBlock(CID_OF_BYTES, session, parts, never)).toEqual({ found: false, certain: true });
  });

  it("is not certain when a peer kept silent or the DHT could not be asked", async () => {
    const silent = swarmOf({ connected: [0], answers: { 0: "silent" } });
    expect(await searchBlock(CID_OF_BYTES, silent.session, silent.parts, never)).toEqual({
      found: false,
      certain: false,
    });
    const broken = swarmOf({ connected: [0] });
    const parts = {
      ...broken.parts,
      // oxlint-disable-next-line require-yield -- it fails before it could yield
      findProviders: async function* (): AsyncGenerator<PeerId> {
        throw new Error("query broke off");
      },
    };
    expect(await searchBlock(CID_OF_BYTES, broken.session, parts, never)).toEqual({
      found: false,
      certain: false,
    });
  });

  it("goes on with the others when the lookup of the root fails", async () => {
    const { parts, session } = swarmOf({
      connected: [0],
      providersOfRoot: new Error("query broke off"),
      answers: { 0: BYTES },
    });
    expect((await searchBlock(CID_OF_BYTES, session, parts, never)).found).toBe(true);
  });

  it("rejects with the signal's reason, and stops asking", async () => {
    const { parts, session } = swarmOf({
      connected: [0],
      answers: { 0: new Promise<Answer>(() => undefined) },
    });
    const reader = new AbortController();
    const searching = searchBlock(CID_OF_BYTES, session, parts, reader.signal);
    const reason = new Error("gone");
    reader.abort(reason);
    await expect(searching).rejects.toBe(reason);
    await expect(searchBlock(CID_OF_BYTES, session, parts, reader.signal)).rejects.toBe(reason);
  });
});

describe("DagSession", () => {
  it("forgets a peer that failed three times in a row", () => {
    const { session, peerAt } = swarmOf({});
    session.answered(peerAt(0), 10);
    session.failed(peerAt(0));
    session.failed(peerAt(0));
    session.answered(peerAt(0), 10);
    session.failed(peerAt(0));
    session.failed(peerAt(0));
    expect(session.peers()).toHaveLength(1);
    session.failed(peerAt(0));
    expect(session.peers()).toHaveLength(0);
  });

  it("prefers those who did not fail last, then the faster ones", () => {
    const { session, peerAt } = swarmOf({});
    session.answered(peerAt(0), 10);
    session.answered(peerAt(1), 20);
    session.answered(peerAt(2), 5);
    session.failed(peerAt(2));
    expect(session.peers()).toEqual([peerAt(0), peerAt(1), peerAt(2)]);
  });

  it("asks the DHT for its root once for all who wait", async () => {
    let lookups = 0;
    const session = new DagSession(ROOT, async function* () {
      lookups++;
      yield peers[0] as PeerId;
    });
    const found: PeerId[] = [];
    await Promise.all(Array.from({ length: 5 }, () => session.findPeers((peer) => found.push(peer))));
    expect(lookups).toBe(1);
    expect(found).toHaveLength(5);
  });
});
