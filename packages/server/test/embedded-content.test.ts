import { createHash, randomBytes } from "node:crypto";
import { exporter } from "ipfs-unixfs-exporter";
import { importer } from "ipfs-unixfs-importer";
import { CID } from "multiformats/cid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FileBlockStore } from "../src/adapters/files/block-store.ts";
import { unknownCid } from "./contracts/block-source.contract.ts";
import { rawCidOf } from "./support/raw-cid.ts";
import { collect, startEmbedded, temporaryFolder, type TestNode, within } from "./support/start-embedded.ts";
import { type Kubo, kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

const MIB = 1024 * 1024;
/** Each starts whole nodes, which takes a second, and five on a machine that is busy. */
const SLOW = { timeout: 120_000 };
/** For calls of which an answer is expected. */
const PATIENCE_MS = 60_000;

describe.skipIf(!kuboAvailable)("content between the embedded node and real Kubo", SLOW, () => {
  let kubo: Kubo;
  let far: Kubo;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let vault: FileBlockStore;
  let ours: TestNode;

  beforeAll(async () => {
    folder = await temporaryFolder();
    vault = await FileBlockStore.open(folder.path);
    kubo = await startKubo({ label: "near" });
    far = await startKubo({ label: "far", peers: [kubo.addr] });
    ours = await startEmbedded({ bootstrap: [kubo.addr], vaultDir: folder.path });
    await Promise.all([far.routesTo(kubo.peerId), kubo.routesTo(far.peerId, ours.peerId)]);
  }, 120_000);
  afterAll(async () => {
    await ours[Symbol.asyncDispose]();
    await Promise.all([kubo, far, folder].map((part) => part[Symbol.asyncDispose]()));
  });

  it("reads a file of 20 MB that a connected Kubo has", async () => {
    const bytes = randomBytes(20 * MIB);
    const root = CID.parse(await kubo.add(bytes));
    expect(digestOf(await readFile(ours, root))).toBe(digestOf(bytes));
  });

  it("reads a file that only a far Kubo has, found over the DHT", async () => {
    const bytes = randomBytes(2 * MIB);
    const root = await far.add(bytes);
    await far.rpc(`routing/provide?arg=${root}`);
    expect(digestOf(await readFile(ours, CID.parse(root)))).toBe(digestOf(bytes));
  });

  it("is read by a Kubo that finds our file over the DHT", async () => {
    const bytes = randomBytes(2 * MIB);
    const root = await addToVault(vault, bytes);
    await ours.node.provide(root, within(PATIENCE_MS));
    await using stranger = await startKubo({ label: "stranger", peers: [kubo.addr] });
    await stranger.routesTo(kubo.peerId);
    expect(digestOf(await stranger.bytes(`cat?arg=${root.toString()}`))).toBe(digestOf(bytes));
  });

  it("sends a new block to a Kubo that was already waiting for it", async () => {
    const bytes = randomBytes(10_000);
    const cid = rawCidOf(bytes);
    const waiting = kubo.bytes(`block/get?arg=${cid.toString()}`);
    // Kubo asks us, is told no, and keeps the want.
    await until(async () => {
      const { Keys } = await kubo.json<{ Keys: { "/": string }[] | null }>("bitswap/wantlist");
      expect((Keys ?? []).map((k) => k["/"])).toContain(cid.toString());
    });
    await vault.put([{ cid, bytes }]);
    await ours.node.announceBlocks([cid], within(PATIENCE_MS));
    expect(digestOf(await waiting)).toBe(digestOf(bytes));
  });

  it("R24: serves the same bytes under another codec", async () => {
    const bytes = randomBytes(5_000);
    const cid = rawCidOf(bytes);
    await vault.put([{ cid, bytes }]);
    const asDagCbor = CID.createV1(0x71, cid.multihash);
    expect(digestOf(await kubo.bytes(`block/get?arg=${asDagCbor.toString()}`))).toBe(digestOf(bytes));
  });

  it("says within two seconds that nobody has a block", async () => {
    const tookMs: number[] = [];
    for (let i = 0; i < 5; i++) {
      const startedAtMs = performance.now();
      await expect(ours.node.retrieve(unknownCid(), within(PATIENCE_MS))).rejects.toMatchObject({
        code: "CONTENT_NOT_FOUND",
      });
      tookMs.push(performance.now() - startedAtMs);
    }
    // A wait of ours would be in each of them, a moment in which the machine stands still is not.
    expect(Math.min(...tookMs)).toBeLessThan(2_000);
  });

  it("finds and is found as a provider", async () => {
    const theirs = CID.parse(await kubo.add(randomBytes(1_000)));
    await kubo.rpc(`routing/provide?arg=${theirs.toString()}`);
    const found: string[] = [];
    for await (const peer of ours.node.findProviders(theirs, { limit: 5, ...within(PATIENCE_MS) }))
      found.push(peer.id);
    expect(found).toEqual([kubo.peerId]);
    const own = unknownCid();
    await ours.node.provide(own, within(PATIENCE_MS));
    // Nobody confirms an announcement, so it may still be on its way.
    await until(async () => {
      expect(await far.findProviders(own.toString())).toEqual([ours.peerId]);
    }, PATIENCE_MS);
  });

  it("does not take the silence of a peer for a no, and gives up at once when the reader goes", async () => {
    await using silent = await startKubo({ label: "silent" });
    const cid = CID.parse(await silent.add(randomBytes(1_000)));
    await using asker = await startEmbedded({ bootstrap: [silent.addr] });
    silent.freeze();
    await expect(asker.node.retrieve(cid, within(1_000))).rejects.toMatchObject({ name: "TimeoutError" });
    const reader = new AbortController();
    const reading = asker.node.retrieve(cid, { signal: reader.signal });
    const reason = new Error("the reader has gone");
    reader.abort(reason);
    await expect(reading).rejects.toBe(reason);
  });
});

describe.skipIf(!kuboAvailable)("several providers", SLOW, () => {
  it("reads on from another provider when the one that sends dies in the middle", async () => {
    const bytes = randomBytes(8 * MIB);
    await using first = await startKubo({ label: "dies" });
    await using second = await startKubo({ label: "stays" });
    const root = CID.parse(await first.add(bytes));
    await second.add(bytes);
    await using ours = await startEmbedded({ bootstrap: [first.addr, second.addr] });
    await until(() => {
      expect(ours.node.status().peers).toBe(2);
    }, PATIENCE_MS);
    let blocks = 0;
    let diedAtMs = 0;
    const read = await readFile(ours, root, async () => {
      if (++blocks !== 10) return;
      const [a, b] = await Promise.all([blocksSent(first), blocksSent(second)]);
      await (a > b ? first : second).kill();
      diedAtMs = performance.now();
    });
    expect(digestOf(read)).toBe(digestOf(bytes));
    // A question that waited for the dead process would have taken 15 seconds.
    expect(performance.now() - diedAtMs).toBeLessThan(14_000);
  });

  it("is sent each block once, although two peers have it", async () => {
    const bytes = randomBytes(8 * MIB);
    await using first = await startKubo({ label: "one" });
    await using second = await startKubo({ label: "two" });
    const root = CID.parse(await first.add(bytes));
    await second.add(bytes);
    await using ours = await startEmbedded({ bootstrap: [first.addr, second.addr] });
    await until(() => {
      expect(ours.node.status().peers).toBe(2);
    }, PATIENCE_MS);
    for (const k of [first, second]) await k.routesTo(ours.peerId);
    // Both are known to the session then, and not only the one that answered first.
    for (const k of [first, second]) await k.rpc(`routing/provide?arg=${root.toString()}`);
    let dueBytes = 0;
    await readFile(ours, root, ({ byteLength, tookMs }) => {
      // After 300 ms without an answer the other one may be asked as well.
      dueBytes += tookMs < 299 ? byteLength : 2 * byteLength;
    });
    const sent = await Promise.all(
      [first, second].map((k) => k.json<{ DataSent: number }>("bitswap/stat").then((s) => s.DataSent)),
    );
    expect(sent.reduce((a, b) => a + b, 0)).toBeLessThan(1.2 * dueBytes);
  });
});

describe.skipIf(!kuboAvailable)("an only provider", SLOW, () => {
  it("is asked again when it comes back after its death in the middle of an answer", async () => {
    await using ours = await startEmbedded();
    await using kubo = await startKubo({ label: "comes-back", peers: [ours.addr] });
    const bytes = randomBytes(1_000);
    const cid = CID.parse(await kubo.add(bytes));
    // Kubo needs a moment to take us into its routing table.
    await until(async () => {
      await kubo.rpc(`routing/provide?arg=${cid.toString()}`);
      const providers = await collect(ours.node.findProviders(cid, { limit: 1, ...within(PATIENCE_MS) }));
      expect(providers).toHaveLength(1);
    }, PATIENCE_MS);
    kubo.freeze();
    const reading = ours.node.retrieve(cid, within(PATIENCE_MS));
    // Its new process listens elsewhere, and connects to us.
    await kubo.restart();
    const backAtMs = performance.now();
    expect(digestOf(await reading)).toBe(digestOf(bytes));
    // Questions are 5 seconds apart at most. One that waited for the dead process would have taken 15 from its death on.
    expect(performance.now() - backAtMs).toBeLessThan(10_000);
  });
});

async function readFile(
  from: TestNode,
  root: CID,
  onBlock?: (block: { readonly byteLength: number; readonly tookMs: number }) => Promise<void> | void,
): Promise<Uint8Array> {
  const blockstore = {
    async *get(cid: CID) {
      const startedAtMs = performance.now();
      const bytes = await from.node.retrieve(cid, { root, ...within(PATIENCE_MS) });
      await onBlock?.({ byteLength: bytes.byteLength, tookMs: performance.now() - startedAtMs });
      yield bytes;
    },
  };
  // As text: the exporter brings a multiformats of its own, and knows only its CIDs.
  const entry = await exporter(root.toString(), blockstore);
  if (entry.type !== "file" && entry.type !== "raw") throw new Error("not a file");
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry.content({ blockReadConcurrency: 16 })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function blocksSent(kubo: Kubo): Promise<number> {
  return (await kubo.json<{ BlocksSent: number }>("bitswap/stat")).BlocksSent;
}

async function addToVault(vault: FileBlockStore, bytes: Uint8Array): Promise<CID> {
  const sink = {
    async put(cid: CID, block: Uint8Array) {
      await vault.put([{ cid, bytes: block }]);
      return cid;
    },
  };
  let root: CID | undefined;
  for await (const entry of importer([{ content: bytes }], sink as never, {
    rawLeaves: true,
    cidVersion: 1,
  })) {
    root = entry.cid;
  }
  if (root === undefined) throw new Error("nothing was imported");
  return root;
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
