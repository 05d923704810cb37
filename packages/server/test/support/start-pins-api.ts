import { expect } from "vitest";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { SqliteRecordStore } from "../../src/adapters/sqlite/record-store.ts";
import { PinsTokens } from "../../src/http/pins/pins-tokens.ts";
import type { LimitRates } from "../../src/http/limits.ts";
import { pinsApiRoutes } from "../../src/http/routes/pins-api.ts";
import { WritePolicy } from "../../src/http/write-policy.ts";
import { ApiPins, type ApiPinsOptions } from "../../src/pins/api/api-pins.ts";
import { API_PINS_POLICY } from "../../src/policies.ts";
import { Pins } from "../../src/pins/pins.ts";
import { systemClock } from "../../src/telemetry/clock.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { PINS_OPTIONS } from "./create-pins.ts";
import { ManualClock } from "./manual-clock.ts";
import { MEMORY_FOLDER } from "./memory-folder.ts";
import { ScriptedPinner } from "./scripted-pinner.ts";
import { startHttp } from "./start-http.ts";
import { until } from "./until.ts";

export const TOKEN_A = "token-of-a-0123456789";
export const TOKEN_B = "token-of-b-0123456789";
export const DELEGATE = "/p2p/12D3KooWJNGGHBzL4VMiSyD5ptkxjWJLvbe5q8UXsQKKkbm8pBoh";

type Json = Readonly<Record<string, unknown>>;

export const ALL = "status=queued,pinning,pinned,failed";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Of a body that is a JSON object; otherwise its text. */
  readonly body: Json;
}

export interface TestPinsApi extends AsyncDisposable {
  readonly url: string;
  readonly apiPins: ApiPins;
  readonly pins: Pins;
  readonly pinner: ScriptedPinner;
  readonly store: SqliteRecordStore;
  /** What orders said of where their content is. */
  readonly origins: (readonly string[])[];
  /** To be called when they are connected, in the same order. */
  readonly reached: (() => void)[];
  /** Of what orders are created by; the rest has the system's. */
  readonly clock: ManualClock;
  /** Asks below the URL with the token of `a`. */
  ask(method: string, path: string, body?: unknown, init?: RequestInit): Promise<Answer>;
}

export interface StartPinsApiOptions {
  readonly options?: Partial<ApiPinsOptions>;
  readonly writePolicy?: WritePolicy;
  readonly writes?: { readonly perSecond: number; readonly burst: number };
  readonly rates?: Partial<LimitRates>;
  /** A bound on the database file, as a full disk is one. */
  readonly databasePagesMax?: number;
}

/** The Pinning Service API over real SQLite and the real room of pins, with a scripted backend that pins at once. */
export async function startPinsApi(settings: StartPinsApiOptions = {}): Promise<TestPinsApi> {
  const { databasePagesMax } = settings;
  const dataDir = await mkdtemp(join(MEMORY_FOLDER, "holdfast-pins-api-"));
  const logger = createLogger("silent");
  const store = await SqliteRecordStore.open(
    { logger },
    { dataDir, ...(databasePagesMax === undefined ? {} : { databasePagesMax }) },
  );
  const pinner = new ScriptedPinner();
  const metrics = new Metrics();
  const timed = { timers: systemClock, logger };
  const pins = new Pins(
    { ...timed, store: store.pins, pinner, clock: systemClock, random: () => 0.5, metrics },
    PINS_OPTIONS,
  );
  const origins: (readonly string[])[] = [];
  const reached: (() => void)[] = [];
  const clock = new ManualClock(1_790_000_000_000);
  let ids = 0;
  const apiPins = new ApiPins(
    {
      ...timed,
      store: store.apiPins,
      pins,
      clock,
      onOrigins: (some, onReached) => {
        origins.push(some);
        reached.push(onReached);
      },
      newId: () => `request-${++ids}`,
    },
    { ...API_PINS_POLICY, perOwnerMax: 1_000, perOwnerAndRootMax: 100, ...settings.options },
  );
  const tokens = new PinsTokens(clock, {
    tokens: [
      { owner: "a", token: TOKEN_A },
      { owner: "b", token: TOKEN_B },
    ],
    writes: settings.writes,
  });
  const writePolicy = settings.writePolicy ?? new WritePolicy({ kind: "open" });
  const routes = [pinsApiRoutes({ apiPins, tokens, writePolicy, delegates: () => [DELEGATE] })];
  const { rates } = settings;
  const http = await startHttp({
    server: {
      routes,
      ...(rates && { rates, rateLimits: true }),
    },
  });
  pins.start();
  apiPins.start();
  return {
    url: http.url,
    apiPins,
    pins,
    pinner,
    store,
    origins,
    reached,
    clock,
    ask: (...asked) => ask(http.url, ...asked),
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      await apiPins[Symbol.asyncDispose]();
      await pins[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true });
    },
  };
}

async function ask(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  init: RequestInit = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...init,
    headers: {
      Authorization: `Bearer ${TOKEN_A}`,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(init.headers as Record<string, string>),
    },
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text.startsWith("{") ? (JSON.parse(text) as Json) : { text },
  };
}

export type Results = readonly {
  readonly requestid: string;
  readonly created: string;
  readonly status: string;
}[];

export const resultsOf = ({ body }: Answer): Results => body["results"] as Results;
export const idOf = ({ body }: Answer): string => String(body["requestid"]);
export const failure = (reason: string): unknown => ({
  error: { reason, details: expect.any(String) as unknown },
});

export async function untilStatus(node: TestPinsApi, id: string, status: string): Promise<Answer> {
  return until(async () => {
    const answer = await node.ask("GET", `/pins/${id}`);
    expect(answer.body["status"]).toBe(status);
    return answer;
  });
}
