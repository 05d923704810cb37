import type { Config } from "./config/config.ts";
import type { HttpServer } from "./http/public-server.ts";
import { STOP_GRACE_MS } from "./policies.ts";
import { startKuboCheck } from "./start-kubo-check.ts";
import { type StartOptions, startParts, startWork } from "./start-parts.ts";
import { createAdmin, createPublic } from "./start-servers.ts";

/** A running node. Disposing it drains and stops it, in the order that `docs/ARCHITECTURE.md` gives. */
export interface Holdfast extends AsyncDisposable {
  readonly publicUrl: string;
  readonly adminUrl: string;
}

/**
 * Builds every part, wires them and starts them. Requests are answered when it returns; the network may still be starting.
 *
 * @throws HoldfastError `STORE_FAILED` when the data folder cannot be used or belongs to another process.
 */
export async function startHoldfast(config: Config, options: StartOptions): Promise<Holdfast> {
  // Parts are disposed in the reverse of the order in which they are pushed, also when the start fails half way.
  const stack = new AsyncDisposableStack();
  try {
    const parts = await startParts(config, options, stack);
    const publicServer = createPublic(config, parts);
    const warnings = startKuboCheck(config, options.logger, stack);
    const adminServer = createAdmin(config, parts, { refusals: publicServer.refusals, warnings });
    // The admin listener is closed last: it says that we are draining.
    stack.adopt(adminServer, closeWithGrace);
    stack.adopt(publicServer, closeWithGrace);
    const [publicUrl, adminUrl] = [await publicServer.listen(), await adminServer.listen()];
    startWork(parts);
    const running = stack.move();
    return { publicUrl, adminUrl, [Symbol.asyncDispose]: () => running.disposeAsync() };
  } catch (err) {
    await stack.disposeAsync();
    throw err;
  }
}

async function closeWithGrace(server: HttpServer): Promise<void> {
  await server.close(STOP_GRACE_MS);
}
