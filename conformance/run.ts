/**
 * ipfs/gateway-conformance against the built node. Embedded, without a network: the fixtures go in through our own `dag/import`
 * and `routing/put`; every assertion must pass cold, warm and after a restart. In front of a real Kubo: the fixtures are in
 * Kubo only; every assertion must pass cold, warm, and from what is cached when Kubo is stopped.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNode } from "../e2e/support/start-node.ts";
import { kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { dnslinksOf, extractFixtures, importFixtures, putFileTo } from "./fixtures.ts";
import { reportPhase } from "./suite.ts";

const folder = await mkdtemp(join(tmpdir(), "holdfast-conformance-"));
const wanted = process.argv[2] ?? "both";
let failed = 0;
try {
  const fixtures = join(folder, "fixtures");
  await extractFixtures(fixtures);
  const env = {
    HOLDFAST_GATEWAY_HOSTS: "example.com=subdomain+dnslink,localhost=subdomain+dnslink",
    HOLDFAST_DNSLINK_MAP: await dnslinksOf(fixtures),
  };
  if (wanted !== "kubo") failed += await runEmbedded(fixtures, { ...env, HOLDFAST_NETWORK: "offline" });
  if (wanted !== "embedded") failed += await runInFrontOfKubo(fixtures, env);
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;

async function runEmbedded(fixtures: string, env: Readonly<Record<string, string>>): Promise<number> {
  const options = { dataDir: folder, env };
  let failures = 0;
  const first = await startNode(options);
  try {
    await importFixtures(putFileTo(first.publicUrl), fixtures, { checksRecords: true });
    failures += await reportPhase("cold", first, folder);
    failures += await reportPhase("warm", first, folder);
  } finally {
    await first.stop();
  }
  await using second = await startNode(options);
  return failures + (await reportPhase("after a restart", second, folder));
}

async function runInFrontOfKubo(fixtures: string, env: Readonly<Record<string, string>>): Promise<number> {
  if (!kuboAvailable) return 1;
  await using kubo = await startKubo({ label: "conformance" });
  await importFixtures(putFileTo(kubo.apiUrl), fixtures, { checksRecords: false });
  await using node = await startNode({
    env: { ...env, HOLDFAST_BACKEND: "kubo", HOLDFAST_KUBO_RPC_URL: kubo.apiUrl },
  });
  let failures = await reportPhase("Kubo, cold", node, folder);
  failures += await reportPhase("Kubo, warm", node, folder);
  await kubo.kill();
  return failures + (await reportPhase("Kubo stopped", node, folder));
}
