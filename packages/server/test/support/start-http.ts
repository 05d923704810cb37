import { connect } from "node:net";
import { MemoryBlockStore } from "../../src/adapters/memory/block-store.ts";
import { MemoryPinnedRoots } from "../../src/adapters/memory/pinned-roots.ts";
import { createAdminServer } from "../../src/http/admin-server.ts";
import {
  createPublicServer,
  type PublicServer,
  type PublicServerOptions,
} from "../../src/http/public-server.ts";
import { WritePolicy } from "../../src/http/write-policy.ts";
import type { ContentRouting } from "../../src/content/content-routing.ts";
import type { Dnslinks } from "../../src/records/dnslinks.ts";
import type { RecordRouter } from "../../src/records/record-router.ts";
import type { RecordsOptions, RecordsParts } from "../../src/records/records.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createRecords, type TestRecords } from "./create-records.ts";

export interface StartHttpOptions {
  readonly routers?: readonly RecordRouter[];
  readonly recordsParts?: Partial<RecordsParts>;
  readonly recordsOptions?: Partial<RecordsOptions>;
  readonly contentRouting?: ContentRouting;
  /** For paths of domains and for hosts. Absent: there are none, and DNS is not asked. */
  readonly dnslinks?: Dnslinks;
  readonly writePolicy?: WritePolicy;
  /** Over: loopback, any port, rates off. */
  readonly server?: Partial<PublicServerOptions>;
}

export interface TestHttp extends TestRecords, AsyncDisposable {
  readonly server: PublicServer;
  readonly url: string;
  readonly port: number;
}

/** The public listener on loopback, over the real records room. */
export async function startHttp(options: StartHttpOptions = {}): Promise<TestHttp> {
  const dnslinks = options.dnslinks === undefined ? {} : { dnslinks: options.dnslinks };
  const room = createRecords(options.routers ?? [], {
    parts: { ...options.recordsParts, ...dnslinks },
    ...(options.recordsOptions && { options: options.recordsOptions }),
  });
  const server = createPublicServer(
    {
      ...room,
      ...dnslinks,
      contentRouting: options.contentRouting,
      writePolicy: options.writePolicy ?? new WritePolicy({ kind: "open" }),
      logger: createLogger("silent"),
    },
    { host: "127.0.0.1", port: 0, version: "0.1.0", rateLimits: false, ...options.server },
  );
  const url = await server.listen();
  return {
    ...room,
    server,
    url,
    port: Number(new URL(url).port),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await room.records.close();
    },
  };
}

export interface TestAdmin extends TestRecords, AsyncDisposable {
  readonly url: string;
  readonly backend: { state: string; sinceMs: number; peers: number };
  readonly pinnedRoots: MemoryPinnedRoots;
  readonly vault: MemoryBlockStore;
}

/** The admin listener on loopback, over the real records room and a backend whose state the test sets. */
export async function startAdmin(
  options: { readonly recordsParts?: Partial<RecordsParts> } = {},
): Promise<TestAdmin> {
  const room = createRecords([], options.recordsParts === undefined ? {} : { parts: options.recordsParts });
  const backend = { state: "running", sinceMs: room.clock.nowMs(), peers: 0 };
  const pins = { pinnedRoots: new MemoryPinnedRoots(), vault: new MemoryBlockStore() };
  const server = createAdminServer(
    {
      ...room,
      ...pins,
      recordStore: room.store,
      backend: { status: () => backend },
      refusals: { clients: 3, names: 2, node: 1 },
      logger: createLogger("silent"),
    },
    { host: "127.0.0.1", port: 0, nodeName: "test-node" },
  );
  const url = await server.listen();
  return {
    ...room,
    ...pins,
    backend,
    url,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await room.records.close();
    },
  };
}

/** A connection on which a test writes bytes as it likes. */
export interface RawConnection extends Disposable {
  write(text: string | Uint8Array): void;
  /** Everything received so far, as latin1. */
  readonly received: string;
  /** Settles with everything received when the server has closed, or with the error that ended it. */
  readonly closed: Promise<string>;
}

export async function rawConnection(port: number): Promise<RawConnection> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    received += text;
  });
  const closed = new Promise<string>((resolve) => {
    socket.once("close", () => resolve(received));
  });
  // A reset shows as `closed`.
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return {
    write: (text) => void socket.write(text),
    get received() {
      return received;
    },
    closed,
    [Symbol.dispose]: () => void socket.destroy(),
  };
}
