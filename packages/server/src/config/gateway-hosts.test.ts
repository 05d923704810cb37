import { expect, test } from "vitest";
import { parseDns, parseDnslinkMap, parseGatewayHosts } from "./gateway-hosts.ts";

const CID = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

test("gateway hosts are a list of hosts and what they are", () => {
  expect(parseGatewayHosts("localhost=subdomain, Example.com:8080=subdomain+dnslink,p.example=path")).toEqual(
    [
      { host: "localhost", mode: "subdomain", inlinesDomains: false },
      { host: "example.com:8080", mode: "subdomain", inlinesDomains: true },
      { host: "p.example", mode: "path", inlinesDomains: false },
    ],
  );
  expect(parseGatewayHosts("none")).toEqual([]);
  expect(parseGatewayHosts("127.0.0.1=path")).toHaveLength(1);
});

test.each([
  "localhost",
  "localhost=",
  "localhost=dnslink",
  "=subdomain",
  "a/b=path",
  "127.0.0.1=subdomain",
  "a.example=path,A.example=subdomain",
])("the gateway hosts %j are refused", (text) => {
  expect(() => parseGatewayHosts(text)).toThrow(/^(?:is not|has) /);
});

test("a DNSLink map has a path for each domain", () => {
  const name = "12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d";
  const map = parseDnslinkMap(`A.example.:/ipfs/${CID}/x, b.example:/ipns/${name},c.example:/ipns/a.example`);
  expect([...map]).toEqual([
    ["a.example", `/ipfs/${CID}/x`],
    ["b.example", `/ipns/${name}`],
    ["c.example", "/ipns/a.example"],
  ]);
  expect(parseDnslinkMap("").size).toBe(0);
});

test.each([
  "a.example",
  `a.example=/ipfs/${CID}`,
  `a.example:${CID}`,
  "a.example:/ipfs/QmBroken",
  `localhost:/ipfs/${CID}`,
  `a.example:/ipfs/${CID},A.example:/ipfs/${CID}`,
])("the DNSLink map %j is refused", (text) => {
  expect(() => parseDnslinkMap(text)).toThrow(/^(?:is not|has) /);
});

test("DNS is the system's, off, or a server over HTTPS; without TLS on loopback only", () => {
  expect(parseDns("system")).toEqual({ kind: "system" });
  expect(parseDns("off")).toEqual({ kind: "off" });
  expect(parseDns("https://dns.example/dns-query")).toEqual({
    kind: "https",
    url: "https://dns.example/dns-query",
  });
  expect(parseDns("http://127.0.0.1:8053/dns-query")).toMatchObject({ kind: "https" });
});

test.each([
  "",
  "on",
  "1.1.1.1",
  "http://dns.example/dns-query",
  "https://dns.example/?x",
  "https://u:p@dns.example/",
  "ftp://x/",
])("DNS %j is refused", (text) => {
  expect(() => parseDns(text)).toThrow("is not system, off or an https:// URL");
});
