import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CID } from "multiformats/cid";
import { afterAll, beforeAll, describe } from "vitest";
import { FileBlockStore } from "../src/adapters/files/block-store.ts";
import { blockSourceContract } from "./contracts/block-source.contract.ts";
import { contentRoutingContract } from "./contracts/content-routing.contract.ts";
import { recordRouterContract } from "./contracts/record-router.contract.ts";
import { rawCidOf } from "./support/raw-cid.ts";
import { collect, startEmbedded, within } from "./support/start-embedded.ts";
import { kuboAvailable, startKubo } from "./support/start-kubo.ts";

const sharedElsewhere = async (): Promise<void> => {
  // The parts belong to the enclosing describe.
};

describe.skipIf(!kuboAvailable)("beside real Kubo", () => {
  let parts: Awaited<ReturnType<typeof besideKubo>>;
  beforeAll(async () => {
    parts = await besideKubo();
  }, 120_000);
  afterAll(() => parts.dispose());

  recordRouterContract("embedded node beside Kubo", async () => ({
    router: parts.ours.node,
    other: {
      put: (name, record) => parts.kubo.routingPut(name.text, record),
      get: (name) => parts.kubo.routingGet(name.text),
    },
    [Symbol.asyncDispose]: sharedElsewhere,
  }));

  blockSourceContract("embedded node beside Kubo", async () => ({
    source: parts.ours.node,
    giveToOther: (bytes) => blockPut(parts.kubo, bytes),
    [Symbol.asyncDispose]: sharedElsewhere,
  }));

  contentRoutingContract("embedded node beside Kubo", async () => ({
    routing: parts.ours.node,
    selfId: parts.ours.peerId,
    other: {
      peerId: parts.kubo.peerId,
      async provide(bytes) {
        const cid = await blockPut(parts.kubo, bytes);
        await parts.kubo.rpc(`routing/provide?arg=${cid.toString()}`);
        return cid;
      },
      findProviders: (cid) => parts.kubo.findProviders(cid.toString()),
    },
    [Symbol.asyncDispose]: sharedElsewhere,
  }));
});

describe("between two embedded nodes", () => {
  let parts: Awaited<ReturnType<typeof twoNodes>>;
  beforeAll(async () => {
    parts = await twoNodes();
  }, 120_000);
  afterAll(() => parts.dispose());

  recordRouterContract("two embedded nodes", async () => ({
    router: parts.ours.node,
    other: {
      async put(name, record) {
        await parts.other.node.put(name, record, within(60_000));
      },
      get: async (name) => (await collect(parts.other.node.get(name, within(60_000))))[0],
    },
    [Symbol.asyncDispose]: sharedElsewhere,
  }));

  blockSourceContract("two embedded nodes", async () => ({
    source: parts.ours.node,
    async giveToOther(bytes) {
      const cid = rawCidOf(bytes);
      await parts.vault.put([{ cid, bytes }]);
      return cid;
    },
    [Symbol.asyncDispose]: sharedElsewhere,
  }));

  contentRoutingContract("two embedded nodes", async () => ({
    routing: parts.ours.node,
    selfId: parts.ours.peerId,
    other: {
      peerId: parts.other.peerId,
      async provide(bytes) {
        const cid = rawCidOf(bytes);
        await parts.other.node.provide(cid, within(60_000));
        return cid;
      },
      async findProviders(cid) {
        return (await collect(parts.other.node.findProviders(cid, { limit: 20, ...within(60_000) }))).map(
          (p) => p.id,
        );
      },
    },
    [Symbol.asyncDispose]: sharedElsewhere,
  }));
});

async function besideKubo() {
  const kubo = await startKubo({ label: "contract" });
  const ours = await startEmbedded({ bootstrap: [kubo.addr] });
  await kubo.routesTo(ours.peerId);
  const dispose = async (): Promise<void> => {
    await ours[Symbol.asyncDispose]();
    await kubo[Symbol.asyncDispose]();
  };
  return { ours, kubo, dispose };
}

async function twoNodes() {
  const vaultDir = await mkdtemp(join(tmpdir(), "holdfast-vault-"));
  const vault = await FileBlockStore.open(vaultDir);
  const other = await startEmbedded({ vaultDir });
  const ours = await startEmbedded({ bootstrap: [other.addr] });
  const dispose = async (): Promise<void> => {
    await ours[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await rm(vaultDir, { recursive: true, force: true });
  };
  return { ours, other, vault, dispose };
}

async function blockPut(kubo: Awaited<ReturnType<typeof startKubo>>, bytes: Uint8Array): Promise<CID> {
  const { Key } = await kubo.json<{ Key: string }>("block/put?cid-codec=raw&allow-big-block=true", { bytes });
  return CID.parse(Key);
}
