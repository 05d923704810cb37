import { CID } from "multiformats/cid";
import { pino } from "pino";
import { afterAll, beforeAll, describe } from "vitest";
import { KuboBackend } from "../src/adapters/kubo/kubo-backend.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { blockSourceContract } from "./contracts/block-source.contract.ts";
import { contentRoutingContract } from "./contracts/content-routing.contract.ts";
import { pinnerContract } from "./contracts/pinner.contract.ts";
import { recordRouterContract } from "./contracts/record-router.contract.ts";
import { carOf } from "./support/cars.ts";
import { type Kubo, kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

const sharedElsewhere = async (): Promise<void> => {
  // The parts belong to the enclosing describe.
};

describe.skipIf(!kuboAvailable)("our Kubo and another one", () => {
  let parts: Awaited<ReturnType<typeof twoKubos>>;
  beforeAll(async () => {
    parts = await twoKubos();
  }, 120_000);
  afterAll(() => parts.dispose());

  recordRouterContract("Kubo", async () => ({
    router: parts.backend,
    other: {
      put: (name, record) => parts.other.routingPut(name.text, record),
      get: (name) => parts.other.routingGet(name.text),
    },
    [Symbol.asyncDispose]: sharedElsewhere,
  }));

  blockSourceContract("Kubo", async () => ({
    source: parts.backend,
    giveToOther: (bytes) => provide(parts.other, bytes),
    [Symbol.asyncDispose]: sharedElsewhere,
  }));

  pinnerContract(
    "Kubo",
    async () => ({
      pinner: parts.backend.pinner,
      vault: parts.vault,
      giveToOther: async (root, blocks) => {
        await parts.other.rpc("dag/import?pin-roots=false", { bytes: carOf([root], blocks) });
        await parts.other.rpc(`routing/provide?arg=${root.toString()}`);
      },
      wish: async () => {},
      release: async () => {},
      pinByOther: async ({ cid, bytes }, recursive) => {
        await parts.ours.rpc("dag/import?pin-roots=false", { bytes: carOf([cid], [{ cid, bytes }]) });
        await parts.ours.rpc(`pin/add?arg=${cid.toString()}&recursive=${recursive}`);
      },
      [Symbol.asyncDispose]: sharedElsewhere,
    }),
    { isShared: true },
  );

  contentRoutingContract("Kubo", async () => ({
    routing: parts.backend,
    selfId: parts.ours.peerId,
    // Kubo announces only what it holds.
    hold: async (bytes) => void (await blockPut(parts.ours, bytes)),
    other: {
      peerId: parts.other.peerId,
      provide: (bytes) => provide(parts.other, bytes),
      findProviders: (cid) => parts.other.findProviders(cid.toString()),
    },
    [Symbol.asyncDispose]: sharedElsewhere,
  }));
});

async function twoKubos() {
  const other = await startKubo({ label: "other" });
  const ours = await startKubo({ label: "ours", peers: [other.addr] });
  await Promise.all([ours.routesTo(other.peerId), other.routesTo(ours.peerId)]);
  const vault = new MemoryBlockStore();
  const backend = new KuboBackend(
    { rpcUrl: ours.apiUrl },
    { logger: pino({ level: "silent" }), clock: systemClock, vault },
  );
  backend.start();
  await until(() => {
    if (backend.status().peers === 0) throw new Error("no peers yet");
  });
  const dispose = async (): Promise<void> => {
    await backend[Symbol.asyncDispose]();
    await ours[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  };
  return { ours, other, backend, vault, dispose };
}

async function blockPut(kubo: Kubo, bytes: Uint8Array): Promise<CID> {
  const { Key } = await kubo.json<{ Key: string }>("block/put?cid-codec=raw&allow-big-block=true", { bytes });
  return CID.parse(Key);
}

/** Announced as well: what nobody announced and a connected peer does not send within 1.5 s counts as held by nobody. */
async function provide(kubo: Kubo, bytes: Uint8Array): Promise<CID> {
  const cid = await blockPut(kubo, bytes);
  await kubo.rpc(`routing/provide?arg=${cid.toString()}`);
  return cid;
}
