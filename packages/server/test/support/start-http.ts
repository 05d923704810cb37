import { connect } from "node:net";
import {
  createAdminServer,
  type AdminServerOptions,
  type AdminServerParts,
} from "../../src/http/admin-server.ts";
import {
  createPublicServer,
  type PublicServer,
  type PublicServerOptions,
  type PublicServerParts,
} from "../../src/http/public-server.ts";
import type { VaultRoom } from "../../src/http/vault-form.ts";
import { WritePolicy } from "../../src/http/write-policy.ts";
import type { ContentRouting } from "../../src/content/content-routing.ts";
import type { Dnslinks } from "../../src/records/dnslinks.ts";
import type { RecordRouter } from "../../src/records/lookup/record-router.ts";
import type { RecordsOptions, RecordsParts } from "../../src/records/records.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createPins, type TestPins } from "./create-pins.ts";
import { createRecords, type TestRecords } from "./create-records.ts";

export interface StartHttpOptions {
  readonly routers?: readonly RecordRouter[];
  readonly recordsParts?: Partial<RecordsParts>;
  readonly recordsOptions?: Partial<RecordsOptions>;
  readonly contentRouting?: ContentRouting;
  readonly nearRouting?: ContentRouting;
  readonly arrivals?: PublicServerParts["arrivals"];
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
      ...(options.nearRouting && { nearRouting: options.nearRouting }),
      ...(options.arrivals && { arrivals: options.arrivals }),
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
  readonly pins: TestPins;
}

/** The admin listener on loopback, over the real records room and a backend whose state the test sets. */
export async function startAdmin(
  options: {
    readonly recordsParts?: Partial<RecordsParts>;
    /** Default: a room of its own. */
    readonly pins?: TestPins["pins"];
    readonly routes?: AdminServerOptions["routes"];
    readonly warnings?: AdminServerParts["warnings"];
    readonly vault?: VaultRoom;
    readonly keepAlive?: AdminServerParts["keepAlive"];
  } = {},
): Promise<TestAdmin> {
  const room = createRecords([], options.recordsParts === undefined ? {} : { parts: options.recordsParts });
  const backend = { state: "running", sinceMs: room.clock.nowMs(), peers: 0 };
  const pins = createPins({ parts: { metrics: room.metrics } });
  const server = createAdminServer(
    {
      ...room,
      pins: options.pins ?? pins.pins,
      recordStore: room.store,
      backend: { status: () => backend },
      refusals: { clients: 3, names: 2, node: 1 },
      logger: createLogger("silent"),
      ...(options.warnings && { warnings: options.warnings }),
      ...(options.vault && { vault: options.vault }),
      ...(options.keepAlive && { keepAlive: options.keepAlive }),
    },
    { host: "127.0.0.1", port: 0, nodeName: "test-node", routes: options.routes ?? [] },
  );
  const url = await server.listen();
  return {
    ...room,
    pins,
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
