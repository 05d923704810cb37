/** Whether only this machine can reach a listener on this multiaddr: loopback, a Unix socket, `localhost`. */
export function isLoopback(multiaddr: string): boolean {
  const [, protocol, host = ""] = multiaddr.split("/");
  if (protocol === "unix") return true;
  if (protocol === "ip4") return host.startsWith("127.");
  if (protocol === "ip6") return host === "::1" || /^::ffff:127\./i.test(host);
  return protocol?.startsWith("dns") === true && host === "localhost";
}

/** Whether a browser elsewhere could dial it: a WebSocket on a name or on an address that is not a private one. */
export function isPublicWebSocket(multiaddr: string): boolean {
  const [, protocol = "", host = ""] = multiaddr.split("/");
  if (!isWebSocket(multiaddr) || isLoopback(multiaddr)) return false;
  if (protocol === "ip4") return !/^(0\.|10\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(host);
  if (protocol === "ip6") return host !== "::" && !/^f([cd]|e[89ab])/i.test(host);
  return protocol.startsWith("dns");
}

/** `/ws`, `/wss`, `/tls/ws`, `/tls/sni/…/ws`; not `/webtransport`. */
export function isWebSocket(multiaddr: string): boolean {
  return multiaddr.split("/").some((part) => part === "ws" || part === "wss");
}
