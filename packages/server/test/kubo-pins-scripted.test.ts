import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { KuboBackend } from "../src/adapters/kubo/kubo-backend.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import type { Block } from "../src/content/block-store.ts";
import type { Pinner } from "../src/pins/pinner.ts";
import { type Clock, systemClock, type Timers } from "../src/telemetry/clock.ts";
import { unknownCid } from "./contracts/block-source.contract.ts";
import { blockOf } from "./support/blocks.ts";
import { dagCborBlock } from "./support/cars.ts";
import {
  KUBO_ID,
  refuse,
  type ScriptedCommand,
  type ScriptedKubo,
  startScriptedKubo,
} from "./support/scripted-kubo.ts";
import { collect, within } from "./support/start-embedded.ts";
import { until } from "./support/until.ts";

const notPinned: ScriptedCommand = (response, { query }) =>
  refuse(response, `path '${query.get("arg")}' is not pinned`);

const listed: ScriptedCommand = (response, { query }) =>
  void response.end(JSON.stringify({ Keys: { [query.get("arg") ?? ""]: { Type: "recursive", Name: "" } } }));

function importAnswer(root: Block, problem = ""): ScriptedCommand {
  const answer = JSON.stringify({ Root: { Cid: { "/": root.cid.toString() }, PinErrorMsg: problem } });
  return (response, { request }) => void request.resume().on("end", () => response.end(`${answer}\n`));
}

/** There is no pin at the first look, and a recursive one from then on. */
function pinnedAtSecondLook(): ScriptedCommand {
  let looks = 0;
  return (response, call) => {
    const isThere = call.query.get("type") === "recursive" && looks++ > 0;
    (isThere ? listed : notPinned)(response, call);
  };
}

async function setUp(
  script: Readonly<Record<string, ScriptedCommand>>,
  {
    blocks = [],
    clock = systemClock,
  }: { readonly blocks?: readonly Block[]; readonly clock?: Clock & Timers } = {},
): Promise<{ kubo: ScriptedKubo; pinner: Pinner; backend: KuboBackend }> {
  const kubo = await startScriptedKubo(script);
  onTestFinished(() => kubo[Symbol.asyncDispose]());
  const vault = new MemoryBlockStore();
  await vault.put(blocks);
  const backend = new KuboBackend({ rpcUrl: kubo.url }, { logger: pino({ level: "silent" }), clock, vault });
  onTestFinished(() => backend[Symbol.asyncDispose]());
  backend.start();
  await until(() => expect(backend.status().state).toBe("running"));
  return { kubo, pinner: backend.pinner, backend };
}

// Without an end: it is shared by all tests, and each of them has its own.
const deep = { recursive: true, signal: new AbortController().signal };

test("what is pinned already is left alone: Kubo would take the pin away first, and be without it if that fails", async () => {
  const block = blockOf(randomBytes(100));
  const { kubo, pinner } = await setUp({ "pin/ls": listed }, { blocks: [block] });
  await pinner.pin(block.cid, deep);
  expect(kubo.asked).toEqual(["pin/ls"]);
  expect(pinner.repositoryId).toBe(KUBO_ID);
});

test("a pin that Kubo answers and does not keep is none (R20)", async () => {
  const block = blockOf(randomBytes(100));
  const { pinner } = await setUp(
    { "pin/ls": notPinned, "dag/import": importAnswer(block) },
    { blocks: [block] },
  );
  await expect(pinner.pin(block.cid, deep)).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
});

test.each([
  ["write /data/ipfs/blocks/X/put-1: no space left on device", "STORE_FAILED"],
  ["open /data/ipfs/blocks: read-only file system", "STORE_FAILED"],
  ["unrecognized object type: 120", "CONTENT_UNSUPPORTED"],
  ["context deadline exceeded", "UPSTREAM_TIMEOUT"],
  ["something else", "BACKEND_UNAVAILABLE"],
])("%s is %s, and Kubo's paths are not told", async (words, code) => {
  const block = blockOf(randomBytes(100));
  const scripts: readonly Record<string, ScriptedCommand>[] = [
    {
      "dag/import": (response, { request }) => void request.resume().on("end", () => refuse(response, words)),
    },
    { "dag/import": importAnswer(block, words) },
    {
      // After the first byte it can only be told in a trailer.
      "dag/import": (response, { request }) => {
        request.resume();
        response.writeHead(200, { Trailer: "X-Stream-Error" });
        response.write("\n");
        response.addTrailers({ "X-Stream-Error": words });
        response.end();
      },
    },
  ];
  for (const script of scripts) {
    const { pinner } = await setUp({ "pin/ls": notPinned, ...script }, { blocks: [block] });
    const err: unknown = await pinner.pin(block.cid, deep).catch((e: unknown) => e);
    expect(err).toMatchObject({ code });
    expect((err as Error).message).not.toContain("/data");
  }
});

