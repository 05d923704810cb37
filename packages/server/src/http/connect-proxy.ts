import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { HoldfastError } from "@holdfast/core";

export interface ConnectProxyParts {
  readonly server: Server;
  /** Whether a host is one of a gateway, below one, or a domain with a DNSLink. */
  readonly isServed: (host: string, options: { readonly signal: AbortSignal }) => Promise<boolean>;
}

/** How long a DNSLink may be looked up for. */
const DECIDED_MS_MAX = 5_000;

/** Sockets that are tunnels already. */
const tunnels = new WeakSet<Duplex>();

/**
 * Opens a tunnel that ends here: what comes through it is read as requests to this very server. So it is a way to write a
 * host name into a request that no DNS knows, and never a way to somewhere else.
 *
 * @param head what the client sent behind its request.
 * @throws HoldfastError `INVALID_ARGUMENT` for a malformed target, a tunnel in a tunnel, or TLS; `METHOD_NOT_ALLOWED` for a
 *   target that is not served here; as {@link ConnectProxyParts.isServed}.
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-connect
 */
export async function openTunnel(
  { server, isServed }: ConnectProxyParts,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const [, host, port] = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(request.url ?? "") ?? [];
  if (host === undefined || port === undefined)
    throw new HoldfastError("INVALID_ARGUMENT", "the target of CONNECT must be host:port");
  if (tunnels.has(socket)) throw new HoldfastError("INVALID_ARGUMENT", "this connection is a tunnel already");
  const signal = AbortSignal.timeout(DECIDED_MS_MAX);
  if (!isOwnAddress(request.socket, host, port) && !(await isServed(`${host}:${port}`, { signal })))
    throw new HoldfastError(
      "METHOD_NOT_ALLOWED",
      "this is no proxy: only what is served here can be reached",
    );
  if (port === "443") throw new HoldfastError("INVALID_ARGUMENT", "no tunnel for TLS: it ends here");
  if (socket.destroyed) return;
  tunnels.add(socket);
  socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
  if (head.byteLength > 0) socket.unshift(head);
  server.emit("connection", socket);
}

/** The address that the client has reached us at. */
function isOwnAddress({ localAddress = "", localPort }: Socket, host: string, port: string): boolean {
  if (port !== String(localPort)) return false;
  const address = host.replace(/^\[(.*)\]$/, "$1");
  return address === localAddress || `::ffff:${address}` === localAddress;
}
