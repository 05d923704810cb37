import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { partsOf, rpc } from "./support/rpc.ts";
import { kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

async function startInFront(apiUrl: string) {
  const dataDir = await mkdtemp(join(tmpdir(), "holdfast-staging-"));
  const child = spawn(process.execPath, ["--conditions=@holdfast/source", MAIN, "serve"], {
    env: {
      ...process.env,
      HOLDFAST_BACKEND: "kubo",
      HOLDFAST_KUBO_RPC_URL: apiUrl,
      HOLDFAST_NETWORK: "lan",
      HOLDFAST_DATA_DIR: dataDir,
      HOLDFAST_PUBLIC_LISTEN: "127.0.0.1:0",
      HOLDFAST_ADMIN_LISTEN: "127.0.0.1:0",
      HOLDFAST_BLOCK_CACHE_BYTES_MAX: "0",
      HOLDFAST_LOG_LEVEL: "warn",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    await rm(dataDir, { recursive: true, force: true });
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url, adminUrl] = /^holdfast ready public=(\S+) admin=(\S+)/.exec(line) ?? [];
    if (url !== undefined && adminUrl !== undefined) return { url, adminUrl };
  }
  throw new Error("the node did not start");
}

interface VaultFacts {
  readonly bytes: number;
  readonly bytes_max: number;
}

describe.skipIf(!kuboAvailable)("in front of a real Kubo", () => {
  test(
    "R20: the vault empties itself into Kubo: what is pinned there leaves, what nobody pinned stays, all of it is read",
    { timeout: 240_000 },
    async () => {
      await using kubo = await startKubo({ label: "staging" });
      const node = await startInFront(kubo.apiUrl);
      const held = async (): Promise<VaultFacts> => {
        const metrics = await (await fetch(`${node.adminUrl}/metrics`)).json();
        return (metrics as { holdfast: { vault: VaultFacts } }).holdfast.vault;
      };
      const file = bytesOf(3_000_000, 5);
      const loose = blockOf(bytesOf(5_000, 6));
      const added = await rpc(node, "add?cid-version=1", partsOf(file));
      expect((await rpc(node, "block/put", partsOf(loose.bytes))).status).toBe(200);
      expect(await held()).toMatchObject({ bytes_max: 50 * 1024 ** 3 });
      const root = String(added.lines[0]?.["Hash"]);
      await until(async () => expect((await held()).bytes).toBe(5_000), 60_000);

      // There is no cache: it comes from Kubo, which has it pinned.
      const read = await fetch(`${node.url}/ipfs/${root}`);
      expect(Buffer.compare(new Uint8Array(await read.arrayBuffer()), file)).toBe(0);
      await kubo.rpc("repo/gc");
      expect((await rpc(node, `block/get?arg=${loose.cid.toString()}`)).bytes.byteLength).toBe(5_000);

      // The same again: it needs room only until it is seen to be pinned already.
      expect((await rpc(node, "add?cid-version=1", partsOf(file))).status).toBe(200);
      await until(async () => expect((await held()).bytes).toBe(5_000), 60_000);
    },
  );
});