test("Kubo that refuses an import before it has the whole file is heard, and the rest is not sent", async () => {
  const leaves = Array.from({ length: 200 }, () => blockOf(randomBytes(256 * 1024)));
  const root = dagCborBlock({ leaves: leaves.map(({ cid }) => cid) });
  const { pinner } = await setUp(
    {
      "pin/ls": notPinned,
      "dag/import": (response, { request }) => {
        request.once("data", () => {
          // As Kubo, it does not cut the connection before the refusal was read.
          request.pause();
          refuse(response, "no space left on device");
        });
      },
    },
    { blocks: [root, ...leaves] },
  );
  let sent = 0;
  const onProgress = (): void => void sent++;
  const pinning = pinner.pin(root.cid, { ...deep, onProgress });
  await expect(pinning).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect(sent).toBeLessThan(leaves.length);
});

test("a Kubo that does not read is not sent more than connections hold; an abort ends it", async () => {
  const leaves = Array.from({ length: 400 }, () => blockOf(randomBytes(256 * 1024)));
  const root = dagCborBlock({ leaves: leaves.map(({ cid }) => cid) });
  const isAsked = Promise.withResolvers<void>();
  const { pinner } = await setUp(
    { "pin/ls": notPinned, "dag/import": () => isAsked.resolve() },
    { blocks: [root, ...leaves] },
  );
  const leaving = new AbortController();
  let sent = 0;
  const pinning = pinner.pin(root.cid, {
    recursive: true,
    signal: leaving.signal,
    onProgress: () => void sent++,
  });
  pinning.catch(() => {});
  await isAsked.promise;
  let before = -1;
  await until(() => {
    const now = before === sent;
    before = sent;
    expect(now).toBe(true);
  });
  expect(sent).toBeLessThan(leaves.length / 2);
  const reason = new Error("nobody wants it any more");
  leaving.abort(reason);
  await expect(pinning).rejects.toBe(reason);
});

test("blocks that are missing at Kubo after all are asked of the network, with Kubo's own progress", async () => {
  const block = blockOf(randomBytes(100));
  const { kubo, pinner } = await setUp(
    {
      "pin/ls": pinnedAtSecondLook(),
      "dag/import": importAnswer(block, "block was not found locally (offline): ipld: could not find X"),
      "pin/add": (response) =>
        void response.end('{"Progress":1}\n{"Progress":7,"Bytes":900}\n{"Pins":["X"]}\n'),
    },
    { blocks: [block] },
  );
  const seen: number[] = [];
  const pinned = await pinner.pin(block.cid, { ...deep, onProgress: ({ blocks }) => seen.push(blocks) });
  expect(pinned).toEqual({ blocks: 7, bytes: 900 });
  expect(seen.slice(-2)).toEqual([1, 7]);
  expect(kubo.asked).toEqual(["pin/ls", "pin/ls", "dag/import", "pin/add", "pin/ls"]);
});

test("gotcha 15: pin/add that ends without its last line, the one with Pins, is no pin", async () => {
  const { pinner } = await setUp({
    "pin/ls": pinnedAtSecondLook(),
    "block/get": (response) => void response.end("x"),
    "pin/add": (response) => void response.end('{"Progress":1}\n'),
  });
  await expect(pinner.pin(unknownCid(), deep)).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
});

