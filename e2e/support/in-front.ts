import { expect } from "vitest";
import type { Kubo } from "../../packages/server/test/support/start-kubo.ts";
import { readFile } from "./content.ts";
import { startNode, type StartNodeOptions, type TestNode } from "./start-node.ts";
import { until } from "../../packages/server/test/support/until.ts";

/** Nothing is kept but what is in the vault: a read of anything else comes from Kubo. */
export const NO_CACHES = { HOLDFAST_BLOCK_CACHE_BYTES_MAX: "0", HOLDFAST_RESPONSE_CACHE_BYTES_MAX: "0" };

/** What clients were told is stored: its bytes by root. */
export type Written = ReadonlyMap<string, Uint8Array>;

/** A node with this Kubo as its backend. */
export function startInFront(
  kubo: { readonly apiUrl: string },
  options: StartNodeOptions = {},
): Promise<TestNode> {
  const env = { HOLDFAST_BACKEND: "kubo", HOLDFAST_KUBO_RPC_URL: kubo.apiUrl, ...options.env };
  return startNode({ ...options, env });
}

/** Byte for byte. */
export async function expectToBeRead(node: TestNode, files: Written): Promise<void> {
  for (const [cid, bytes] of files) {
    expect((await readFile(node, cid)).equals(bytes), `${cid} differs`).toBe(true);
  }
}

/** Asked at Kubo itself: it pins them all, and gives them byte for byte. */
export async function expectToBeIn(kubo: Kubo, files: Written): Promise<void> {
  for (const [cid, bytes] of files) {
    await kubo.rpc(`pin/ls?arg=${cid}&type=recursive`);
    expect(Buffer.from(await kubo.bytes(`cat?arg=${cid}`)).equals(bytes), `${cid} differs`).toBe(true);
  }
}

/** What was in the vault has become cache: from here on only Kubo has it for good. */
export async function vaultIsEmpty(node: TestNode): Promise<void> {
  await until(async () => expect((await metricsOf(node)).vault.bytes).toBe(0), 100_000);
}

export interface NodeMetrics {
  readonly vault: { readonly bytes: number };
  readonly pins: { readonly added: number; readonly pinned: number; readonly lost: number };
}

export async function metricsOf(node: TestNode): Promise<NodeMetrics> {
  const answer = await fetch(`${node.adminUrl}/metrics`);
  return ((await answer.json()) as { readonly holdfast: NodeMetrics }).holdfast;
}
