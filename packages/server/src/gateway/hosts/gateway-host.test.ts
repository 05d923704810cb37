import { expect, test } from "vitest";
import { GatewayHosts } from "./gateway-host.ts";

const hosts = new GatewayHosts([
  { host: "localhost", mode: "subdomain", inlinesDomains: false },
  { host: "example.com", mode: "subdomain", inlinesDomains: true },
  { host: "example.com:1234", mode: "path", inlinesDomains: false },
  { host: "sub.example.net:8080", mode: "subdomain", inlinesDomains: false },
  { host: "paths.example.net", mode: "path", inlinesDomains: false },
]);

test.each([
  ["127.0.0.1", { kind: "path" }],
  ["127.0.0.1:8080", { kind: "path" }],
  ["[::1]:8080", { kind: "path" }],
  ["", { kind: "path" }],
  ["holdfast:9080", { kind: "path" }],
  ["a b.example.com", { kind: "path" }],
  ["example.com@evil.example", { kind: "path" }],
  ["example.com:123456", { kind: "path" }],
  ["paths.example.net:8080", { kind: "path" }],
  ["example.com:1234", { kind: "path" }],
  ["bafkqaaa.ipfs.127.0.0.1", { kind: "path" }],
  ["localhost:8080", { kind: "gateway", linkHost: "localhost:8080" }],
  ["LocalHost.:8080", { kind: "gateway", linkHost: "localhost:8080" }],
  ["example.com", { kind: "gateway", linkHost: "example.com" }],
  ["sub.example.net:8080", { kind: "gateway", linkHost: "sub.example.net:8080" }],
  ["sub.example.net:8081", { kind: "domain", domain: "sub.example.net" }],
  [
    "bafkqaaa.ipfs.localhost:8080",
    { kind: "subdomain", namespace: "ipfs", label: "bafkqaaa", linkHost: "localhost:8080" },
  ],
  ["QmX.IPFS.Example.COM", { kind: "subdomain", namespace: "ipfs", label: "QmX", linkHost: "example.com" }],
  ["en.wiki.org.ipns.example.com", { kind: "subdomain", namespace: "ipns", label: "en.wiki.org" }],
  ["a.ipfs.b.ipns.example.com", { kind: "subdomain", namespace: "ipns", label: "a.ipfs.b" }],
  ["x.ipfs.example.com:1234", { kind: "subdomain", gateway: { mode: "path" } }],
  ["x.ipfs.paths.example.net", { kind: "subdomain", gateway: { mode: "path" } }],
  ["ipfs.example.com", { kind: "domain", domain: "ipfs.example.com" }],
  ["x.ipld.example.com", { kind: "domain", domain: "x.ipld.example.com" }],
  ["www.localhost", { kind: "domain", domain: "www.localhost" }],
  [
    "En.Wikipedia.example.ORG.:80",
    { kind: "domain", domain: "en.wikipedia.example.org", linkHost: "en.wikipedia.example.org:80" },
  ],
])("%s is classified", (text, expected) => {
  expect(hosts.classify(text)).toMatchObject(expected);
});
