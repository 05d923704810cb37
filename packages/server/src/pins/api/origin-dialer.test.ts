import { expect, test } from "vitest";
import { createLogger } from "../../telemetry/logger.ts";
import { OriginDialer, type OriginDialerOptions } from "./origin-dialer.ts";
import { until } from "../../../test/support/until.ts";

const PUBLIC = "/ip4/1.1.1.1/tcp/4001/p2p/12D3KooWJNGGHBzL4VMiSyD5ptkxjWJLvbe5q8UXsQKKkbm8pBoh";
const LOCAL = PUBLIC.replace("1.1.1.1", "10.0.0.1");
const NAME = PUBLIC.replace("ip4/1.1.1.1", "dns4/intern.example");

const ignore = (): void => {};

/** Peers that answer when the test says so. */
class ScriptedPeers {
  readonly dialled: (readonly string[])[] = [];
  readonly #open: ((err?: Error) => void)[] = [];

  connectTo(addrs: readonly string[], { signal }: { readonly signal: AbortSignal }): Promise<void> {
    this.dialled.push(addrs);
    return new Promise((resolve, reject) => {
      this.#open.push((err) => (err === undefined ? resolve() : reject(err)));
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  }

  answer(err?: Error): void {
    this.#open.shift()?.(err);
  }
}

function create(options: Partial<OriginDialerOptions> = {}): { dialer: OriginDialer; peers: ScriptedPeers } {
  const peers = new ScriptedPeers();
  const parts = { peers, logger: createLogger("silent") };
  const all = { allowsLocal: false, dialsMax: 2, waitingMax: 2, dialMs: 60_000, ...options };
  return { dialer: new OriginDialer(parts, all), peers };
}

test("dials public addresses only, and any on a private network", async () => {
  const [strict, lan] = [create(), create({ allowsLocal: true })];
  for (const { dialer } of [strict, lan]) {
    dialer.offer([LOCAL, NAME, PUBLIC], ignore);
    dialer.offer([LOCAL], ignore);
    dialer.offer([], ignore);
  }
  expect(strict.peers.dialled).toEqual([[PUBLIC]]);
  expect(lan.peers.dialled).toEqual([[LOCAL, NAME, PUBLIC], [LOCAL]]);
  for (const { dialer } of [strict, lan]) await dialer[Symbol.asyncDispose]();
});

test("dials a few at once, lets some wait, and drops the rest", async () => {
  const { dialer, peers } = create();
  const addrs = Array.from({ length: 6 }, (_, i) => PUBLIC.replace("4001", `${i + 1}`));
  for (const addr of addrs) dialer.offer([addr], ignore);
  expect(peers.dialled.flat()).toEqual(addrs.slice(0, 2));
  peers.answer(new Error("nobody is there"));
  await until(() => expect(peers.dialled.flat()).toEqual(addrs.slice(0, 3)));
  peers.answer();
  await until(() => expect(peers.dialled.flat()).toEqual(addrs.slice(0, 4)));
  peers.answer();
  peers.answer();
  await dialer[Symbol.asyncDispose]();
  expect(peers.dialled).toHaveLength(4);
});

test("tells when a peer is reached, and only then", async () => {
  const { dialer, peers } = create();
  const reached: string[] = [];
  for (const name of ["a", "b"]) dialer.offer([PUBLIC], () => void reached.push(name));
  peers.answer(new Error("nobody is there"));
  peers.answer();
  await until(() => expect(reached).toEqual(["b"]));
  await dialer[Symbol.asyncDispose]();
});

test("ends what is under way when it is disposed of, and when it takes too long", async () => {
  const { dialer, peers } = create({ dialMs: 1, dialsMax: 1 });
  dialer.offer([PUBLIC], ignore);
  dialer.offer([PUBLIC], ignore);
  await until(() => expect(peers.dialled).toHaveLength(2));
  await dialer[Symbol.asyncDispose]();

  const patient = create({ dialsMax: 1 });
  patient.dialer.offer([PUBLIC], ignore);
  patient.dialer.offer([PUBLIC], ignore);
  await patient.dialer[Symbol.asyncDispose]();
  expect(patient.peers.dialled).toHaveLength(1);
});
