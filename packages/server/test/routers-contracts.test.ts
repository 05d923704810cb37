import { randomBytes } from "node:crypto";
import { CID } from "multiformats/cid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifySignature } from "../src/adapters/crypto/verify-signature.ts";
import { HttpRouter } from "../src/adapters/routers/http-router.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { recordRouterContract } from "./contracts/record-router.contract.ts";
import { type Kubo, kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { startHttp } from "./support/start-http.ts";
import { until } from "./support/until.ts";

const parts = { clock: systemClock, verifySignature };

recordRouterContract("HTTP router, another Holdfast", async () => {
  const node = await startHttp();
  return {
    router: new HttpRouter(parts, { baseUrl: node.url }),
    other: {
      put: async (name, record) => void (await node.records.publish(name, record, { origin: "client" })),
      get: (name) => Promise.resolve(node.records.held(name)?.record.bytes),
    },
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
});

describe.skipIf(!kuboAvailable)("the routing API of a Kubo that has a neighbour", () => {
  let kubos: { readonly ours: Kubo; readonly other: Kubo };
  beforeAll(async () => {
    const other = await startKubo({ label: "other" });
    const config = { Gateway: { ExposeRoutingAPI: true } };
    const ours = await startKubo({ label: "router", peers: [other.addr], config });
    kubos = { other, ours };
    await Promise.all([ours.routesTo(other.peerId), other.routesTo(ours.peerId)]);
  }, 150_000);
  afterAll(async () => {
    await kubos.ours[Symbol.asyncDispose]();
    await kubos.other[Symbol.asyncDispose]();
  });

  recordRouterContract("HTTP router, Kubo's /routing/v1", async () => ({
    router: new HttpRouter(parts, { baseUrl: kubos.ours.gatewayUrl }),
    other: {
      put: (name, record) => kubos.other.routingPut(name.text, record),
      get: (name) => kubos.other.routingGet(name.text),
    },
    [Symbol.asyncDispose]: async () => {
      // The Kubos belong to the enclosing describe.
    },
  }));

  it("tells who has content and where peers are, and takes no announcements", async () => {
    const router = new HttpRouter(parts, { baseUrl: `${kubos.ours.gatewayUrl}/` });
    const { signal } = new AbortController();
    const cid = CID.parse(await kubos.other.add(randomBytes(100)));
    await kubos.other.rpc(`routing/provide?arg=${cid.toString()}`);
    await until(async () => {
      const found = [];
      for await (const { id } of router.findProviders(cid, { limit: 20, signal })) found.push(id);
      expect(found).toContain(kubos.other.peerId);
    });
    expect(await router.findPeer(kubos.other.peerId, { signal })).toMatchObject({
      id: kubos.other.peerId,
      addrs: expect.arrayContaining([expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/)]) as string[],
    });
    const nobody = "12D3KooWSzRuSFHgLsKr6jJboAPdP7xMga2YBgBspYuErxswcgvt";
    expect(await router.findPeer(nobody, { signal })).toBeUndefined();
    await router.provide();
  }, 60_000);
});
