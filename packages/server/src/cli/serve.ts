import { setFlagsFromString } from "node:v8";
import { readConfig } from "../config/config.ts";
import { startHoldfast } from "../holdfast.ts";
import { createLogger } from "../telemetry/logger.ts";
import { readSettingsFile } from "./settings-file.ts";

/**
 * How much the heap may grow until the next full collection, in percent. By itself V8 grants ours little, and counts the bytes
 * of buffers against that: the heap is small and its buffers are large, so five cold files of 664 KB made it collect, for 25 ms,
 * a fifth of the time (`docs/decisions/0004`).
 */
const HEAP_GROWING_PERCENT = 100;

/** Runs the node until SIGTERM or SIGINT. The ready line on stdout says that requests are answered. */
export async function serve(options: { readonly config?: string }): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
  const config = readConfig(process.env, await readSettingsFile(options.config), options.config);
  const logger = createLogger(config.logLevel);
  for (const notice of config.notices) logger.info(notice);
  const node = await startHoldfast(config, {
    logger,
    // Whoever started us starts us again; half a node that refuses every write would only look alive.
    onFatal: (err) => {
      logger.fatal({ err }, "the store thread died");
      process.exit(1);
    },
  });
  process.stdout.write(`holdfast ready public=${node.publicUrl} admin=${node.adminUrl}\n`);

  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    // The second signal is a person who will not wait for the drain.
    if (stopping) process.exit(1);
    stopping = true;
    logger.info({ signal }, "stopping");
    node[Symbol.asyncDispose]().then(
      () => process.exit(0),
      (err: unknown) => {
        logger.error({ err }, "stop failed");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}
