import fc from "fast-check";
import { expect, test } from "vitest";
import { anyCharacter } from "../../../../core/test/support/any-character.ts";
import { isFreeOfLocalAddresses, isPeerAddress, isPublicPeerAddress } from "./peer-address.ts";

const ED25519 = "12D3KooWJNGGHBzL4VMiSyD5ptkxjWJLvbe5q8UXsQKKkbm8pBoh";
const SHA256 = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
const IN_CID = "bafzaajaiaejcbxq3icacluvgpxq3pr37xu7cmpi4qn2iy2gy4ymsxzxrdiaqlhjy";

test.for([
  `/ip4/1.1.1.1/tcp/4001/p2p/${ED25519}`,
  `/ip4/127.0.0.1/udp/4001/quic-v1/p2p/${SHA256}`,
  `/dns4/example.com/tcp/443/wss/p2p/${ED25519}`,
  `/ip4/1.1.1.1/tcp/4001/p2p/${SHA256}/p2p-circuit/p2p/${ED25519}`,
  `/ip4/1.1.1.1/tcp/4001/ipfs/${ED25519}`,
  `/p2p/${ED25519}`,
])("%s is the address of a peer", (text) => {
  expect(isPeerAddress(text)).toBe(true);
});

test.for([
  "",
  "/",
  "/p2p",
  "/p2p/",
  "/p2p/vault",
  "/ip4/1.1.1.1/tcp/4001",
  `/ip4/1.1.1.1/tcp/4001/p2p/${ED25519}/p2p-circuit`,
  `/ip4/1.1.1.256/tcp/4001/p2p/${ED25519}`,
  `/ip4/1.1.1.1/tcp/4001/p2p/${ED25519.slice(0, -1)}`,
  `ip4/1.1.1.1/tcp/4001/p2p/${ED25519}x`,
  `https://example.com/p2p/${ED25519}`,
  `/dns4/${"x".repeat(1_000)}/tcp/1/p2p/${ED25519}`,
])("%s is none", (text) => {
  expect(isPeerAddress(text)).toBe(false);
  expect(isPublicPeerAddress(text)).toBe(false);
});

test.for([
  "/ip4/1.1.1.1/tcp/4001",
  "/ip4/8.8.8.8/udp/4001/quic-v1",
  "/ip4/8.8.8.8/udp/4001/quic-v1/webtransport/certhash/uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g",
  "/ip4/9.9.9.9/tcp/443/tls/sni/example.com/ws",
  "/ip6/2606:4700:4700::1111/tcp/4001",
  `/ip4/1.1.1.1/tcp/4001/p2p/${SHA256}/p2p-circuit`,
])("a peer at %s is dialled for a stranger", (text) => {
  expect(isPublicPeerAddress(`${text}/p2p/${ED25519}`)).toBe(true);
});

test.for([
  "/ip4/127.0.0.1/tcp/5001",
  "/ip4/10.0.0.1/tcp/80",
  "/ip4/172.31.255.255/tcp/80",
  "/ip4/192.168.1.1/tcp/80",
  "/ip4/169.254.169.254/tcp/80",
  "/ip4/100.64.0.1/tcp/80",
  "/ip4/0.0.0.0/tcp/80",
  "/ip4/224.0.0.1/udp/80/quic-v1",
  "/ip4/255.255.255.255/udp/80",
  "/ip6/::1/tcp/80",
  "/ip6/::/tcp/80",
  "/ip6/fe80::1/tcp/80",
  "/ip6/fd00::1/tcp/80",
  "/ip6/::ffff:10.0.0.1/tcp/80",
  "/ip6/64:ff9b::a00:1/tcp/80",
  "/ip6/2002:a00:1::/tcp/80",
  "/ip6/2001:0:a00:1::/tcp/80",
  "/ip6/2001:db8::1/tcp/80",
  "/ip6zone/eth0/ip6/fe80::1/tcp/80",
  "/dns4/localhost/tcp/80",
  "/dnsaddr/example.com",
  "/dns/rebinding.example/tcp/80",
  "/unix/%2Fvar%2Frun%2Fx.sock",
  "/ip4/1.1.1.1",
  "/ip4/1.1.1.1/tcp/80/http",
  `/ip4/1.1.1.1/tcp/80/p2p/${SHA256}/p2p-circuit/ip4/10.0.0.1/tcp/80`,
  "",
])("a peer at %s is not", (text) => {
  expect(isPublicPeerAddress(`${text}/p2p/${ED25519}`)).toBe(false);
});

test("an address is free of local ones when each IP in it is public; names are not looked up", () => {
  expect(isFreeOfLocalAddresses("/dns4/example.com/tcp/4001")).toBe(true);
  expect(isFreeOfLocalAddresses("/ip4/1.1.1.1/tcp/4001")).toBe(true);
  expect(isFreeOfLocalAddresses("/ip4/192.168.0.7/tcp/4001")).toBe(false);
  expect(isFreeOfLocalAddresses(`/ip6/fd00::1/udp/4001/quic-v1/p2p/${IN_CID}`)).toBe(false);
});

test("whatever the text, nothing is thrown, and what is dialled for a stranger has a public IP first", () => {
  const part = fc.constantFrom(
    "ip4",
    "ip6",
    "tcp",
    "udp",
    "dns4",
    "p2p",
    "unix",
    "10.0.0.1",
    "1.1.1.1",
    "::1",
    "80",
    ED25519,
  );
  const text = fc.oneof(
    fc.string({ unit: anyCharacter }),
    fc.array(part, { maxLength: 8 }).map((parts) => `/${parts.join("/")}`),
  );
  fc.assert(
    fc.property(text, (one) => {
      if (!isPublicPeerAddress(one)) return;
      expect(one).toMatch(/^\/ip4\/1\.1\.1\.1\//);
      expect(one).not.toContain("10.0.0.1");
    }),
    { numRuns: 2_000, seed: 3 },
  );
});
