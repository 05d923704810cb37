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
    "swarm_listen: [/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2]\nrate_limits: false\n",
  );
  expect(config.swarmListen).toEqual(["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"]);
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

test("a bootstrap peer without its id stops the start, and not the node thread again and again", () => {
  const peer = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWAuCnJyxW9a83cnLeFaJajxm3xbibXiw61WwXeDqpWFBq";
  expect(readConfig({ HOLDFAST_BOOTSTRAP: peer }).bootstrap).toEqual([peer]);
  expect(problemsOf({ HOLDFAST_BOOTSTRAP: `${peer},/ip4/127.0.0.1/tcp/1` })).toEqual([
    expect.stringMatching(/^HOLDFAST_BOOTSTRAP: .*\/p2p\//),
  ]);
});

test("a proxy that is neither an address nor a network is one of the problems that are listed", () => {
  const good = ["10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "::1"];
  expect(readConfig({ HOLDFAST_TRUSTED_PROXIES: good.join(", ") }).trustedProxies).toEqual(good);
  expect(readConfig({}).trustedProxies).toEqual([]);
  for (const bad of ["proxy.example", "10.0.0.0/33", "10.0.0.0/", "::1/129", "10.0.0.1/x"]) {
    expect(problemsOf({ HOLDFAST_TRUSTED_PROXIES: bad })).toEqual([
      expect.stringMatching(/^HOLDFAST_TRUSTED_PROXIES: /),
    ]);
  }
});

test("a bound can be as large as the documentation says, and no larger", () => {
  const pebibyte = 2 ** 50;
  const config = readConfig({ HOLDFAST_VAULT_BYTES_MAX: String(pebibyte) });
  expect(config.vaultBytesMax).toBe(pebibyte);
  expect(problemsOf({ HOLDFAST_VAULT_BYTES_MAX: String(pebibyte + 1) })).toHaveLength(1);
  expect(problemsOf({ HOLDFAST_VAULT_BYTES_MAX: `1${"0".repeat(30)}` })).toHaveLength(1);
});

test("variables of the reference system are mapped or explained", () => {
  const config = readConfig({ NODE_NAME: "gw-1", NOSTR_RELAYS: "ws://127.0.0.1:1", DB_PATH: "/db" });
  expect(config.nodeName).toBe("gw-1");
  expect(config.nostrRelays).toEqual(["ws://127.0.0.1:1"]);
  expect(config.notices).toEqual([
    "NODE_NAME is taken as HOLDFAST_NODE_NAME",
    expect.stringContaining("DB_PATH has no effect"),
    "NOSTR_RELAYS is taken as HOLDFAST_NOSTR_RELAYS",
  ]);
});

test("limits that were set for the reference system are not passed over in silence", () => {
  const env = { RATE_LIMIT_PER_IP_PER_MINUTE: "300", SIDECAR_CACHE_MAX_BYTES: "1", DOMAIN: "gw.example" };
  expect(readConfig(env).notices).toEqual([
    expect.stringMatching(/^DOMAIN has no effect: .*HOLDFAST_GATEWAY_HOSTS/),
    expect.stringMatching(/^RATE_LIMIT_PER_IP_PER_MINUTE has no effect: .*HOLDFAST_RATE_LIMITS/),
    expect.stringMatching(/^SIDECAR_CACHE_MAX_BYTES has no effect: .*HOLDFAST_VAULT_BYTES_MAX/),
  ]);
});

test("what is set and has no effect is said: a Kubo that is not asked, tokens that nobody needs", () => {
  expect(readConfig({ IPFS_API_URL: "http://kubo:5001" }).notices).toEqual([
    "IPFS_API_URL is taken as HOLDFAST_KUBO_RPC_URL",
    "IPFS_API_URL has no effect: HOLDFAST_BACKEND is not kubo",
  ]);
  const tokens = { HOLDFAST_WRITE_TOKENS: "a-token-that-is-long" };
  expect(readConfig(tokens).notices).toEqual([
    "HOLDFAST_WRITE_TOKENS has no effect: HOLDFAST_WRITE_POLICY is open, not token",
  ]);
  expect(readConfig({ ...tokens, HOLDFAST_WRITE_POLICY: "token" }).notices).toEqual([]);
  expect(readConfig({ HOLDFAST_KUBO_GATEWAY_URL: "none", HOLDFAST_WRITE_TOKENS: "" }).notices).toEqual([]);
});

test("a problem in a settings file is told with the name of that file", () => {
  expect(() => readConfig({}, "colour: blue\n", "/etc/node.yaml")).toThrow("/etc/node.yaml: colour");
});

test("in front of a Kubo whose gateway is not used, the start says so", () => {
  const env = { HOLDFAST_BACKEND: "kubo" };
  expect(readConfig(env).notices).toEqual([expect.stringContaining("HOLDFAST_KUBO_GATEWAY_URL is not set")]);
  expect(readConfig({ ...env, HOLDFAST_KUBO_GATEWAY_URL: "http://127.0.0.1:8080" }).notices).toEqual([]);
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
  for (const text of ["", "none", "ipfs:5001", "/ip4/127.0.0.1/tcp/5001", "http://ipfs:5001?x"]) {
    expect(problemsOf({ HOLDFAST_KUBO_RPC_URL: text })).toHaveLength(1);
  }
});

const base64 = (text: string): string => Buffer.from(text).toString("base64");

test.each([
  ["HOLDFAST_KUBO_RPC_URL", "http://us:pa%3Ass@ipfs:5001/api/v0", `Basic ${base64("us:pa:ss")}`],
  ["HOLDFAST_KUBO_RPC_AUTH", "basic:us:pa:ss", `Basic ${base64("us:pa:ss")}`],
  ["HOLDFAST_KUBO_RPC_AUTH", `basic:${base64("us:pass")}`, `Basic ${base64("us:pass")}`],
  ["HOLDFAST_KUBO_RPC_AUTH", "bearer:a-token", "Bearer a-token"],
] as const)("the login of Kubo's RPC stands in %s: %s", (variable, text, header) => {
  const config = readConfig({ [variable]: text });
  expect(config.kuboRpcAuthorization).toBe(header);
  expect(config.kuboRpcUrl).not.toMatch(/us|pa/);
});

test("a malformed login of Kubo's RPC is not repeated, and two logins are one too many", () => {
  const secret = "s3cret";
  for (const env of [
    { HOLDFAST_KUBO_RPC_URL: `http://u:${secret}%@ipfs:5001` },
    { HOLDFAST_KUBO_RPC_URL: `ftp://u:${secret}@ipfs:5001` },
    { HOLDFAST_KUBO_RPC_AUTH: secret },
    { HOLDFAST_KUBO_RPC_AUTH: `token:${secret}` },
    { HOLDFAST_KUBO_RPC_AUTH: `bearer:${secret} ` },
    { HOLDFAST_KUBO_RPC_AUTH: `basic:${secret}\n` },
    { HOLDFAST_KUBO_RPC_AUTH: "basic:" },
    { HOLDFAST_KUBO_RPC_URL: `http://u:${secret}@ipfs:5001`, HOLDFAST_KUBO_RPC_AUTH: `bearer:${secret}` },
  ]) {
    const problems = problemsOf(env);
    expect(problems).toHaveLength(1);
    expect(problems[0]).not.toContain(secret);
  }
});

test("the reference system's announcing is taken as the pass over all names, and its share of them as a probability", () => {
  const config = readConfig({ ANNOUNCE_INTERVAL: "21600", ANNOUNCE_PROBABILITY: "0.25" });
  expect([config.reannounceIntervalS, config.reannounceProbability]).toEqual([21_600, 0.25]);
  for (const text of ["1.5", "-1", "", "x", "1e-3"]) {
    expect(problemsOf({ HOLDFAST_REANNOUNCE_PROBABILITY: text })).toHaveLength(1);
  }
});
