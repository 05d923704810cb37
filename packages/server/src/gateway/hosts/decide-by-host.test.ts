import { HoldfastError } from "@holdfast/core";
import { describe, expect, test } from "vitest";
import { decideByHost, type HostDecision } from "./decide-by-host.ts";
import { GatewayHosts } from "./gateway-host.ts";

const hosts = new GatewayHosts([
  { host: "localhost", mode: "subdomain", inlinesDomains: false },
  { host: "dweb.link", mode: "subdomain", inlinesDomains: true },
  { host: "paths.example.net", mode: "path", inlinesDomains: false },
]);
const V0 = "QmbCMUZw6JFeZ7Wp9jkzbye3Fzp2GGcPgC3nmeUjfVF87n";
const V1 = "bafybeif7a7gdklt6hodwdrmwmxnhksctcuav6lfxlcyfz4khzl3qfmvcgu";
const SHA512 =
  "bafkrgqe3ohjcjplc6n4f3fwunlj6upltggn7xqujbsvnvyw764srszz4u4rshq6ztos4chl4plgg4ffyyxnayrtdi5oc4xb2332g645433aeg";
const PEER = "12D3KooWFB51PRY9BxcXSH6khFXw1BZeszeLDy7C8GciskqCTZn5";
const NAME = "k51qzi5uqu5di608geewp3nqkg0bpujoasmka7ftkyxgcm3fh1aroup0gsdrna";
const RSA_AS_DAG_PB = "bafybeickencdqw37dpz3ha36ewrh4undfjt2do52chtcky4rxkj447qhdm";
const RSA = "k2k4r8l9ja7hkzynavdqup76ou46tnvuaqegbd04a4o1mpbsey0meucb";

function decide(
  host: string,
  target: string,
  options: { readonly method?: string; readonly isHttps?: boolean } = {},
): HostDecision {
  return decideByHost({
    method: options.method ?? "GET",
    target,
    host: hosts.classify(host),
    isHttps: options.isHttps ?? false,
    isOwnPath: (path) => path.startsWith("/api/v0/") || path === "/health",
  });
}

describe("a gateway with subdomains redirects", () => {
  // The first ten are those of boxo's own test.
  test.each([
    ["localhost", `/ipfs/${V0}`, `http://${V1}.ipfs.localhost/`],
    ["localhost:8080", `/ipfs/${V0}`, `http://${V1}.ipfs.localhost:8080/`],
    ["localhost", `/ipns/${PEER}`, `http://${NAME}.ipns.localhost/`],
    ["localhost", `/ipns/${RSA_AS_DAG_PB}`, `http://${RSA}.ipns.localhost/`],
    ["localhost", "/ipns/dnslink.io", "http://dnslink.io.ipns.localhost/"],
    [
      "localhost",
      "/ipns/dnslink.long-name.example.com",
      "http://dnslink.long-name.example.com.ipns.localhost/",
    ],
    [
      "dweb.link",
      "/ipns/dnslink.long-name.example.com",
      "http://dnslink-long--name-example-com.ipns.dweb.link/",
    ],
    [
      "localhost",
      "/ipns/dnslink-long--name-example-com",
      "http://dnslink.long-name.example.com.ipns.localhost/",
    ],
    [
      "dweb.link",
      "/ipns/dnslink-long--name-example-com/a",
      "http://dnslink-long--name-example-com.ipns.dweb.link/a",
    ],
    ["localhost", `/ipfs/${V1}/a%20%3F.png?x=1&y=%20`, `http://${V1}.ipfs.localhost/a%20%3F.png?x=1&y=%20`],
    ["LOCALHOST.:8080", `/ipfs/${V1}/a/`, `http://${V1}.ipfs.localhost:8080/a/`],
    [
      "localhost",
      `/ipfs/${V1}/Portugal%252C+Espa\u00c3\u00b1a=x.txt`,
      `http://${V1}.ipfs.localhost/Portugal%252C+Espa%C3%B1a=x.txt`,
    ],
    ["localhost", `/ipfs/${V1}?format=raw`, `http://${V1}.ipfs.localhost/?format=raw`],
    // Escapes do not lead around the isolation of origins.
    ["localhost", `/ipfs/${V1}%2Fa%2fb/`, `http://${V1}.ipfs.localhost/a/b/`],
    ["localhost", `/%69pfs/${V1}/a`, `http://${V1}.ipfs.localhost/a`],
    ["localhost", `//ipfs/${V1}/a`, `http://${V1}.ipfs.localhost/a`],
    ["localhost", `/ipfs/${V1}/\\evil.example`, `http://${V1}.ipfs.localhost/%5Cevil.example`],
  ])("%s%s to %s", (host, target, location) => {
    expect(decide(host, target)).toEqual({ kind: "redirect", location });
    expect(decide(host, target, { method: "HEAD" })).toEqual({ kind: "redirect", location });
  });

  test("to https when the client speaks it, with domains in one label for the sake of certificates", () => {
    expect(decide("localhost", "/ipns/a-b.example.com/x", { isHttps: true })).toEqual({
      kind: "redirect",
      location: "https://a--b-example-com.ipns.localhost/x",
    });
  });

  test("nothing else: its own paths, other methods and what is no content are not touched", () => {
    for (const target of [
      "/api/v0/routing/get?arg=x",
      "/health",
      "/",
      "/ipfs",
      "/ipfs/",
      `/ipfs/ipfs/${V1}`,
      "/ipns/undefined",
      "/ipfs/?uri=ipfs://x",
    ]) {
      expect({ target, ...decide("localhost", target) }).toEqual({ target, kind: "plain" });
    }
    for (const method of ["POST", "PUT", "OPTIONS", "DELETE"]) {
      expect(decide("localhost", `/ipfs/${V1}`, { method })).toEqual({ kind: "plain" });
    }
  });

  test("gotcha 23: never to a host that cannot exist", () => {
    expect(() => decide("localhost", `/ipfs/${SHA512}/`)).toThrow(
      "CID incompatible with DNS label length limit of 63",
    );
    expect(() => decide("localhost", "/ipfs/QmInvalidCID/x")).toThrow('invalid path "/ipfs/QmInvalidCID/x"');
    expect(() => decide("dweb.link", `/ipns/${"a".repeat(60)}.org`)).toThrow("DNS label length limit of 63");
  });

  test("and shows a DNSLink of its own where it has no paths", () => {
    expect(decide("dweb.link", "/docs/")).toEqual({
      kind: "origin-if-linked",
      origin: { namespace: "ipns", root: "dweb.link", isDnslink: true, linkHost: "dweb.link" },
    });
  });
});

