import { BlockList, isIP } from "node:net";
import { parseIpnsName } from "@holdfast/core";
import { type Component, multiaddr } from "@multiformats/multiaddr";

const ADDRESS_CHARS_MAX = 1_000;

/** What may stand in an address that is dialled because a stranger says so. Names are not among it: they lead anywhere. */
const DIALLED_PARTS: ReadonlySet<string> = new Set([
  "ip4",
  "ip6",
  "tcp",
  "udp",
  "quic",
  "quic-v1",
  "ws",
  "wss",
  "tls",
  "sni",
  "webtransport",
  "webrtc-direct",
  "certhash",
  "p2p",
  "p2p-circuit",
]);

/** IPv4 ranges that are nobody's public address. @see https://www.iana.org/assignments/iana-ipv4-special-registry */
const LOCAL_IPV4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/** Of 2000::/3, all that is public. Tunnels (Teredo, 6to4) have an IPv4 address in them, perhaps a local one. */
const LOCAL_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

const localAddresses = new BlockList();
for (const [ranges, family] of [
  [LOCAL_IPV4, "ipv4"],
  [LOCAL_IPV6, "ipv6"],
] as const) {
  for (const range of ranges) {
    const [address = "", prefix] = range.split("/");
    localAddresses.addSubnet(address, Number(prefix), family);
  }
}
const globalIpv6 = new BlockList();
globalIpv6.addSubnet("2000::", 3, "ipv6");

/** Whether the text is a multiaddr that ends in `/p2p/{peer id}`. */
export function isPeerAddress(text: string): boolean {
  const last = partsOf(text)?.at(-1);
  return last?.name === "p2p" && isPeerId(last.value ?? "");
}

/** Whether nothing in the address is of a local network. Names are not looked up. */
export function isFreeOfLocalAddresses(text: string): boolean {
  const parts = partsOf(text) ?? [];
  return parts.every(({ name, value = "" }) => (name !== "ip4" && name !== "ip6") || isPublicIp(value));
}

/** Whether the address leads to a peer on the public internet, whatever somebody's DNS says. */
export function isPublicPeerAddress(text: string): boolean {
  const parts = partsOf(text) ?? [];
  const [host, transport] = parts;
  return (
    (host?.name === "ip4" || host?.name === "ip6") &&
    (transport?.name === "tcp" || transport?.name === "udp") &&
    parts.every(({ name }) => DIALLED_PARTS.has(name)) &&
    isPeerAddress(text) &&
    isFreeOfLocalAddresses(text)
  );
}

/** The multiaddr itself takes any text there. A peer id is what an IPNS name is made from, in the same spellings. */
function isPeerId(text: string): boolean {
  try {
    parseIpnsName(text);
    return true;
  } catch {
    // Why it is none is not asked.
    return false;
  }
}

function partsOf(text: string): readonly Component[] | undefined {
  if (text.length > ADDRESS_CHARS_MAX) return undefined;
  try {
    return multiaddr(text).getComponents();
  } catch {
    // Its message is about the library's own terms; that it is no address is all that is asked.
    return undefined;
  }
}

function isPublicIp(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !localAddresses.check(address, "ipv4");
  return family === 6 && globalIpv6.check(address, "ipv6") && !localAddresses.check(address, "ipv6");
}
