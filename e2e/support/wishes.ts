import { randomBytes } from "node:crypto";
import { type EventSigner, wireEventOf } from "@holdfast/core";
import { CID } from "multiformats/cid";
import { sha256 } from "multiformats/hashes/sha2";
import type { Kubo } from "../../packages/server/test/support/start-kubo.ts";
import type { TestNode } from "./start-node.ts";

const RAW = 0x55;
/** A signed event may have 64 KiB. */
const CIDS_PER_EVENT = 800;

/** The CID of a block of plain bytes. */
export async function rawCidOf(bytes: Uint8Array): Promise<string> {
  return CID.createV1(RAW, await sha256.digest(bytes)).toString();
}

/** Adds many small files to a Kubo, unpinned; their bytes by CID, in the order of `count`. */
export async function addSmallFiles(
  kubo: Kubo,
  count: number,
  byteLength = 1_000,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const form = new FormData();
  for (let i = 0; i < count; i++) {
    const bytes = randomBytes(byteLength);
    files.set(await rawCidOf(bytes), bytes);
    form.append("file", new Blob([bytes]), `file-${i}`);
  }
  const lines = (await (await kubo.rpc("add?cid-version=1&pin=false", form)).text()).trim().split("\n");
  const added = lines.map((line) => (JSON.parse(line) as { readonly Hash: string }).Hash);
  if (added.some((cid) => !files.has(cid))) throw new Error(`${kubo.label} gave a file another CID`);
  return files;
}

/** Asks for pins by signed events over HTTP, one after the other. Settles when each was answered with 202: they are durable. */
export async function announce(node: TestNode, author: EventSigner, cids: readonly string[]): Promise<void> {
  for (let from = 0; from < cids.length; from += CIDS_PER_EVENT) {
    const tags = cids.slice(from, from + CIDS_PER_EVENT).map((cid) => ["cid", cid]);
    const createdAtS = Math.floor(Date.now() / 1000);
    const event = author.sign({ kind: 78, createdAtS, tags: [["d", "ipfs-pin"], ...tags], content: "" });
    const body = JSON.stringify(wireEventOf(event));
    const answer = await fetch(`${node.publicUrl}/announce`, { method: "POST", body });
    if (answer.status !== 202) throw new Error(`announce answered ${answer.status}: ${await answer.text()}`);
    await answer.arrayBuffer();
  }
}

/** How many pins there are by state, whoever wants them. */
export async function pinsByState(node: TestNode): Promise<Readonly<Record<string, number>>> {
  const answer = await fetch(`${node.adminUrl}/admin/pins/totals`);
  const { totals } = (await answer.json()) as {
    readonly totals: readonly { readonly state: string; readonly pins: number }[];
  };
  const counts: Record<string, number> = {};
  for (const { state, pins } of totals) counts[state] = (counts[state] ?? 0) + pins;
  return counts;
}

/** Those that the backend has confirmed. */
export async function confirmedPins(node: TestNode): Promise<number> {
  const { pinned = 0, provided = 0 } = await pinsByState(node);
  return pinned + provided;
}

/** The roots of all pins, oldest first. */
export async function listPins(node: TestNode): Promise<readonly string[]> {
  const cids: string[] = [];
  let after: number | undefined;
  do {
    const query = after === undefined ? "" : `&after=${after}`;
    const answer = await fetch(`${node.adminUrl}/admin/pins?limit=1000${query}`);
    const page = (await answer.json()) as {
      readonly pins: readonly { readonly cid: string }[];
      readonly next?: number;
    };
    cids.push(...page.pins.map(({ cid }) => cid));
    after = page.next;
  } while (after !== undefined);
  return cids;
}
