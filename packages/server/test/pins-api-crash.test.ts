import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { blockOf } from "./support/blocks.ts";
import { type RunningProcess, startProcess } from "./support/start-process.ts";
import { until } from "./support/until.ts";

const TOKEN = "token-of-team-a-0123";
const ENV = { HOLDFAST_PINS_TOKENS: `team-a:${TOKEN}` };
const ALL = "status=queued,pinning,pinned,failed";
const WRITERS = 6;

interface PinStatus {
  readonly requestid: string;
  readonly created: string;
  readonly pin: { readonly cid: string; readonly name: string };
}

async function ask(node: RunningProcess, method: string, path: string, body?: object): Promise<Response> {
  return fetch(`${node.url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
}

async function listAll(
  node: RunningProcess,
): Promise<{ readonly count: number; readonly pins: readonly PinStatus[] }> {
  const pins: PinStatus[] = [];
  let count: number | undefined;
  for (let before = ""; ;) {
    const page = (await (await ask(node, "GET", `/pins?${ALL}&limit=1000${before}`)).json()) as {
      count: number;
      results: PinStatus[];
    };
    count ??= page.count;
    pins.push(...page.results);
    if (page.results.length < 1_000) return { count, pins };
    before = `&before=${page.results.at(-1)?.created ?? ""}`;
  }
}

/** Creates, replaces and deletes until the node is gone; notes what was acknowledged last for each thing it made. */
async function work(
  node: RunningProcess,
  writer: number,
  expected: Map<string, string | undefined>,
): Promise<void> {
  let last: string | undefined;
  for (let i = 0; ; i++) {
    const name = `${writer}-${i}`;
    const body = { cid: blockOf(`${writer} ${i % 40}`).cid.toString(), name };
    try {
      if (i % 5 === 4 && last !== undefined) {
        // From before the request until its answer nobody can say which of the two it is.
        const victim = last;
        last = undefined;
        expected.set(victim, "in doubt");
        await accepted(await ask(node, "DELETE", `/pins/${victim}`));
        expected.set(victim, undefined);
      } else if (i % 5 === 3 && last !== undefined) {
        const victim = last;
        expected.set(victim, "in doubt");
        const status = await accepted(await ask(node, "POST", `/pins/${victim}`, body));
        expected.set(victim, undefined);
        expected.set((last = status?.requestid ?? ""), name);
      } else {
        const status = await accepted(await ask(node, "POST", "/pins", body));
        expected.set((last = status?.requestid ?? ""), name);
      }
    } catch {
      // Killed in the middle of it.
      return;
    }
  }
}

async function accepted(response: Response): Promise<PinStatus | undefined> {
  if (response.status !== 202) throw new Error(`answered ${response.status}`);
  const text = await response.text();
  return text === "" ? undefined : (JSON.parse(text) as PinStatus);
}

test("R28: kill -9 loses no pin that was answered 202, and leaves no claim without a request or request without a claim", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "holdfast-pins-crash-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const expected = new Map<string, string | undefined>();
  for (let round = 0; round < 2; round++) {
    const node = await startProcess(dataDir, ENV);
    const before = expected.size;
    const writers = Array.from({ length: WRITERS }, (_, i) => work(node, 10 * round + i, expected));
    await until(() => expect(expected.size - before).toBeGreaterThan(120), 30_000);
    await node.kill();
    await Promise.all(writers);
  }

  const again = await startProcess(dataDir, ENV);
  const { count, pins } = await listAll(again);
  expect(count).toBe(pins.length);
  expect(new Set(pins.map(({ created }) => created)).size).toBe(pins.length);
  const found = new Map(pins.map(({ requestid, pin }) => [requestid, pin.name]));
  const lost = [...expected].filter(
    ([id, name]) => name !== undefined && name !== "in doubt" && found.get(id) !== name,
  );
  const risen = [...expected].filter(([id, name]) => name === undefined && found.has(id));
  expect({ lost, risen }).toEqual({ lost: [], risen: [] });
  await again.kill();

  using db = new DatabaseSync(join(dataDir, "holdfast.db"), { readOnly: true });
  const one = (sql: string): unknown => db.prepare(sql).get()?.["n"];
  const holders = "SELECT 'team-a ' || request_id FROM pin_requests";
  expect(
    one(`SELECT count(*) AS n FROM pin_claims WHERE source = 'pins-api' AND holder NOT IN (${holders})`),
  ).toBe(0);
  expect(
    one(
      `SELECT count(*) AS n FROM pin_requests AS request WHERE NOT EXISTS (
         SELECT 1 FROM pin_claims WHERE pin_id = request.pin_id AND source = 'pins-api' AND holder = 'team-a ' || request_id)`,
    ),
  ).toBe(0);
  expect(one("SELECT sum(request_count) AS n FROM pin_request_counts")).toBe(pins.length);
  expect(one("SELECT request_count AS n FROM pin_request_owners")).toBe(pins.length);
}, 120_000);

test("without tokens there is no such API, and what was ordered stays", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "holdfast-pins-off-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const cid = blockOf("kept").cid.toString();
  const node = await startProcess(dataDir, ENV);
  const [delegate] = ((await (await ask(node, "POST", "/pins", { cid })).json()) as { delegates: string[] })
    .delegates;
  // Nobody can be dialled offline, but this is who we are: the same after a restart.
  expect(delegate).toMatch(/^\/p2p\/12D3KooW/);
  await node.kill();
  const off = await startProcess(dataDir);
  for (const [method, path] of [
    ["GET", "/pins"],
    ["POST", "/pins"],
    ["DELETE", "/pins/x"],
  ] as const) {
    const response = await ask(off, method, path, method === "POST" ? { cid } : undefined);
    expect([response.status, await response.json()]).toEqual([
      404,
      { error: { reason: "ROUTE_NOT_FOUND", details: expect.any(String) as unknown } },
    ]);
  }
  const claims = (await (await fetch(`${off.adminUrl}/admin/pins/${cid}`)).json()) as { claims: object[] };
  expect(claims.claims).toMatchObject([
    { source: "pins-api", holder: expect.stringMatching(/^team-a /) as unknown },
  ]);
  await off.kill();
  const back = await startProcess(dataDir, ENV);
  const answer = (await (await ask(back, "GET", `/pins?${ALL}`)).json()) as {
    results: { delegates: string[] }[];
  };
  expect(answer.results).toMatchObject([{ pin: { cid }, delegates: [delegate] }]);
}, 60_000);
