import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { countLeaves, type LeafCounts } from "./count-leaves.ts";

/** The program, found on PATH. */
export const SUITE = "gateway-conformance";

/** Runs every assertion against a gateway and prints the counts. @returns how many failed, at least 1 when none passed. */
export async function reportPhase(
  phase: string,
  gateway: { readonly publicUrl: string },
  folder: string,
): Promise<number> {
  const counts = await runSuite(phase, gateway, folder);
  process.stdout.write(`${phase}: ${counts.passed} passed, ${counts.failed.length} failed\n`);
  for (const test of counts.failed) process.stdout.write(`  ${test}\n`);
  return counts.failed.length + (counts.passed === 0 ? 1 : 0);
}

async function runSuite(
  phase: string,
  { publicUrl }: { readonly publicUrl: string },
  folder: string,
): Promise<LeafCounts> {
  const { port } = new URL(publicUrl);
  const json = join(folder, `${phase.replaceAll(/\W+/g, "-")}.json`);
  const urls = ["--gateway-url", publicUrl, "--subdomain-url", `http://example.com:${port}`];
  try {
    await promisify(execFile)(SUITE, ["test", ...urls, "--json", json, "--", "-timeout", "10m", "-count=1"], {
      maxBuffer: 1 << 28,
    });
  } catch {
    // It exits with an error when an assertion fails; the counts say which.
  }
  return countLeaves(await readFile(json, "utf8"));
}
