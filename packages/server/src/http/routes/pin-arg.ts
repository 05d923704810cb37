import { type ErrorCode, HoldfastError, isHoldfastError, parseCid, parseContentPath } from "@holdfast/core";
import type { FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import type { BlockReader, NameResolver } from "../../gateway/block-reader.ts";
import { resolveExisting } from "../../gateway/resolve-path.ts";
import { Retrieval } from "../../gateway/retrieval.ts";

export interface PinArgParts {
  /** For paths below a root. */
  readonly blocks: BlockReader;
  readonly records: Pick<NameResolver, "resolvePath">;
}

const ARGS_MAX = 100;
/** Without a block for so long a path is given up. */
const BLOCK_MS_MAX = 30_000;

/** The `arg`s of a command, in their order. @throws HoldfastError `INVALID_ARGUMENT` when there are too many. */
export function pinArgs(request: FastifyRequest): readonly string[] {
  const args = [(request.query as Readonly<Record<string, unknown>>)["arg"]]
    .flat()
    .filter((arg): arg is string => typeof arg === "string" && arg !== "");
  if (args.length <= ARGS_MAX) return args;
  throw new HoldfastError("INVALID_ARGUMENT", `more than ${ARGS_MAX} arguments`);
}

/** As {@link pinArgs}, of which there has to be one. @throws HoldfastError `INVALID_ARGUMENT`. */
export function requiredPinArgs(request: FastifyRequest): readonly string[] {
  const args = pinArgs(request);
  if (args.length > 0) return args;
  throw new HoldfastError("INVALID_ARGUMENT", 'argument "ipfs-path" is required');
}

/**
 * The root that an `arg` leads to: a CID, `/ipfs/{cid}/…`, `/ipns/{name}/…`, with or without the slash, or as a URL. Names are
 * resolved and paths followed first, from the network if need be.
 *
 * @throws HoldfastError `INVALID_CID`, `INVALID_NAME`, `INVALID_PATH`, also when it leads nowhere, `UPSTREAM_TIMEOUT`, …
 */
export async function resolvePinArg(
  arg: string,
  parts: PinArgParts,
  { signal }: { readonly signal: AbortSignal },
): Promise<CID> {
  try {
    return await resolve(arg, parts, signal);
  } catch (err) {
    // 404 would mean that the command is not offered.
    const leadsNowhere = isHoldfastError(err) && NOWHERE.includes(err.code);
    throw leadsNowhere ? new HoldfastError("INVALID_PATH", err.message, { cause: err }) : err;
  }
}

const NOWHERE: readonly ErrorCode[] = ["CONTENT_NOT_FOUND", "RECORD_NOT_FOUND"];

async function resolve(arg: string, { blocks, records }: PinArgParts, signal: AbortSignal): Promise<CID> {
  const path = pathOf(arg);
  const plain = path.startsWith("/ipns/") ? (await records.resolvePath(path, { signal })).path : path;
  const { root, segments } = parseContentPath(plain, { percentEncoded: false });
  const cid = parseCid(root);
  if (segments.length === 0) return cid;
  using retrieval = new Retrieval(blocks, { timeoutMs: BLOCK_MS_MAX, onlyHeld: false });
  retrieval.root = cid;
  const stop = (): void => retrieval.stop(signal.reason as Error);
  signal.addEventListener("abort", stop, { once: true });
  try {
    const { cid: found, remainder } = await resolveExisting(cid, segments, retrieval);
    if (remainder.length === 0) return found;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  throw new HoldfastError(
    "INVALID_PATH",
    "the path leads to a field inside a document, which cannot be pinned",
  );
}

function pathOf(arg: string): string {
  const path = arg.replace(/^(ipfs|ipns):\/\//, "/$1/");
  return /^\/?(ipfs|ipns)\//.test(path) ? path.replace(/^\/?/, "/") : `/ipfs/${path.replace(/^\//, "")}`;
}
