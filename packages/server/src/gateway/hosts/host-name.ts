import { isIP } from "node:net";

/** What a `Host` header, an authority or a setting names, in one spelling. */
export interface HostName {
  /** Lower case, without a dot at its end. */
  readonly name: string;
  /** As the client wrote it: labels may be CIDs, whose letters have a case. */
  readonly spelling: string;
  /** With its colon, or empty. */
  readonly port: string;
}

/** Undefined for what is neither `host` nor `host:port`. Labels may be longer than DNS allows: they are CIDs sometimes. */
export function parseHostName(text: string): HostName | undefined {
  const [, host, port = ""] = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.exec(text) ?? [];
  if (host === undefined) return undefined;
  const spelling = host.replace(/\.$/, "");
  return { name: spelling.toLowerCase(), spelling, port };
}

export function isIpAddress(name: string): boolean {
  return isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0;
}
