import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError, readConfig } from "./config.ts";
import { isLoopback, parseListen } from "./listen.ts";
import { SETTINGS } from "./settings.ts";

function problemsOf(env: Record<string, string>, yaml?: string): readonly string[] {
  try {
    readConfig(env, yaml);
  } catch (err) {
    if (err instanceof ConfigError) return err.problems;
    throw err;
  }
  return [];
}

test("an empty environment gives a node on loopback that takes writes", () => {
  const config = readConfig({});
  expect(config.publicListen).toEqual({ host: "127.0.0.1", port: 9080 });
  expect(config.adminListen).toEqual({ host: "127.0.0.1", port: 9081 });
  expect(config.writePolicy).toEqual({ kind: "open" });
  expect(config.network).toBe("public");
});

test("the environment wins over holdfast.yaml, which wins over the defaults", () => {
  const yaml = "network: lan\nlog_level: debug\n";
  expect(readConfig({}, yaml)).toMatchObject({ network: "lan", logLevel: "debug" });
  expect(readConfig({ HOLDFAST_NETWORK: "offline" }, yaml)).toMatchObject({
    network: "offline",
    logLevel: "debug",
  });
});

test("holdfast.yaml may write lists as lists and switches as booleans", () => {
  const config = readConfig(
    {},
    "bootstrap: [/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2]\nrate_limits: false\n",
  );
  expect(config.bootstrap).toEqual(["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"]);
  expect(config.rateLimits).toBe(false);
});

test("all problems are listed at once, each with its variable", () => {
  const problems = problemsOf(
    {
      HOLDFAST_NETWORK: "wan",
      HOLDFAST_PUBLIC_LISTEN: "9080",
      HOLDFAST_TYPO: "1",
      HOLDFAST_ADD_BYTES_MAX: "5m",
    },
    "colour: blue\nlog_level: {}\n",
  );
  expect(problems).toHaveLength(6);
  for (const part of [
    "HOLDFAST_NETWORK",
    "HOLDFAST_PUBLIC_LISTEN",
    "HOLDFAST_TYPO",
    "HOLDFAST_ADD_BYTES_MAX",
  ]) {
    expect(problems.filter((problem) => problem.includes(part))).toHaveLength(1);
  }
  expect(problems.some((problem) => problem.includes("colour"))).toBe(true);
});

test("a listener that others can reach needs a chosen write policy", () => {
  expect(problemsOf({ HOLDFAST_PUBLIC_LISTEN: "0.0.0.0:9080" })).toEqual([
    expect.stringContaining("HOLDFAST_WRITE_POLICY: must be chosen"),
  ]);
  const closed = readConfig({ HOLDFAST_PUBLIC_LISTEN: "0.0.0.0:9080", HOLDFAST_WRITE_POLICY: "closed" });
  expect(closed.writePolicy).toEqual({ kind: "closed" });
});

test("the token policy needs tokens, and a bad token is never repeated in a message", () => {
  expect(problemsOf({ HOLDFAST_WRITE_POLICY: "token" })).toHaveLength(1);
  const problems = problemsOf({ HOLDFAST_WRITE_POLICY: "token", HOLDFAST_WRITE_TOKENS: "hunter2" });
  expect(problems.join()).not.toContain("hunter2");
  const config = readConfig({
    HOLDFAST_WRITE_POLICY: "token",
    HOLDFAST_WRITE_TOKENS: "a-token-that-is-long",
  });
  expect(config.writePolicy).toEqual({ kind: "token", tokens: ["a-token-that-is-long"] });
});

test("an address that libp2p could not use stops the start", () => {
  for (const bad of ["127.0.0.1:4001", "/ip4/999.1.1.1/tcp/1", "/ip4/127.0.0.1/tcp/x", "/nonsense/1"]) {
    expect(problemsOf({ HOLDFAST_BOOTSTRAP: bad })).toHaveLength(1);
    expect(problemsOf({ HOLDFAST_SWARM_LISTEN: bad })).toHaveLength(1);
  }
});

test("variables of the reference system are mapped or explained", () => {
  const config = readConfig({ NODE_NAME: "gw-1", NOSTR_RELAYS: "ws://127.0.0.1:1" });
  expect(config.nodeName).toBe("gw-1");
  expect(config.notices).toEqual([
    "NODE_NAME is taken as HOLDFAST_NODE_NAME",
    expect.stringContaining("NOSTR_RELAYS has no effect"),
  ]);
});

test("every default is something a user could have written", () => {
  for (const { fallback, parse } of Object.values(SETTINGS)) expect(() => parse(fallback)).not.toThrow();
});

test("no environment makes the reader throw anything but a ConfigError", () => {
  const variables = Object.values(SETTINGS).map((setting) => setting.variable as string);
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...variables), fc.string()),
      fc.option(fc.string()),
      (env, yaml) => {
        // Anything that is not a ConfigError is thrown on, and fails the property.
        expect(problemsOf(env, yaml ?? undefined)).toBeInstanceOf(Array);
      },
    ),
    { seed: 3, numRuns: 500 },
  );
});

test("listen addresses", () => {
  expect(parseListen("[::1]:80")).toEqual({ host: "::1", port: 80 });
  for (const bad of ["", ":80", "host", "host:", "host:99999", "a b:1", "::1:80"]) {
    expect(() => parseListen(bad)).toThrow("is not host:port");
  }
  expect(isLoopback("127.9.9.9") && isLoopback("::1") && isLoopback("localhost")).toBe(true);
  expect(isLoopback("0.0.0.0") || isLoopback("127.evil.example")).toBe(false);
});

test("the URL of Kubo's RPC is taken with and without the path of its calls, and as the reference system names it", () => {
  expect(readConfig({}).kuboRpcUrl).toBe("http://127.0.0.1:5001");
  for (const text of [
    "http://ipfs:5001",
    "http://ipfs:5001/",
    "http://ipfs:5001/api/v0",
    "http://ipfs:5001/api/v0/",
  ]) {
    expect(readConfig({ HOLDFAST_KUBO_RPC_URL: text }).kuboRpcUrl).toBe("http://ipfs:5001");
  }
  expect(readConfig({ IPFS_API_URL: "http://ipfs:5001" }).kuboRpcUrl).toBe("http://ipfs:5001");
  for (const text of [
    "",
    "none",
    "ipfs:5001",
    "/ip4/127.0.0.1/tcp/5001",
    "http://u:p@ipfs:5001",
    "http://ipfs:5001?x",
  ]) {
    expect(problemsOf({ HOLDFAST_KUBO_RPC_URL: text })).toHaveLength(1);
  }
});
