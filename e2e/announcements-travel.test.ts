import { randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { announcementOf } from "../packages/server/test/support/start-announce.ts";
import { authorOf } from "../packages/server/test/support/nostr-authors.ts";
import { startRelay } from "../packages/server/test/support/start-relay.ts";
import { createPublisher, putRecord } from "./support/names.ts";
import { startNode, temporaryFolder, type TestNode } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

const WAIT_MS = 60_000;

async function add(node: TestNode, file: Uint8Array<ArrayBuffer>): Promise<string> {
  const body = new FormData();
  body.set("file", new Blob([file]), "file.bin");
  const added = await fetch(`${node.publicUrl}/api/v0/add?cid-version=1`, { method: "POST", body });
  return ((await added.json()) as { Hash: string }).Hash;
}

async function json(url: string, init?: RequestInit): Promise<Record<string, unknown>> {
  return (await (await fetch(url, init)).json()) as Record<string, unknown>;
}

async function isPinned(node: TestNode, cid: string): Promise<boolean> {
  return (await json(`${node.adminUrl}/pin-status?cid=${cid}`))["pinned"] === true;
}

test("what is added and published at one node is announced, and kept by another one that trusts it", async () => {
  await using relay = await startRelay();
  await using folder = await temporaryFolder();
  const announcing = { HOLDFAST_NOSTR_RELAYS: relay.url, HOLDFAST_NOSTR_ANNOUNCE: "on" };
  await using first = await startNode({ dataDir: folder.path, env: announcing });
  const { pubkey } = await json(`${first.adminUrl}/admin/announce`);
  const keyFile = join(folder.path, "data", "nostr-key");
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
  expect(first.stderr()).not.toContain((await readFile(keyFile, "utf8")).trim());

  const file = randomBytes(1_000_000);
  const cid = await add(first, file);
  const publisher = createPublisher();
  await putRecord(first.publicUrl, publisher.name, await publisher.record(`/ipfs/${cid}`, 0n));

  await using second = await startNode({
    env: {
      NOSTR_RELAYS: relay.url,
      HOLDFAST_NOSTR_AUTHORS: String(pubkey),
      HOLDFAST_NOSTR_ANNOUNCE: "on",
      HOLDFAST_TRUSTLESS_GATEWAYS: first.publicUrl,
    },
  });
  await until(async () => expect(await isPinned(second, cid)).toBe(true), WAIT_MS);
  await until(async () => {
    const named = await fetch(`${second.publicUrl}/ipns/${publisher.name.text}`);
    expect(Buffer.from(await named.arrayBuffer()).equals(file)).toBe(true);
  }, WAIT_MS);

  // The loop guard: the second node tells nobody what it was told.
  const { outgoing } = await json(`${second.adminUrl}/admin/announce`);
  expect(outgoing).toEqual({ waiting: 0, walk: null });
  const authors = new Set((await relay.stored()).map((event) => event.pubkey));
  expect(authors).toEqual(new Set([pubkey]));

  await until(async () => {
    const metrics = await json(`${second.adminUrl}/metrics`);
    expect(metrics).toMatchObject({ relays: 1, session: { cids_pinned: 1 } });
    expect(metrics["session"]).toHaveProperty("nostr_events_received");
    expect((metrics["database"] as Record<string, number>)["cid_announcements"]).toBeGreaterThan(0);
    expect(await json(`${second.adminUrl}/admin/announce`)).toMatchObject({
      authors: { listed: 1, open: false, denied: 0 },
      relays: [{ url: relay.url, connected: true, caught_up: true, problem: null, frames_dropped: 0 }],
    });
  });

  const again = await fetch(`${first.adminUrl}/reannounce`, { method: "POST" });
  expect(again.status).toBe(202);
  await until(async () => {
    const subjects = (await relay.stored()).map(({ tags }) => tags[0]?.[1]);
    expect(subjects).toContain("ipfs-pin:bulk:0");
  }, WAIT_MS);
}, 200_000);

test("an announcement over HTTP that was answered survives kill -9", async () => {
  await using folder = await temporaryFolder();
  const author = authorOf(7);
  const env = { HOLDFAST_NOSTR_AUTHORS: author.pubkey };
  const cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
  const event = announcementOf([cid]);
  const { createdAtS, ...fields } = event;
  const body = JSON.stringify({ ...fields, created_at: createdAtS });
  const killed = await startNode({ dataDir: folder.path, env });
  const taken = await fetch(`${killed.publicUrl}/announce`, { method: "POST", body });
  expect(taken.status).toBe(202);
  await killed.stop("SIGKILL");
  await using later = await startNode({ dataDir: folder.path, env });
  const known = await fetch(`${later.publicUrl}/announce`, { method: "POST", body });
  expect(known.status).toBe(200);
  const status = await json(`${later.adminUrl}/pin-status?cid=${cid}`);
  expect(status).toMatchObject({ pinned: false });
  expect(await json(`${later.adminUrl}/metrics`)).toMatchObject({ database: { cid_announcements: 1 } });
}, 120_000);
