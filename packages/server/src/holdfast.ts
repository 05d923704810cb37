import { type Config, ConfigError } from "./config/config.ts";
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
 * @throws HoldfastError `STORE_FAILED` when the data folder cannot be used or belongs to another process; ConfigError when it
 *   cannot be made, or an address cannot be listened on.
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
    const publicUrl = await listenAt("HOLDFAST_PUBLIC_LISTEN", publicServer);
    const adminUrl = await listenAt("HOLDFAST_ADMIN_LISTEN", adminServer);
    startWork(parts);
    const running = stack.move();
    return { publicUrl, adminUrl, [Symbol.asyncDispose]: () => running.disposeAsync() };
  } catch (err) {
    await stack.disposeAsync();
    throw err;
  }
}

/** A port that is taken is a setting to mend: the message names it, as for every other one. */
async function listenAt(variable: `HOLDFAST_${string}`, server: HttpServer): Promise<string> {
  try {
    return await server.listen();
  } catch (err) {
    throw ConfigError.about(variable, err);
  }
}

async function closeWithGrace(server: HttpServer): Promise<void> {
  await server.close(STOP_GRACE_MS);
}
