import { parseCid } from "@holdfast/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { domainIn, inlineDomain, labelOfCid, labelOfIpnsName, uninlineDomain } from "./dns-label.ts";

test.each([
  [
    "QmbCMUZw6JFeZ7Wp9jkzbye3Fzp2GGcPgC3nmeUjfVF87n",
    "bafybeif7a7gdklt6hodwdrmwmxnhksctcuav6lfxlcyfz4khzl3qfmvcgu",
  ],
  [
    "bafybeif7a7gdklt6hodwdrmwmxnhksctcuav6lfxlcyfz4khzl3qfmvcgu",
    "bafybeif7a7gdklt6hodwdrmwmxnhksctcuav6lfxlcyfz4khzl3qfmvcgu",
  ],
  [
    "zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA",
    "bafkreidon73zkcrwdb5iafqtijxildoonbwnpv7dyd6ef3qdgads2jc4su",
  ],
  ["bafkqaaa", "bafkqaaa"],
])("the label of the CID %s is %s", (text, label) => {
  expect(labelOfCid(parseCid(text))).toBe(label);
});

test("gotcha 23: a CID that is too long in base32 has its label in base36, and one that is too long in both is refused", () => {
  const identity = (bytes: number) => {
    const hex = Buffer.alloc(bytes, 0x61).toString("hex");
    return parseCid(`f0155${"00"}${bytes.toString(16).padStart(2, "0")}${hex}`);
  };
  expect(labelOfCid(identity(34))).toMatch(/^b.{1,62}$/);
  expect(labelOfCid(identity(35))).toMatch(/^k.{1,62}$/);
  const sha512 =
    "bafkrgqe3ohjcjplc6n4f3fwunlj6upltggn7xqujbsvnvyw764srszz4u4rshq6ztos4chl4plgg4ffyyxnayrtdi5oc4xb2332g645433aeg";
  expect(() => labelOfCid(parseCid(sha512))).toThrow(
    "CID incompatible with DNS label length limit of 63: kf1siqrebi3vir8sab33hu5vcy008djegvay6atmz91ojesyjs8lx350b7y7i1nvyw2haytfukfyu2f2x4tocdrfa0zgij6p4zpl4u5oj",
  );
});

// The cases of boxo's own test.
test.each([
  [
    "QmY3hE8xgFCjGcz6PHgnvJz5HZi1BaKRfPkn1ghZUcYMjD",
    "k2k4r8n0flx3ra0y5dr8fmyvwbzy3eiztmtq6th694k5a3rznayp3e4o",
  ],
  [
    "bafybeickencdqw37dpz3ha36ewrh4undfjt2do52chtcky4rxkj447qhdm",
    "k2k4r8l9ja7hkzynavdqup76ou46tnvuaqegbd04a4o1mpbsey0meucb",
  ],
  [
    "12D3KooWFB51PRY9BxcXSH6khFXw1BZeszeLDy7C8GciskqCTZn5",
    "k51qzi5uqu5di608geewp3nqkg0bpujoasmka7ftkyxgcm3fh1aroup0gsdrna",
  ],
  [
    "k51qzi5uqu5di608geewp3nqkg0bpujoasmka7ftkyxgcm3fh1aroup0gsdrna",
    "k51qzi5uqu5di608geewp3nqkg0bpujoasmka7ftkyxgcm3fh1aroup0gsdrna",
  ],
  ["example", undefined],
  ["", undefined],
  ["bafkqaaa", undefined],
])("the label of the name %j is %s", (text, label) => {
  expect(labelOfIpnsName(text)).toBe(label);
});

test.each([
  ["dnslink.long-name.example.com", "dnslink-long--name-example-com"],
  ["example.com", "example-com"],
  ["en.wikipedia-on-ipfs.org", "en-wikipedia--on--ipfs-org"],
])("%s is inlined as %s, and back", (domain, label) => {
  expect(inlineDomain(domain)).toBe(label);
  expect(uninlineDomain(label)).toBe(domain);
  expect(domainIn(label)).toBe(domain);
  expect(domainIn(domain)).toBe(domain);
});

test("every domain survives being inlined", () => {
  const label = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,6}[a-z0-9])?$/);
  fc.assert(
    fc.property(fc.array(label, { minLength: 2, maxLength: 4 }), (labels) => {
      const domain = labels.join(".");
      expect(uninlineDomain(inlineDomain(domain))).toBe(domain);
    }),
    { seed: 4 },
  );
});

test("a domain that is too long for a label is refused", () => {
  expect(inlineDomain(`${"a".repeat(59)}.org`)).toHaveLength(63);
  expect(() => inlineDomain(`${"a".repeat(60)}.org`)).toThrow("DNS label length limit of 63");
});

test.each(["localhost", "undefined", "k51qzi5uqu5d", "a.1", "-"])("%s is no domain", (text) => {
  expect(domainIn(text)).toBeUndefined();
});
