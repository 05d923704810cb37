import { startNode } from "../../e2e/support/start-node.ts";
import { type Kubo, startKubo } from "../../packages/server/test/support/start-kubo.ts";
import { makeDags } from "./make-dags.ts";
import type { Place } from "./place.ts";
import { makeNames } from "./make-names.ts";
import { makeCar } from "./read-archives.ts";
import { GatewayClient } from "./send.ts";

/** Both gateways, offline, with the same blocks and records. */
export interface Session extends AsyncDisposable {
  readonly kubo: GatewayClient;
  readonly ours: GatewayClient;
  readonly places: readonly Place[];
}

export async function startSession(): Promise<Session> {
  await using stack = new AsyncDisposableStack();
  const kubo = stack.use(
    await startKubo({
      label: "differential",
      // No peers, no search: what is not held is absent at once, as for our node without a network.
      config: {
        // Nobody listens there: no name is looked up outside of this machine.
        DNS: { Resolvers: { ".": "https://127.0.0.1:9/dns-query" } },
        Gateway: { NoFetch: true },
        Provide: { Enabled: false },
      },
    }),
  );
  const node = stack.use(await startNode({ env: { HOLDFAST_NETWORK: "offline" } }));
  const places = await makeDags(kubo);
  await copyBlocks(kubo, node.publicUrl);
  const names = await makeNames(places, { kubo, nodeUrl: node.publicUrl });
  const clients = {
    kubo: stack.use(new GatewayClient(kubo.gatewayUrl)),
    ours: stack.use(new GatewayClient(node.publicUrl)),
  };
  const running = stack.move();
  return { ...clients, places: [...places, ...names], [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** Copies what the Kubo holds, block by block: parts of DAGs are missing on purpose, so that no export would end. */
async function copyBlocks(kubo: Kubo, nodeUrl: string): Promise<void> {
  const lines = (await (await kubo.rpc("refs/local")).text()).split("\n").filter((line) => line !== "");
  const blocks: { cid: string; bytes: Uint8Array }[] = [];
  for (const line of lines) {
    const cid = (JSON.parse(line) as { Ref: string }).Ref;
    blocks.push({ cid, bytes: await kubo.bytes(`block/get?arg=${cid}`) });
  }
  const body = new FormData();
  body.set("file", new Blob([Uint8Array.from(makeCar(blocks))]), "blocks.car");
  const answer = await fetch(`${nodeUrl}/api/v0/dag/import?pin-roots=false`, { method: "POST", body });
  const text = await answer.text();
  if (!answer.ok || text.includes('"error"'))
    throw new Error(`the blocks were refused: ${answer.status} ${text}`);
}