describe("a list of pins", () => {
  const cids = Array.from({ length: 1_000 }, () => unknownCid().toString());
  const body = `${cids.join("\n")}\n`;

  async function listOf(list: ScriptedCommand, proof: ScriptedCommand = notPinned) {
    const { pinner } = await setUp({
      "pin/ls": (response, call) => (call.query.has("stream") ? list : proof)(response, call),
    });
    return collect(pinner.listPinned(deep));
  }

  test("gotcha 16: that came to its end is whole, and an empty one is empty", async () => {
    const found = await listOf((response) => void response.end(body));
    expect(found.map(String)).toEqual(cids);
    expect(await listOf((response) => void response.end())).toEqual([]);
  });

  test.each<[string, ScriptedCommand, ScriptedCommand?]>([
    [
      "breaks off",
      (response) => {
        response.write(body);
        setImmediate(() => response.destroy());
      },
    ],
    [
      "ends with an error in its trailer",
      (response) => {
        response.writeHead(200, { Trailer: "X-Stream-Error" });
        response.write(body);
        response.addTrailers({ "X-Stream-Error": "pinner is closed" });
        response.end();
      },
    ],
    [
      "ends well because Kubo stops, and closes the connection",
      (response) => void response.writeHead(200, { Connection: "close" }).end(body),
    ],
    [
      "is followed by what is no answer of Kubo's",
      (response) => void response.end(),
      (response) => void response.end(),
    ],
    [
      "ends well because Kubo's pinner has been closed",
      (response) => void response.end(body),
      (response) => refuse(response, "pinner is closed"),
    ],
    ["has what is no CID", (response) => void response.end(`${body}<html>\n`)],
    ["ends in the middle of a CID", (response) => void response.end(body.slice(0, -20))],
  ])("that %s throws: what is missing from it would count as lost", async (_how, list, proof) => {
    await expect(listOf(list, proof)).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  });
});

test.each<[string, ScriptedCommand]>([
  ["a page of another server", (response) => void response.end("<html>It works!</html>")],
  ["nothing", (response) => void response.end()],
  ["an empty list", (response) => void response.end('{"Keys":{}}')],
  ["the list of an empty repository", (response) => void response.end("{}")],
  ["another CID", (response) => void response.end('{"Keys":{"bafkqaaa":{"Type":"recursive"}}}')],
  ["wrong types", (response) => void response.end('{"Keys":"recursive"}')],
  ["a refusal in other words", (response) => refuse(response, "pinner is closed")],
])("gotcha 16: %s in answer to whether something is pinned is neither yes nor no", async (_what, answer) => {
  const { pinner } = await setUp({ "pin/ls": answer });
  const asking = pinner.isPinned(unknownCid(), deep);
  await expect(asking).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
});

test("an unpin of what is not pinned is one call, and a success", async () => {
  const { kubo, pinner } = await setUp({
    "pin/rm": (response) => refuse(response, "not pinned or pinned indirectly"),
  });
  await pinner.unpin(unknownCid(), within(60_000));
  expect(kubo.asked).toEqual(["pin/rm"]);
});

test("an unpin waits for an attempt that was broken off: Kubo may still make that pin", async () => {
  const block = blockOf(randomBytes(100));
  const isAsked = Promise.withResolvers<void>();
  const isWaitOver = Promise.withResolvers<void>();
  const AFTER_ABORT_MS = 2_000;
  const clock: Clock & Timers = {
    nowMs: () => systemClock.nowMs(),
    after(ms, callback) {
      if (ms !== AFTER_ABORT_MS) return systemClock.after(ms, callback);
      void isWaitOver.promise.then(callback);
      return () => {};
    },
  };
  const { kubo, pinner } = await setUp(
    {
      "pin/ls": notPinned,
      "dag/import": () => isAsked.resolve(),
      "pin/rm": (response) => refuse(response, "not pinned or pinned indirectly"),
    },
    { blocks: [block], clock },
  );
  const leaving = new AbortController();
  const pinning = pinner.pin(block.cid, { recursive: true, signal: leaving.signal });
  await isAsked.promise;
  leaving.abort(new Error("nobody wants it any more"));
  await expect(pinning).rejects.toThrow("nobody wants it any more");
  const unpinning = pinner.unpin(block.cid, within(60_000));
  // What was asked later has been answered: an unpin that does not wait would have been asked by now.
  await pinner.isPinned(unknownCid(), deep);
  expect(kubo.asked).not.toContain("pin/rm");
  isWaitOver.resolve();
  await unpinning;
  expect(kubo.asked).toContain("pin/rm");
});
