import type { IncomingMessage } from "node:http";
import { BlockList, isIP, isIPv6 } from "node:net";
import { HoldfastError } from "@holdfast/core";

/**
 * Who is asking, as a key for limits: the IPv4 address, or the /64 of an IPv6 address, because one household or attacker
 * has a whole /64. `X-Forwarded-For` counts only as far as it was written by proxies on the trusted list (R36).
 */
export class ClientAddresses {
  readonly #trusted: BlockList | undefined;

  /**
   * @param trustedProxies addresses or CIDR ranges.
   * @throws HoldfastError `INVALID_ARGUMENT` for an entry that is neither.
   */
  constructor(trustedProxies: readonly string[]) {
    if (trustedProxies.length === 0) return;
    this.#trusted = new BlockList();
    for (const entry of trustedProxies) addTo(this.#trusted, entry);
  }

  /** Whether the key depends on the connection alone, so that it may be kept with it. */
  get perConnection(): boolean {
    return this.#trusted === undefined;
  }

  /** Whether the connection comes from a proxy on the list, or the list is empty and it comes from this machine. */
  isFromProxy({ socket }: IncomingMessage): boolean {
    const remote = withoutMapping(socket.remoteAddress ?? "");
    return this.#trusted === undefined ? isLoopback(remote) : contains(this.#trusted, remote);
  }

  keyOf(request: IncomingMessage): string {
    const remote = withoutMapping(request.socket.remoteAddress ?? "unknown");
    const trusted = this.#trusted;
    if (trusted === undefined || !contains(trusted, remote)) return keyOfAddress(remote);
    return keyOfAddress(nearestUntrusted(request.headers["x-forwarded-for"], trusted) ?? remote);
  }
}

/** The last address in the list that no trusted proxy has: everything before it may be invented by the client. */
function nearestUntrusted(header: string | string[] | undefined, trusted: BlockList): string | undefined {
  const hops = (Array.isArray(header) ? header.join(",") : (header ?? "")).split(",").slice(-32).toReversed();
  for (const hop of hops) {
    const address = withoutMapping(hop.trim());
    if (isIP(address) === 0) return undefined;
    if (!contains(trusted, address)) return address;
  }
  return undefined;
}

function keyOfAddress(address: string): string {
  if (!isIPv6(address)) return address;
  const [withoutZone = ""] = address.split("%");
  const [head = "", tail] = withoutZone.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = [
    ...left,
    ...Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0"),
    ...right,
  ];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, "").toLowerCase())
    .join(":")}::/64`;
}

/** IPv4 clients of a dual-stack socket come as `::ffff:192.0.2.1`. */
function withoutMapping(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

function isLoopback(address: string): boolean {
  return address === "::1" || (isIP(address) === 4 && address.startsWith("127."));
}

function contains(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
}

function addTo(list: BlockList, entry: string): void {
  const [address = "", prefix] = entry.split("/");
  const family = isIP(address);
  const bits = family === 6 ? 128 : 32;
  const length = prefix === undefined ? bits : Number(prefix);
  if (family === 0 || !Number.isInteger(length) || length < 0 || length > bits || prefix === "") {
    throw new HoldfastError("INVALID_ARGUMENT", `not an address or a CIDR range: ${entry}`);
  }
  list.addSubnet(address, length, family === 6 ? "ipv6" : "ipv4");
}
