import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WebSocket } from "ws";
import { afterAll, beforeAll, expect, test } from "vitest";
import { getRecord, sequenceOf } from "./support/names.ts";
import { runCli, startNode, temporaryFolder, type TestNode } from "./support/start-node.ts";

let node: TestNode;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  node = await startNode();
  folder = await temporaryFolder();
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

test("a newcomer adds a file, names it, reads it in every spelling, and sees the next version arrive", async () => {
  const cid = await addFile("hello, world\n");
  const key = join(folder.path, "site.key");
  const out = join(folder.path, "site.ipns-record");
  const printed = await runCli(["name", "create", "--key", key, "--value", `/ipfs/${cid}`, "--out", out], {
    cwd: folder.path,
  });
  const [, base36 = "", base58 = ""] = /^name +(k51\S+)\n +(12D3KooW\S+)\n/.exec(printed) ?? [];
  expect(base36).not.toBe("");

  const body = new FormData();
  body.set("file", new Blob([await readFile(out)]), "record");
  const put = await fetch(`${node.publicUrl}/api/v0/routing/put?arg=/ipns/${base36}`, {
    method: "POST",
    body,
  });
  expect(put.status).toBe(200);

  for (const spelling of [base36, base58, `/ipns/${base36}`, `/ipns/${base58}`]) {
    const read = await getRecord(node.publicUrl, spelling);
    expect(read.status).toBe(200);
    expect(Buffer.from(read.bytes)).toEqual(await readFile(out));
  }
  expect(await (await fetch(`${node.publicUrl}/ipns/${base36}`)).text()).toBe("hello, world\n");
  const resolved = await fetch(`${node.publicUrl}/api/v0/name/resolve?arg=${base58}`, { method: "POST" });
  expect(await resolved.json()).toEqual({ Path: `/ipfs/${cid}` });

  using socket = await subscribe(base36);
  const second = await addFile("hello again\n");
  await runCli(
    ["name", "create", "--key", key, "--value", `/ipfs/${second}`, "--out", out, "--put", node.publicUrl],
    { cwd: folder.path },
  );
  const update = await socket.next();
  expect(update).toMatchObject({ type: "update", name: base36, sequence: 1, cid: second });
  expect(sequenceOf(await getRecord(node.publicUrl, base58))).toBe("1");
  expect(await (await fetch(`${node.publicUrl}/ipns/${base36}`)).text()).toBe("hello again\n");
}, 120_000);

test("the node is ready within the time a person waits", { timeout: 240_000 }, async () => {
  let isInTime = node.readyAfterMs < 5000;
  // One start of some, and longer where every process takes long: the machine may be busy with something else.
  for (let starts = 1; starts < 5 && !isInTime; starts++) {
    await using again = await startNode();
    const startedAtMs = performance.now();
    await runCli(["--help"], { cwd: folder.path });
    isInTime = again.readyAfterMs < Math.max(5000, 5 * (performance.now() - startedAtMs));
  }
  expect(isInTime).toBe(true);
});

async function addFile(text: string): Promise<string> {
  const body = new FormData();
  body.set("file", new Blob([text]), "hello.txt");
  const answer = await fetch(`${node.publicUrl}/api/v0/add?cid-version=1`, { method: "POST", body });
  return ((await answer.json()) as { Hash: string }).Hash;
}

async function subscribe(name: string): Promise<{ next(): Promise<unknown> } & Disposable> {
  const socket = new WebSocket(`${node.publicUrl.replace("http", "ws")}/ws/ipns`);
  const frames: unknown[] = [];
  const waiting: ((frame: unknown) => void)[] = [];
  socket.on("message", (text: Buffer) => {
    const frame: unknown = JSON.parse(text.toString("utf8"));
    const waiter = waiting.shift();
    if (waiter === undefined) frames.push(frame);
    else waiter(frame);
  });
  const next = async (): Promise<unknown> =>
    frames.length > 0 ? frames.shift() : new Promise((resolve) => waiting.push(resolve));
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  socket.send(JSON.stringify({ action: "subscribe", names: [name] }));
  expect(await next()).toEqual({ type: "subscribed", names: [name] });
  return {
    next,
    [Symbol.dispose]: () => {
      socket.terminate();
    },
  };
}
