import { expect, test } from "vitest";
import { CHECK_IDS, findProblems } from "../src/doctor/find-problems.ts";
import { type KuboFacts, NO_STORAGE_LIMIT } from "../src/doctor/kubo-facts.ts";
import { factsWith } from "./support/doctor-facts.ts";

const WS = "/ip4/127.0.0.1/tcp/4002/ws";
const GB = 1e9;

interface Row {
  readonly id: string;
  readonly ill: Partial<KuboFacts>;
  readonly severity: "critical" | "warning" | "advice";
  /** What stands in the first line of the mend. */
  readonly mend: string;
  readonly safe: boolean;
  /** The nearest values that are well. */
  readonly well: Partial<KuboFacts>;
}

const row = (
  id: string,
  severity: Row["severity"],
  safe: boolean,
  mend: string,
  ill: Partial<KuboFacts>,
  well: Partial<KuboFacts>,
): Row => ({ id, severity, safe, mend, ill, well });

const [MAX_UP, API, GATEWAY] = [
  "ipfs config Datastore.StorageMax",
  "ipfs config Addresses.API /ip4/127.0.0.1/tcp/5001",
  "ipfs config Addresses.Gateway /ip4/127.0.0.1/tcp/8080",
];
const gc = (gcEnabled: boolean | undefined, repoBytes: number): Partial<KuboFacts> => ({
  gcEnabled,
  repoBytes,
  storageMaxBytes: 10 * GB,
  gcWatermarkPercent: 90,
});
const water = (connMgrLowWater: number, connMgrHighWater: number): Partial<KuboFacts> => ({
  connMgrLowWater,
  connMgrHighWater,
});

const ROWS: readonly Row[] = [
  // GC starts at 9 GB; near is 7.2 GB.
  row("gc-storage-max", "critical", false, `${MAX_UP} 200GB`, gc(true, 100 * GB), gc(false, 8.99 * GB)),
  row("gc-storage-max", "critical", false, `${MAX_UP} 15GB`, gc(true, 7.2 * GB), gc(true, 7.19 * GB)),
  row("gc-storage-max", "critical", false, MAX_UP, gc(undefined, 7.2 * GB), gc(undefined, 7.19 * GB)),
  row("gc-storage-max", "warning", false, `${MAX_UP} 18GB`, gc(false, 9 * GB), gc(false, 8.99 * GB)),
  row(
    "rpc-exposed",
    "critical",
    false,
    API,
    { rpcListen: ["/ip4/0.0.0.0/tcp/5001"] },
    { rpcListen: ["/ip4/0.0.0.0/tcp/5001"], rpcNeedsLogin: true },
  ),
  row(
    "rpc-exposed",
    "critical",
    false,
    `ipfs config --json Addresses.API '["/unix/run/ipfs.sock","/ip4/127.0.0.1/tcp/5001"]'`,
    { rpcListen: ["/unix/run/ipfs.sock", "/ip6/::/tcp/5001"] },
    {
      rpcListen: [
        "/unix/run/ipfs.sock",
        "/ip6/::1/tcp/5001",
        "/ip4/127.0.0.2/tcp/1",
        "/dns4/localhost/tcp/2",
      ],
    },
  ),
  row(
    "rpc-any-origin",
    "critical",
    false,
    "ipfs config --json API.HTTPHeaders.Access-Control-Allow-Origin '[]'",
    { rpcAllowedOrigins: ["*"] },
    { rpcAllowedOrigins: ["http://localhost:3000"] },
  ),
  row(
    "gateway-exposed",
    "warning",
    false,
    GATEWAY,
    { gatewayListen: ["/ip4/0.0.0.0/tcp/8080"] },
    { gatewayListen: [] },
  ),
  row("version", "warning", false, "install Kubo 0.43", { version: "0.42.1" }, { version: "0.43.0-rc1" }),
  row("version", "warning", false, "install Kubo 0.43", { version: "rubbish" }, { version: "1.0.0" }),
  row(
    "accelerated-dht",
    "advice",
    true,
    "ipfs config --json Routing.AcceleratedDHTClient true",
    { acceleratedDht: false },
    { acceleratedDht: false, lanDhtOnLoopback: true },
  ),
  row(
    "accelerated-dht",
    "advice",
    true,
    "ipfs config --json",
    { acceleratedDht: false, routingType: "dhtclient" },
    { acceleratedDht: false, routingType: "delegated" },
  ),
  row(
    "ipns-cache",
    "advice",
    true,
    "ipfs config --json Ipns.ResolveCacheSize 16384",
    { ipnsCacheEntries: 2047 },
    { ipnsCacheEntries: 2048 },
  ),
  row(
    "routing-api",
    "advice",
    true,
    "ipfs config --json Gateway.ExposeRoutingAPI true",
    { routingApiExposed: false },
    { routingApiExposed: true },
  ),
  row(
    "routing-api",
    "advice",
    false,
    "ipfs config --json Gateway.ExposeRoutingAPI true",
    { routingApiExposed: false, gatewayListen: ["/ip4/0.0.0.0/tcp/8080"] },
    { gatewayListen: ["/ip4/0.0.0.0/tcp/8080"] },
  ),
  row(
    "bloom-filter",
    "advice",
    true,
    "ipfs config --json Datastore.BloomFilterSize 16777216",
    { bloomFilterBytes: 0 },
    { bloomFilterBytes: 1 },
  ),
  row(
    "bloom-filter",
    "advice",
    true,
    "ipfs config --json Datastore.BloomFilterSize 67108864",
    { bloomFilterBytes: 0, repoBytes: 700 * GB, storageMaxBytes: 2000 * GB },
    { bloomFilterBytes: 67_108_864 },
  ),
  row(
    "websocket-transport",
    "warning",
    true,
    "ipfs config --json Swarm.Transports.Network.Websocket true",
    { webSocketTransport: false },
    { webSocketTransport: true },
  ),
  row(
    "websocket-transport",
    "warning",
    false,
    "ipfs config",
    { webSocketTransport: false, swarmListen: [WS] },
    {},
  ),
  row(
    "websocket-listener",
    "advice",
    false,
    `ipfs config --json Addresses.Swarm '["/ip4/0.0.0.0/tcp/4001","${WS}"]'`,
    { autoWss: false },
    { autoWss: false, swarmListen: [WS] },
  ),
  row(
    "websocket-announce",
    "advice",
    false,
    "with a TLS proxy",
    { swarmListen: [WS], announced: [WS, "/ip4/10.0.0.1/tcp/1/ws", "/ip4/203.0.113.7/udp/1/webtransport"] },
    { swarmListen: [WS], announced: ["/dns4/node.example/tcp/443/tls/ws"] },
  ),
  row(
    "websocket-announce",
    "advice",
    false,
    "with a TLS proxy",
    { swarmListen: [WS], ownAddresses: ["/ip6/fe80::1/tcp/4002/ws"] },
    { swarmListen: [WS], ownAddresses: ["/ip6/2001:db8::1/tcp/4002/ws"] },
  ),
  row(
    "connection-manager",
    "advice",
    true,
    "ipfs config --json Swarm.ConnMgr.LowWater 600",
    water(32, 599),
    water(32, 600),
  ),
  row("connection-manager", "warning", true, "ipfs config", water(600, 600), water(599, 600)),
  row(
    "connection-manager",
    "warning",
    true,
    "ipfs config Swarm.ConnMgr.Type basic",
    { connMgrType: "none" },
    { connMgrType: "basic" },
  ),
  row(
    "provide-enabled",
    "warning",
    false,
    "ipfs config --json Provide.Enabled true",
    { provideEnabled: false },
    { provideEnabled: true },
  ),
  row(
    "provide-strategy",
    "advice",
    false,
    "ipfs config Provide.Strategy pinned+mfs",
    { provideStrategy: "all", repoBytes: 101 * GB, storageMaxBytes: 1000 * GB },
    { provideStrategy: "all", repoBytes: 100 * GB, storageMaxBytes: 1000 * GB },
  ),
  row(
    "provide-strategy",
    "warning",
    false,
    "ipfs config Provide.Strategy pinned+mfs",
    { provideStrategy: "roots" },
    { provideStrategy: "roots+pinned" },
  ),
  row(
    "provide-strategy",
    "warning",
    false,
    "ipfs config Provide.Strategy pinned+mfs",
    { provideStrategy: "mfs" },
    { provideStrategy: "pinned+mfs" },
  ),
  row(
    "provide-sweep",
    "warning",
    true,
    "ipfs config --json Provide.DHT.SweepEnabled true",
    { provideSweep: false },
    { provideSweep: true },
  ),
  row("routing-type", "warning", false, "ipfs config Routing.Type auto", { routingType: "none" }, {}),
  row("routing-type", "warning", false, "start the daemon without --offline", { offline: true }, {}),
  row(
    "routing-type",
    "advice",
    false,
    "ipfs config Routing.Type auto",
    { routingType: "custom" },
    { routingType: "autoclient" },
  ),
  row("peers", "warning", false, "just started?", { peerCount: 0 }, { peerCount: undefined }),
];

