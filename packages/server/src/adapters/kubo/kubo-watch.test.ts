import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { createLogger } from "../../telemetry/logger.ts";
import { KuboWatch } from "./kubo-watch.ts";

test("one that is closed in the moment in which Kubo answers asks no more", async () => {
  const clock = new ManualClock();
  const commands: string[] = [];
  const rpc = {
    bytes: ({ command }: { readonly command: string }): Promise<Uint8Array> => {
      commands.push(command);
      const answer = { Version: "0.40.0", ID: "12D3KooW", Addresses: [], Peers: [] };
      return Promise.resolve(new TextEncoder().encode(JSON.stringify(answer)));
    },
  };
  const logger = createLogger("silent");
  const watch = new KuboWatch({ rpc, clock, random: () => 0.5, logger, onAway: () => undefined });
  const looked = watch.look();
  await watch[Symbol.asyncDispose]();
  await looked;
  await clock.advance(60_000);
  expect(commands).toEqual(["version", "id", "swarm/peers"]);
});
