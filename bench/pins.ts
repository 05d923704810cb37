/** Question: how many pins of small content a second come to their end, at a real Kubo and in our own vault? */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { authorOf } from "../packages/server/test/support/nostr-authors.ts";
import { type Kubo, kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { sendLoad } from "../e2e/support/load.ts";
import { startNode, type TestNode } from "../e2e/support/start-node.ts";
import { addSmallFiles, announce, confirmedPins, rawCidOf } from "../e2e/support/wishes.ts";
import { useBothCores } from "./support/wrk.ts";

const SECONDS = 20;
const PER_SECOND_OFFERED = 300;
const PINS = SECONDS * PER_SECOND_OFFERED;
const BYTES_EACH = 1_000;
const LOOK_MS = 250;
const WAIT_MS_MAX = 180_000;
const author = authorOf(7);

interface Result {
  /** In the first twenty seconds, or until all were pinned if that was sooner. */
  readonly perSecond: number;
  readonly allAfterMs: number | undefined;
}

export async function pins(): Promise<string> {
  if (!kuboAvailable) return "## Pins a second\n\nNot measured: there is no Kubo.";
  await useBothCores(process.pid);
  const rows: readonly [string, Result][] = [
    ["a real Kubo, blocks sent to `/sidecar/submit`", await submitted()],
    ["a real Kubo, wishes, the content is at another Kubo", await wishedAtKubo()],
    ["our own vault, wishes, the content is at a Kubo", await wishedAtVault()],
  ];
  return [
    `## Pins a second, ${PINS.toLocaleString("en")} of ${BYTES_EACH} bytes each`,
    "",
    `| kept in | pins/s over ${SECONDS} s | all ${PINS.toLocaleString("en")} after |`,
    "|---|---|---|",
    ...rows.map(([label, { perSecond, allAfterMs }]) => {
      const after = allAfterMs === undefined ? `more than ${WAIT_MS_MAX / 1000} s` : seconds(allAfterMs);
      return `| ${label} | ${perSecond.toFixed(0)} | ${after} |`;
    }),
    "",
    `Target ≥ 100/s. Submits come at ${PER_SECOND_OFFERED}/s, wishes at once, in signed events over HTTP. Each Kubo has one thread for its work (\`GOMAXPROCS=1\`); everything shares two cores.`,
  ].join("\n");
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

async function submitted(): Promise<Result> {
  await using kubo = await startKubo({ label: "behind" });
  await using node = await startPinning(inFront(kubo));
  const blocks = await Promise.all(
    Array.from({ length: PINS }, async () => {
      const body = randomBytes(BYTES_EACH);
      return { body, path: `/sidecar/submit?cid=${await rawCidOf(body)}` };
    }),
  );
  const measured = measure(node);
  const { statuses } = await sendLoad(node.publicUrl, (i) => ({ method: "POST", path: "/", ...blocks[i] }), {
    perSecond: PER_SECOND_OFFERED,
    seconds: SECONDS,
    connections: 16,
  });
  if (statuses[200] !== PINS) throw new Error(`answers: ${JSON.stringify(statuses)}`);
  return await measured;
}

async function wishedAtKubo(): Promise<Result> {
  await using provider = await startKubo({ label: "provider" });
  await using kubo = await startKubo({ label: "behind", peers: [provider.addr] });
  await using node = await startPinning(inFront(kubo));
  return await wished(node, provider);
}

async function wishedAtVault(): Promise<Result> {
  await using provider = await startKubo({ label: "provider" });
  await using node = await startPinning({ HOLDFAST_BOOTSTRAP: provider.addr });
  return await wished(node, provider);
}

async function wished(node: TestNode, provider: Kubo): Promise<Result> {
  const files = await addSmallFiles(provider, PINS, BYTES_EACH);
  const measured = measure(node);
  await announce(node, author, [...files.keys()]);
  return await measured;
}

async function measure(node: TestNode): Promise<Result> {
  const startedMs = performance.now();
  let perSecond: number | undefined;
  for (;;) {
    await pause(LOOK_MS);
    const pinned = await confirmedPins(node);
    const tookMs = performance.now() - startedMs;
    if (pinned === PINS || tookMs >= SECONDS * 1000) perSecond ??= (pinned * 1000) / tookMs;
    if (perSecond === undefined) continue;
    if (pinned === PINS) return { perSecond, allAfterMs: tookMs };
    if (tookMs > WAIT_MS_MAX) return { perSecond, allAfterMs: undefined };
  }
}

function inFront(kubo: Kubo): Readonly<Record<string, string>> {
  return { HOLDFAST_BACKEND: "kubo", HOLDFAST_KUBO_RPC_URL: kubo.apiUrl };
}

async function startPinning(backend: Readonly<Record<string, string>>): Promise<TestNode> {
  const node = await startNode({
    env: {
      ...backend,
      HOLDFAST_NOSTR_AUTHORS: author.pubkey,
      HOLDFAST_PINS_PER_SECOND_MAX: "10000",
    },
  });
  await useBothCores(node.pid);
  return node;
}