test("a healthy node has no findings", () => {
  expect(findProblems(factsWith())).toEqual([]);
});

test("each check has a row here", () => {
  expect(new Set(ROWS.map(({ id }) => id))).toEqual(new Set(CHECK_IDS));
});

test.each(ROWS)("$id ($severity) is found: $ill", ({ id, severity, safe, mend, ill }) => {
  const found = findProblems(factsWith(ill)).filter((finding) => finding.id === id);
  expect(found).toEqual([expect.objectContaining({ id, severity, safe })]);
  expect(found[0]?.mend[0]).toContain(mend);
  expect(found[0]?.is).toMatch(/\.$/);
});

test.each(ROWS)("$id is not found: $well", ({ id, well }) => {
  expect(findProblems(factsWith(well)).map((finding) => finding.id)).not.toContain(id);
});

test("R34: a 10 GB limit with GC on before a 100 GB repo is critical, comes first and is said with its numbers", () => {
  const [first] = findProblems(factsWith({ ...gc(true, 100 * GB), bloomFilterBytes: 0 }));
  expect(first).toMatchObject({ id: "gc-storage-max", severity: "critical", safe: false });
  expect(first?.is).toContain("GC is on");
  expect(first?.is).toContain("9 GB");
  expect(first?.is).toContain("100 GB");
});

test("R34, gotcha 16: no limit at all (18446744073709551615) is no finding", () => {
  expect(findProblems(factsWith({ gcEnabled: true, storageMaxBytes: NO_STORAGE_LIMIT }))).toEqual([]);
});

test("nothing that concerns storage limits, listeners, announcing or logins is ever safe", () => {
  const delicate = /StorageMax|Addresses\.|API\.|Announce|Provide\.(Strategy|Enabled)|Routing\.Type|AutoTLS/;
  const safe = ROWS.flatMap(({ ill }) => findProblems(factsWith(ill))).filter((finding) => finding.safe);
  expect(safe.length).toBeGreaterThan(5);
  expect(safe.flatMap((finding) => finding.settings.map(({ key }) => key)).join(" ")).not.toMatch(delicate);
});
