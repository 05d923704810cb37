import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * What is done with the rest of a request's body once its answer is out. Closing at once would lose the answer (the reset
 * overtakes it), waiting for all of it would let a client hold the connection (R22): it is read and dropped within bounds.
 */
export interface DrainLimits {
  readonly drainMsMax: number;
  readonly drainBytesMax: number;
}

export const DEFAULT_DRAIN_LIMITS: DrainLimits = { drainMsMax: 2_000, drainBytesMax: 64 * 1024 * 1024 };

/** Has to be called before anything is answered. Costs nothing for a request without a body. */
export function drainAfterAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { drainMsMax, drainBytesMax }: DrainLimits,
): void {
  const { headers } = request;
  if (headers["content-length"] === undefined && headers["transfer-encoding"] === undefined) return;
  // Before Node's own listener, which closes a connection that was to be closed after this answer.
  response.prependOnceListener("finish", () => {
    if (request.complete || request.destroyed) return;
    const { socket } = request;
    const close = (): void => {
      socket.destroy();
    };
    // To close means to say that there is no more, and to go on reading.
    let isLast = false;
    socket.destroySoon = () => {
      isLast = true;
      socket.end();
    };
    const timer = setTimeout(close, drainMsMax).unref();
    const bytesBefore = socket.bytesRead;
    request.on("data", () => {
      if (socket.bytesRead - bytesBefore > drainBytesMax) close();
    });
    const settled = (): void => {
      clearTimeout(timer);
      Reflect.deleteProperty(socket, "destroySoon");
      if (isLast) socket.destroySoon();
    };
    request.once("end", settled).once("close", settled);
    // A reset while draining is how impatient clients leave.
    request.on("error", settled);
    request.resume();
  });
}
