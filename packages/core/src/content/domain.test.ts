import { expect, test } from "vitest";
import { domainOf } from "./domain.ts";

test.each([
  ["example.org", "example.org"],
  ["En.Wikipedia-On-IPFS.Example.ORG.", "en.wikipedia-on-ipfs.example.org"],
  ["_dnslink.example.org", "_dnslink.example.org"],
  ["xn--bcher-kva.example", "xn--bcher-kva.example"],
  [`${"a".repeat(63)}.org`, `${"a".repeat(63)}.org`],
  ["1.2.3.org", "1.2.3.org"],
])("%s is a domain", (text, domain) => {
  expect(domainOf(text)).toBe(domain);
});

test.each([
  "",
  ".",
  "localhost",
  "k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w",
  "127.0.0.1",
  "256.1.1.1",
  "a..b",
  ".example.org",
  "example.org..",
  "-a.example.org",
  "a-.example.org",
  "a b.example.org",
  "bücher.example",
  "a/b.example.org",
  `${"a".repeat(64)}.org`,
  `${"a.".repeat(127)}org`,
])("%j is none", (text) => {
  expect(domainOf(text)).toBeUndefined();
});
