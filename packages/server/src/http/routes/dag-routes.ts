import type { FastifyInstance } from "fastify";
import type { BlockReader } from "../../gateway/block-reader.ts";
import { addRoutes } from "./add.ts";
import { DEFAULT_WRITE_LIMITS, UploadSlots, type WriteLimits, type WriteParts } from "./add-parts.ts";
import { blockReadRoutes } from "./block-get.ts";
import { blockPutRoute } from "./block-put.ts";
import type { ReadOptions } from "./block-read.ts";
import { dagExportRoute } from "./dag-export.ts";
import { dagImportRoute } from "./dag-import.ts";
import { dagPutRoute } from "./dag-put.ts";

export interface ContentRpcParts extends Omit<WriteParts, "slots"> {
  readonly blocks: BlockReader;
}

/** Kubo's RPC for content: `add`, `dag/put|import|export`, `block/put|get|stat`. What is not here stays 404. */
export function contentRpcRoutes(parts: ContentRpcParts, options: Partial<WriteLimits> & ReadOptions = {}) {
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
  };
}
