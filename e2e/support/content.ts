import { expect } from "vitest";
import type { TestNode } from "./start-node.ts";
import { until } from "../../packages/server/test/support/until.ts";

/** Adds a file; its root CID, which the 2xx promised to keep. */
export async function addFile(node: TestNode, bytes: Uint8Array, query = "cid-version=1"): Promise<string> {
  const answer = await fetch(`${node.publicUrl}/api/v0/add?${query}`, {
    method: "POST",
    body: formOf(bytes),
  });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { Hash: string }).Hash;
}

/** Imports a CAR; the roots that were pinned. */
export async function importCar(node: TestNode, car: Uint8Array): Promise<readonly string[]> {
  const answer = await fetch(`${node.publicUrl}/api/v0/dag/import`, { method: "POST", body: formOf(car) });
  const text = await answer.text();
  expect({ status: answer.status, text }).toMatchObject({ status: 200 });
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { Root: { Cid: { "/": string }; PinErrorMsg: string } });
  expect(lines.map((line) => line.Root.PinErrorMsg)).toEqual(lines.map(() => ""));
  return lines.map((line) => line.Root.Cid["/"]);
}

export async function readFile(node: TestNode, cid: string): Promise<Buffer> {
  const answer = await fetch(`${node.publicUrl}/ipfs/${cid}`);
  expect(answer.status).toBe(200);
  return Buffer.from(await answer.arrayBuffer());
}

/** What a client can ask about something it was told is stored. */
export interface PinStatus {
  readonly pinned: boolean;
  readonly state?: string;
  readonly problem?: string;
}

export async function pinStatus(node: TestNode, cid: string): Promise<PinStatus> {
  return (await (await fetch(`${node.publicUrl}/pin-status?cid=${cid}`)).json()) as PinStatus;
}

export async function waitUntilPinned(
  node: TestNode,
  cids: readonly string[],
  timeoutMs = 100_000,
): Promise<void> {
  for (const cid of cids) {
    await until(
      async () => expect(["pinned", "provided"]).toContain((await pinStatus(node, cid)).state),
      timeoutMs,
    );
  }
}

function formOf(bytes: Uint8Array): FormData {
  const body = new FormData();
  body.set("file", new Blob([Uint8Array.from(bytes)]), "file");
  return body;
}
