import { isHoldfastError } from "@holdfast/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import { pinNameOf } from "../../content/add-options.ts";
import { blockBytesMaxOf } from "../../content/dag-block-limits.ts";
import { DagCheck, type DagCheckParts } from "../../content/dag-check.ts";
import { CarImport } from "../../content/import-car.ts";
import { closeSignal, queryFlag, queryText } from "../request-facts.ts";
import { type OpenWrite, pinRoots, type WriteLimits, writeRoute, type WriteParts } from "./add-parts.ts";
import { Upload } from "./add-upload.ts";
import { sendJsonLines } from "./dag-answer.ts";

export interface DagImportParts extends WriteParts {
  /** Of the blocks that are held here and may be evicted. */
  readonly held?: NonNullable<DagCheckParts["held"]>;
}

/**
 * `POST /api/v0/dag/import`: each part, whatever its name, is a CAR. Every block of them is verified and stored, the roots are
 * pinned (unless `pin-roots=false`) if their DAGs are complete here, and 200 comes when all of that is durable.
 *
 * @see protocols.md §2.3
 */
export const dagImportRoute = writeRoute<DagImportParts>("/api/v0/dag/import", answer);

async function answer(
  parts: OpenWrite<DagImportParts>,
  limits: WriteLimits,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const pinsRoots = queryFlag(request, "pin-roots", true);
  const hasStats = queryFlag(request, "stats", false);
  const blockBytesMax = blockBytesMaxOf({ allowBigBlock: queryFlag(request, "allow-big-block", false) });
  const name = pinNameOf(queryText(request, "pin-name") ?? null);
  const signal = closeSignal(reply.raw);
  const upload = new Upload(request.raw, limits, "path");
  const { vault, onAdded } = parts;
  const cars = new CarImport(
    { vault, onStored: (cids) => onAdded?.({ roots: [], cids, isPinned: false }) },
    { blockBytesMax },
  );
  try {
    for await (const part of upload.files()) await cars.read(part);
    await cars.finish();
  } catch (err) {
    upload.fail(new Error("the import has failed"));
    if (!isInvalidCar(err)) throw err;
    // Kubo's status for it, by which its clients tell it from a malformed request.
    reply.code(500).header("X-Request-Id", request.id);
    return sendJsonLines(reply, [{ Message: err.message, Code: 0, Type: "error" }]);
  }
  const roots = pinsRoots ? await pin(parts, cars.roots, { signal, name }) : [];
  const { blockCount, blockBytes } = cars.stats;
  const stats = { Stats: { BlockCount: blockCount, BlockBytesCount: blockBytes } };
  sendJsonLines(reply, hasStats ? [...roots, stats] : roots);
}

function isInvalidCar(err: unknown): err is Error {
  return isHoldfastError(err) && err.details["reason"] === "CAR_INVALID";
}

/** Pins the roots whose DAGs are complete. @returns a line for each root. */
async function pin(
  parts: OpenWrite<DagImportParts>,
  roots: readonly CID[],
  { signal, name }: { readonly signal: AbortSignal; readonly name: string | undefined },
): Promise<Readonly<Record<string, unknown>>[]> {
  const { vault, held } = parts;
  const check = new DagCheck(held === undefined ? { vault } : { vault, held });
  const lines: Readonly<Record<string, unknown>>[] = [];
  const complete: CID[] = [];
  for (const root of roots) {
    const problem = await check.problemOf(root, { signal });
    if (problem === undefined) complete.push(root);
    lines.push({ Root: { Cid: { "/": root.toString() }, PinErrorMsg: problem ?? "" } });
  }
  await pinRoots(parts, complete, { source: "dag-import", name });
  parts.onAdded?.({ roots: complete, cids: [], isPinned: true });
  return lines;
}
