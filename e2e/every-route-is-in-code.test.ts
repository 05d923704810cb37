import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPublisher } from "./support/names.ts";
import { startNode, type TestNode } from "./support/start-node.ts";

const NAME = createPublisher().name.text;
const CID = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

/** The contract's routes, as its clients call them: `{name}` and `{cid}` stand for one of each. */
const PUBLIC_ROUTES = [
  "GET POST /api/v0/routing/get",
  "POST /api/v0/routing/put",
  "GET HEAD PUT /routing/v1/ipns/{name}",
  "GET /routing/v1/providers/{cid}",
  "GET /routing/v1/peers/{name}",
  "GET /api/v0/name/resolve",
  "GET /ws/ipns",
  "GET /ipns/events",
  "GET /names/{name}",
  "GET /names/{name}/history",
  "GET HEAD /ipfs/{cid}",
  "GET HEAD /ipns/{name}",
  "POST /api/v0/version",
  "POST /api/v0/add",
  "POST /api/v0/dag/put",
  "POST /api/v0/dag/import",
  "GET POST /api/v0/dag/export",
  "GET POST /api/v0/block/get",
  "POST /api/v0/block/put",
  "POST /api/v0/block/stat",
  "POST /api/v0/pin/add",
  "POST /api/v0/pin/ls",
  "POST /api/v0/pin/update",
  "POST /sidecar/submit",
  "GET POST /sidecar/blob",
  "GET /sidecar/cache-stats",
  "GET /pin-status",
  "GET POST /pins",
  "GET POST DELETE /pins/{cid}",
  "POST /announce",
  "GET /health",
];
const ADMIN_ROUTES = [
  "GET /health",
  "GET /ready",
  "GET /metrics",
  "POST /reannounce",
  "GET POST /routing-get",
  "POST /ipns-intercept",
  "GET /pin-status",
  "GET /admin/keep-alive",
  "GET DELETE /admin/operations/{cid}",
  "GET /admin/announce",
  "GET /admin/pins",
  "GET POST DELETE /admin/pins/{cid}",
  "POST /admin/pins/{cid}/retry",
  "GET /admin/pins/totals",
  "GET /admin/follow",
  "GET POST DELETE /admin/follow/{name}",
  "GET POST DELETE /admin/gc",
  "GET /admin/webhooks",
  "GET /admin/routers",
  "GET /admin/names/{name}/compare",
];

let node: TestNode;
beforeAll(async () => {
  node = await startNode({
    env: { HOLDFAST_NETWORK: "offline", HOLDFAST_PINS_TOKENS: "tests:a-token-of-the-tests" },
  });
});
afterAll(async () => node[Symbol.asyncDispose]());

function callsOf(routes: readonly string[]): [method: string, path: string][] {
  return routes.flatMap((route) => {
    const [path = "", ...methods] = route.split(" ").reverse();
    return methods.map((method): [string, string] => [method, path]);
  });
}

/** What a listener says to a method and path, apart from what differs from request to request. */
async function answerTo(url: string, method: string, path: string): Promise<string> {
  const target = path.replace("{name}", NAME).replace("{cid}", CID);
  const answer = await fetch(`${url}${target}?cid=${CID}`, { method, redirect: "manual" });
  return `${answer.status} ${method === "HEAD" ? "" : (await answer.text()).trim()}`;
}

const UNKNOWN =
  /^404 (?:404 page not found|.*"Message":"404 page not found"|.*no such route|.*ROUTE_NOT_FOUND)|^405 /i;

test("what is no route is answered as such, so that the tests of those that are can fail", async () => {
  for (const [url, path] of [
    [node.publicUrl, "/api/v0/nothing"],
    [node.publicUrl, "/pins-of-nobody"],
    [node.adminUrl, "/admin/nothing"],
  ] as const) {
    expect(await answerTo(url, "POST", path)).toMatch(UNKNOWN);
  }
});

test.each(callsOf(PUBLIC_ROUTES))("R41: %s %s is answered by the built node", async (method, path) => {
  expect(await answerTo(node.publicUrl, method, path)).not.toMatch(UNKNOWN);
});

test.each(callsOf(ADMIN_ROUTES))("R41: %s %s is answered by its admin listener", async (method, path) => {
  expect(await answerTo(node.adminUrl, method, path)).not.toMatch(UNKNOWN);
});

test("docs/HTTP-API.md names each of them", async () => {
  const documented = (await readFile(new URL("../docs/HTTP-API.md", import.meta.url), "utf8")).replaceAll(
    /\{requestid\}|\{id\}/g,
    "{cid}",
  );
  const paths = [...callsOf(PUBLIC_ROUTES), ...callsOf(ADMIN_ROUTES)].map(([, path]) =>
    path.replace(/^\/api\/v0\/|^\/routing\/v1\/peers.*/, ""),
  );
  expect(paths.filter((path) => !documented.includes(path))).toEqual([]);
});