describe("a subdomain", () => {
  const origin = (namespace: "ipfs" | "ipns", root: string, linkHost = "localhost:8080") => ({
    kind: "origin",
    origin: { namespace, root, isDnslink: false, linkHost },
  });

  test.each([
    [`${V1}.ipfs.localhost:8080`, "/", origin("ipfs", V1)],
    [`${V1.toUpperCase()}.IPFS.LOCALHOST:8080`, "/", origin("ipfs", V1)],
    [`${V1}.ipfs.localhost:8080`, `/ipfs/${V1}/`, origin("ipfs", V1)],
    [`${V1}.ipfs.localhost:8080`, "/api/v0/version", origin("ipfs", V1)],
    [`${V1}.ipfs.localhost:8080`, "/health", origin("ipfs", V1)],
    [`${NAME}.ipns.localhost:8080`, "/", origin("ipns", NAME)],
    ["en.wikipedia-on-ipfs.org.ipns.localhost:8080", "/", origin("ipns", "en.wikipedia-on-ipfs.org")],
    ["en-wikipedia--on--ipfs-org.ipns.localhost:8080", "/wiki/", origin("ipns", "en.wikipedia-on-ipfs.org")],
  ])("%s%s is the content and nothing else", (host, target, expected) => {
    expect(decide(host, target)).toEqual(expected);
  });

  test.each([
    [`${V0}.ipfs.localhost`, "/a?b", `http://${V1}.ipfs.localhost/a?b`],
    [`${RSA_AS_DAG_PB}.ipns.localhost:80`, "/", `http://${RSA}.ipns.localhost:80/`],
    [`${PEER}.ipns.localhost`, "//evil.example/", `http://${NAME}.ipns.localhost/evil.example/`],
  ])("%s%s redirects to the one spelling, %s", (host, target, location) => {
    expect(decide(host, target)).toEqual({ kind: "redirect", location });
  });

  test.each([
    [`${SHA512}.ipfs.localhost`, "CID incompatible with DNS label length limit of 63"],
    [`${V0.toLowerCase()}.ipfs.localhost`, "invalid path"],
    ["undefined.ipns.localhost", "invalid path"],
    [`${V1}.ipfs.paths.example.net`, "404 page not found"],
  ])("%s is refused: %s", (host, why) => {
    expect(() => decide(host, "/")).toThrow(why);
    expect(() => decide(host, "/")).toThrow(HoldfastError);
  });

  test("can only be read", () => {
    expect(() => decide(`${V1}.ipfs.localhost`, "/api/v0/add", { method: "POST" })).toThrow(
      expect.objectContaining({ code: "METHOD_NOT_ALLOWED" }),
    );
  });
});

describe("any other host", () => {
  test.each(["127.0.0.1:8080", "[::1]", "", "holdfast", "paths.example.net"])(
    "%j is a path gateway",
    (host) => {
      for (const target of [`/ipfs/${V0}`, "/", "/api/v0/version"])
        expect(decide(host, target)).toEqual({ kind: "plain" });
    },
  );

  test("is a website when its domain has a DNSLink, but our own paths never depend on DNS", () => {
    const site = {
      kind: "origin-if-linked",
      origin: {
        namespace: "ipns",
        root: "en.wikipedia.example.org",
        isDnslink: true,
        linkHost: "en.wikipedia.example.org:80",
      },
    };
    expect(decide("En.Wikipedia.example.org:80", "/wiki/")).toEqual(site);
    expect(decide("En.Wikipedia.example.org:80", `/ipfs/${V1}`)).toEqual(site);
    expect(decide("en.wikipedia.example.org", "/api/v0/routing/get?arg=x")).toEqual({ kind: "plain" });
    expect(decide("en.wikipedia.example.org", "/wiki/", { method: "POST" })).toEqual({ kind: "plain" });
  });
});
