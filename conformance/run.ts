/**
 * ipfs/gateway-conformance against the built node with the embedded backend and no network: fixtures go in through our own
 * `dag/import` and `routing/put`, and every assertion must pass cold, warm and after a restart.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { startNode, type TestNode } from "../e2e/support/start-node.ts";
import { countLeaves, type LeafCounts } from "./count-leaves.ts";

const run = promisify(execFile);
const SUITE = "gateway-conformance";
/** Records that are invalid on purpose: a gateway that takes one has failed. */
const REFUSED_RECORDS = ["_v1_", "_v1-v2-broken-v1-value_", "_v1-v2-broken-signature-v2_"];

const folder = await mkdtemp(join(tmpdir(), "holdfast-conformance-"));
let failed = 0;
try {
  const fixtures = join(folder, "fixtures");
  await run(SUITE, ["extract-fixtures", "--directory", fixtures, "--merged=false"]);
  const dnslinks = (await readFile(join(fixtures, "dnslinks.IPFS_NS_MAP"), "utf8")).trim();
  const options = {
    dataDir: folder,
    env: {
      HOLDFAST_NETWORK: "offline",
      HOLDFAST_GATEWAY_HOSTS: "example.com=subdomain+dnslink,localhost=subdomain+dnslink",
      HOLDFAST_DNSLINK_MAP: dnslinks,
    },
  };
  const first = await startNode(options);
  try {
    await importFixtures(first, fixtures);
    failed += await report("cold", first);
    failed += await report("warm", first);
  } finally {
    await first.stop();
  }
  await using second = await startNode(options);
  failed += await report("after a restart", second);
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;

async function importFixtures(node: TestNode, fixtures: string): Promise<void> {
  for (const file of await readdir(fixtures)) {
    const bytes = new Blob([await readFile(join(fixtures, file))]);
    if (file.endsWith(".car")) await importCar(node, file, bytes);
    else if (file.endsWith(".ipns-record")) await importRecord(node, file, bytes);
  }
}

async function importCar(node: TestNode, file: string, bytes: Blob): Promise<void> {
  const body = new FormData();
  body.set("file", bytes, file);
  // Some fixtures miss a block on purpose, so their roots cannot be pinned.
  const answer = await fetch(`${node.publicUrl}/api/v0/dag/import?pin-roots=false`, { method: "POST", body });
  if (!answer.ok) throw new Error(`${file} was refused: ${await answer.text()}`);
}

async function importRecord(node: TestNode, file: string, bytes: Blob): Promise<void> {
  const name = basename(file, ".ipns-record").split("_")[0] ?? "";
  const body = new FormData();
  body.set("value-file", bytes, file);
  const url = `${node.publicUrl}/api/v0/routing/put?arg=/ipns/${name}&allow-offline=true`;
  const answer = await fetch(url, { method: "POST", body });
  const isInvalid = REFUSED_RECORDS.some((part) => file.includes(part));
  if (answer.ok === isInvalid) throw new Error(`${file}: status ${answer.status}: ${await answer.text()}`);
}

async function report(phase: string, node: TestNode): Promise<number> {
  const counts = await runSuite(node, phase);
  process.stdout.write(`${phase}: ${counts.passed} passed, ${counts.failed.length} failed\n`);
  for (const test of counts.failed) process.stdout.write(`  ${test}\n`);
  return counts.failed.length + (counts.passed === 0 ? 1 : 0);
}

async function runSuite(node: TestNode, phase: string): Promise<LeafCounts> {
  const { port } = new URL(node.publicUrl);
  const json = join(folder, `${phase.replaceAll(" ", "-")}.json`);
  const urls = ["--gateway-url", node.publicUrl, "--subdomain-url", `http://example.com:${port}`];
  try {
    await run(SUITE, ["test", ...urls, "--json", json, "--", "-timeout", "10m", "-count=1"], {
      maxBuffer: 1 << 28,
    });
  } catch {
    // It exits with an error when an assertion fails; the counts say which.
  }
  return countLeaves(await readFile(json, "utf8"));
}
