import fc from "fast-check";
import { expect, test } from "vitest";
import { commandFor, formatBytes } from "../src/doctor/format.ts";
import { findProblems } from "../src/doctor/find-problems.ts";
import { readKuboFacts } from "../src/doctor/kubo-facts.ts";
import { reportAsTable } from "../src/doctor/report.ts";
import { factsWith, healthyAnswers } from "./support/doctor-facts.ts";

test("a fresh Kubo's empty sections are read as its defaults", () => {
  const empty = { Addresses: {}, Datastore: {} };
  expect(readKuboFacts(healthyAnswers({}, { config: empty }))).toMatchObject({
    gcWatermarkPercent: 90,
    ipnsCacheEntries: 128,
    bloomFilterBytes: 0,
    routingApiExposed: true,
    routingType: "auto",
    acceleratedDht: false,
    webSocketTransport: true,
    autoWss: true,
    connMgrType: "basic",
    connMgrLowWater: 32,
    connMgrHighWater: 96,
    provideEnabled: true,
    provideStrategy: "all",
    provideSweep: true,
  });
});

test("0 means the default for the watermark and the cache of names", () => {
  const config = {
    Datastore: { StorageGCWatermark: 0 },
    Ipns: { ResolveCacheSize: 0 },
  };
  expect(readKuboFacts(healthyAnswers(config))).toMatchObject({
    gcWatermarkPercent: 90,
    ipnsCacheEntries: 128,
  });
});

test.each<[string[] | undefined, object]>([
  [undefined, { gcEnabled: undefined, offline: false, routingType: "auto" }],
  [["ipfs", "daemon"], { gcEnabled: false, offline: false, routingType: "auto" }],
  [["ipfs", "daemon", "--enable-gc", "--migrate"], { gcEnabled: true }],
  [["ipfs", "daemon", "--enable-gc=true"], { gcEnabled: true }],
  [["ipfs", "daemon", "--enable-gc=false", "--offline"], { gcEnabled: false, offline: true }],
  [["ipfs", "daemon", "--routing", "none"], { routingType: "none" }],
  [["ipfs", "daemon", "--routing=dhtclient"], { routingType: "dhtclient" }],
  [["ipfs", "daemon", "--routing=default"], { routingType: "auto" }],
])("the command line %j says %j", (commandLine, expected) => {
  expect(readKuboFacts(healthyAnswers({}, { commandLine }))).toMatchObject(expected);
});

test("an address is read as a list of one, an empty one as none", () => {
  const facts = readKuboFacts(
    healthyAnswers({ Addresses: { API: "/ip4/127.0.0.1/tcp/1", Gateway: "", Swarm: null } }),
  );
  expect(facts).toMatchObject({ rpcListen: ["/ip4/127.0.0.1/tcp/1"], gatewayListen: [], swarmListen: [] });
});

test.each([
  ["version", { version: {} }],
  ["repo/stat", { repoStat: { RepoSize: "big" } }],
  ["config/show", { config: [] }],
  ["config/show", { config: { Addresses: {} } }],
])("an answer that is not Kubo's is refused by the name of the call: %s", (call, answers) => {
  expect(() => readKuboFacts(healthyAnswers({}, answers))).toThrow(
    expect.objectContaining({ code: "BACKEND_UNAVAILABLE", message: expect.stringContaining(call) }),
  );
});

test("no configuration, whatever its values, breaks the reading or the checks", () => {
  const section = fc.dictionary(
    fc.constantFrom("Type", "ConnMgr", "Swarm", "API", "DHT", "Strategy", "HTTPHeaders"),
    fc.jsonValue(),
  );
  const config = fc.dictionary(
    fc.constantFrom("Swarm", "Routing", "API", "Provide", "Gateway", "Ipns"),
    section,
  );
  fc.assert(
    fc.property(config, section, fc.jsonValue(), (sections, addresses, other) => {
      const answers = healthyAnswers({ ...sections, Addresses: addresses }, { id: other, peers: other });
      const facts = readKuboFacts(answers);
      for (const finding of findProblems(facts)) expect(finding.mend.length).toBeGreaterThan(0);
    }),
    { seed: 34, numRuns: 300 },
  );
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1 kB"],
  [9_000_000_000, "9 GB"],
  [2 ** 64, "18.4 EB"],
])("%d bytes are written %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test("a command survives the shell", () => {
  expect(commandFor({ key: "K", value: "it's" })).toBe(String.raw`ipfs config --json K '"it'\''s"'`);
  expect(commandFor({ key: "K", value: "pinned+mfs" })).toBe("ipfs config K pinned+mfs");
  expect(commandFor({ key: "K", value: true })).toBe("ipfs config --json K true");
});

test("the table marks what is ill and what is well, aligned, and lets nothing steer the terminal", () => {
  const facts = factsWith({ gcEnabled: true, repoBytes: 2e11, rpcListen: ["/ip4/1.2.3.4/tcp/\u001b[2J"] });
  const text = reportAsTable({
    rpcUrl: "http://127.0.0.1:5001",
    facts,
    findings: findProblems(facts),
    applied: undefined,
  });
  const lines = text.split("\n");
  const columns = ["gc-storage-max", "rpc-exposed", "bloom-filter"].map((id) =>
    lines.find((line) => line.includes(id))?.indexOf(id),
  );
  expect(columns).toEqual([12, 12, 12]);
  expect(text).toContain("! critical  gc-storage-max");
  expect(text).toContain("✓ ok        bloom-filter");
  expect(text).not.toContain("\u001b");
});
