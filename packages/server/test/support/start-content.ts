import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CID } from "multiformats/cid";
import { FileBlockStore } from "../../src/adapters/files/block-store.ts";
import type { BlockSource } from "../../src/content/block-source.ts";
import { Blocks } from "../../src/content/blocks.ts";
import { type AddLimits, addRoutes } from "../../src/http/routes/add.ts";
import { contentRoutes } from "../../src/http/routes/content.ts";
import { WritePolicy } from "../../src/http/write-policy.ts";
import type { RecordRouter } from "../../src/records/record-router.ts";
import { startHttp, type TestHttp } from "./start-http.ts";

export interface StartContentOptions {
  readonly sources?: readonly BlockSource[];
  readonly routers?: readonly RecordRouter[];
  readonly addLimits?: Partial<AddLimits>;
  readonly retrievalTimeoutMs?: number;
  readonly writePolicy?: WritePolicy;
}

export interface TestContent extends AsyncDisposable {
  readonly url: string;
  readonly http: TestHttp;
  readonly vault: FileBlockStore;
  readonly vaultDirectory: string;
  readonly blocks: Blocks;
  readonly added: { readonly roots: readonly CID[]; readonly cids: readonly CID[] }[];
  /** Asks for a target that no URL class may touch, over a bare socket; the answer as it came. */
  raw(requestText: string): Promise<string>;
}

/** The public listener with the routes of content over a real vault; only the network's edge is scripted. */
export async function startContent(options: StartContentOptions = {}): Promise<TestContent> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-content-"));
  const vault = await FileBlockStore.open(directory);
  const writePolicy = options.writePolicy ?? new WritePolicy({ kind: "open" });
  const added: TestContent["added"] = [];
  const { retrievalTimeoutMs } = options;
  let http: TestHttp | undefined;
  let blocks: Blocks | undefined;
  const routes = [
    addRoutes({ vault, writePolicy, onAdded: (event) => added.push(event) }, options.addLimits),
    contentRoutes(
      {
        // The server that they belong to makes both of these; requests come only when it listens.
        blocks: {
          get: (...args) => existing(blocks).get(...args),
          isHeld: (cid) => existing(blocks).isHeld(cid),
        },
        records: { resolvePath: (...args) => existing(http).records.resolvePath(...args) },
      },
      retrievalTimeoutMs === undefined ? {} : { retrievalTimeoutMs },
    ),
  ];
  http = await startHttp({ routers: options.routers ?? [], writePolicy, server: { routes } });
  blocks = new Blocks({ vault, sources: options.sources ?? [], metrics: http.metrics });
  const { url, port } = http;
  return {
    url,
    http,
    vault,
    vaultDirectory: directory,
    blocks,
    added,
    raw: (text) => exchange(port, text),
    async [Symbol.asyncDispose]() {
      await existing(http)[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

function existing<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("it is not there yet");
  return value;
}

export async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

async function exchange(port: number, text: string): Promise<string> {
  const socket = await openSocket(port);
  socket.end(text);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(chunks).toString("latin1");
}
