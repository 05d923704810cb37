import { isIP } from "node:net";

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system pick one. */
  readonly port: number;
}

/** Parses `host:port`, IPv6 in brackets. */
export function parseListen(text: string): ListenAddress {
  const [, bracketed, plain, portText = ""] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(portText);
  if (host === undefined || port > 65_535) throw new Error("is not host:port");
  return { host, port };
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** A comma list of addresses or networks. */
export function parseProxies(text: string): readonly string[] {
  const items = text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  const bad = items.find((item) => !isAddressOrNetwork(item));
  if (bad !== undefined)
    throw new Error(`has ${bad}, which is neither an address nor a network in CIDR form`);
  return items;
}

function isAddressOrNetwork(item: string): boolean {
  const [, address = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(item) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits ?? 0) <= (family === 6 ? 128 : 32);
}
