import type { FastifyInstance } from "fastify";
import type { Pins } from "../../pins/pins.ts";
import type { BlockReader } from "../../gateway/block-reader.ts";
import { addRoutes } from "./add.ts";
import { DEFAULT_WRITE_LIMITS, UploadSlots, type WriteLimits, type WriteParts } from "./add-parts.ts";
import { blockReadRoutes } from "./block-get.ts";
import { blockPutRoute } from "./block-put.ts";
import type { ReadOptions } from "./block-read.ts";
import { dagExportRoute } from "./dag-export.ts";
import { dagImportRoute } from "./dag-import.ts";
import { dagPutRoute } from "./dag-put.ts";
import { pinStatusRoute } from "./pin-status.ts";
import { sidecarBlobRoute, type SidecarBlobParts } from "./sidecar-blob.ts";
import { sidecarCacheStatsRoute, type SidecarCacheStatsParts } from "./sidecar-cache-stats.ts";
import { type SidecarSubmitLimits, sidecarSubmitRoute } from "./sidecar-submit.ts";

export interface ContentRpcParts extends Omit<WriteParts, "slots" | "pins"> {
  readonly blocks: BlockReader & SidecarBlobParts["held"];
  readonly pins: Pick<Pins, "add" | "isPinned" | "view" | "waitFor" | "totals">;
  readonly metrics: SidecarCacheStatsParts["metrics"];
}

export type ContentRpcOptions = Partial<WriteLimits & SidecarSubmitLimits> & ReadOptions;

/**
 * Kubo's RPC for content: `add`, `dag/put|import|export`, `block/put|get|stat`, and the reference system's own way in and out:
 * `/sidecar/…`, `/pin-status`. What is not here stays 404.
 */
export function contentRpcRoutes(parts: ContentRpcParts, options: ContentRpcOptions = {}) {
  const { blocks, ...rest } = parts;
  const uploadsMax = options.uploadsMax ?? DEFAULT_WRITE_LIMITS.uploadsMax;
  const write = { ...rest, slots: new UploadSlots({ uploadsMax }) };
  return (app: FastifyInstance): void => {
    addRoutes(write, options)(app);
    dagPutRoute(write, options)(app);
    dagImportRoute({ ...write, held: blocks }, options)(app);
    dagExportRoute({ blocks }, options)(app);
    blockPutRoute(write, options)(app);
    blockReadRoutes({ blocks }, options)(app);
    sidecarSubmitRoute({ ...write, held: blocks }, options)(app);
    sidecarBlobRoute({ ...write, held: blocks })(app);
    sidecarCacheStatsRoute(write)(app);
    pinStatusRoute(write)(app);
  };
}
