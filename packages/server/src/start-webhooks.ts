import { readFile, stat } from "node:fs/promises";
import { HoldfastError, type IpnsName, parseIpnsName } from "@holdfast/core";
import { createWebhookSender } from "./adapters/webhooks/webhook-sender.ts";
import type { Config } from "./config/config.ts";
import { WEBHOOK_POLICY } from "./policies.ts";
import type { RecordStore } from "./records/record-store.ts";
import type { Records } from "./records/records.ts";
import type { WebhookQueue } from "./records/webhooks/webhook-queue.ts";
import { Webhooks } from "./records/webhooks/webhooks.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { HOLDFAST_VERSION } from "./version.ts";

/** About 100,000 names. */
const NAMES_FILE_BYTES_MAX = 8 * 1024 * 1024;

/**
 * From now on nothing that is stored is missed by the webhooks of the configuration: to be called before anything can be.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` when the file of names cannot be read or has a line that is no name; `STORE_FAILED`.
 */
export async function watchForWebhooks(config: Config, queue: WebhookQueue): Promise<void> {
  const { webhooks: urls, webhookNamesFile } = config;
  await queue.watch(urls, urls.length === 0 ? undefined : await namesIn(webhookNamesFile));
}

/** The webhooks of the configuration, on this stack. */
export function startWebhooks(
  config: Config,
  parts: {
    readonly store: RecordStore & { readonly webhooks: WebhookQueue };
    readonly records: Records;
    readonly metrics: Metrics;
    readonly logger: Logger;
  },
  stack: AsyncDisposableStack,
): Webhooks {
  const { webhooks: urls, webhookSecret: secret } = config;
  const userAgent = `holdfast/${HOLDFAST_VERSION}`;
  const webhooks = new Webhooks(
    {
      ...parts,
      queue: parts.store.webhooks,
      post: createWebhookSender(systemClock, { secret, userAgent }),
      clock: systemClock,
      timers: systemClock,
      random: Math.random,
      logger: parts.logger.child({ part: "webhooks" }),
    },
    { ...WEBHOOK_POLICY, urls },
  );
  stack.defer(() => webhooks.close());
  return webhooks;
}

async function namesIn(path: string | undefined): Promise<readonly IpnsName[] | undefined> {
  if (path === undefined) return undefined;
  const lines = (await textOf(path)).split("\n").map((line) => line.trim());
  return lines.flatMap((line, index) => {
    if (line === "" || line.startsWith("#")) return [];
    try {
      return [parseIpnsName(line)];
    } catch (cause) {
      const message = `HOLDFAST_WEBHOOK_NAMES_FILE: line ${index + 1} is not a name`;
      throw new HoldfastError("INVALID_ARGUMENT", message, { cause });
    }
  });
}

async function textOf(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > NAMES_FILE_BYTES_MAX) throw new Error(`it is larger than ${NAMES_FILE_BYTES_MAX} bytes`);
    return await readFile(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "";
    const message = `HOLDFAST_WEBHOOK_NAMES_FILE: the file cannot be read: ${reason}`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { cause });
  }
}
