import { createHash } from "node:crypto";
import * as dagCbor from "@ipld/dag-cbor";
import { CID } from "multiformats/cid";
import type { GatewayAnswer } from "../answer.ts";
import { DAG_PB } from "../codecs.ts";
import { matchesEtag } from "../etags.ts";
import { linksOf } from "../ipld.ts";
import { walkFile } from "../read-file.ts";
import { type AbsentPath, type ResolvedPath, resolvePath } from "../resolve-path.ts";
import type { Retrieval } from "../retrieval.ts";
import { MEDIA_TYPE_BY_FORMAT } from "../select-format.ts";
import { walkShards } from "../sharded-directory.ts";
import { StartedBody } from "../streams.ts";
import { NOSNIFF, attachmentHeaders, targetHeaders, type Target } from "../target.ts";
import { decodeDagPb, decodeUnixfsNode } from "../unixfs-node.ts";
import { SeenBlocks, type Stop, type Visit, walkBlocks } from "../walk-blocks.ts";
import { type CarParameters, parseCarParameters, rangeWithin } from "./car-parameters.ts";

const IDENTITY = 0x00;
/** The root of a CAR that proves an absence: a CAR should have one, and there is nothing to name. */
const EMPTY_ROOT = CID.parse("bafkqaaa");
/** Smaller blocks are copied behind their heads: two writes cost more than the copy. */
const COPIED_BYTES_MAX = 16 * 1024;

/**
 * The blocks that prove where a path leads, then those of what it leads to, as much as `dag-scope` and `entity-bytes` say.
 * Depth first; streamed; a block that cannot be had breaks the transfer. Identity CIDs carry their bytes and never get a
 * block. A path that leads nowhere is answered with the blocks that prove it.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` for parameters, `CONTENT_NOT_FOUND` when the root or the last block cannot be had.
 * @see protocols.md §4.7
 */
export async function answerCar(target: Target): Promise<GatewayAnswer> {
  const { request, retrieval, root } = target;
  const parameters = parseCarParameters(request.path.query, target.wish);
  const etag = etagOf(target, parameters);
  if (request.ifNoneMatch?.trim() !== "*" && matchesEtag(request.ifNoneMatch, [etag])) {
    return { status: 304, headers: { ...targetHeaders(target, [root]), ...NOSNIFF, etag }, body: undefined };
  }
  const resolved = await resolvePath(root, target.segments, retrieval);
  // Before anything is sent: what cannot be had at all deserves a status.
  const last = resolved.isFound ? await retrieval.get(resolved.cid) : new Uint8Array();
  const headers = {
    ...targetHeaders(target, resolved.isFound ? resolved.roots : [root]),
    ...NOSNIFF,
    ...attachmentHeaders(request, filenameFor(target)),
    etag,
    "content-type": `${MEDIA_TYPE_BY_FORMAT.car}; version=1; order=${parameters.order}; dups=${parameters.dups}`,
    "accept-ranges": "none",
  };
  if (matchesEtag(request.ifNoneMatch, [etag])) return { status: 304, headers, body: undefined };
  if (request.method === "HEAD") return { status: 200, headers, body: undefined };
  const frames = framesOf(resolved, last, parameters, retrieval);
  const started = await StartedBody.of(frames);
  return { status: 200, headers, body: await started.wholeOrStream(retrieval) };
}

/** Weak: another order of equal blocks would be as good. Everything that changes the blocks is in it. */
function etagOf({ root, segments }: Target, { scope, entityBytes, order, dups }: CarParameters): string {
  const facts = JSON.stringify([
    segments,
    scope,
    entityBytes?.from ?? null,
    entityBytes?.to ?? null,
    entityBytes !== undefined,
    order,
    dups,
  ]);
  const hash = createHash("sha256").update(facts).digest("base64url").slice(0, 16);
  return `W/"${root.toString()}.car.${hash}"`;
}

function filenameFor({ root, segments }: Target): string {
  const last = segments.at(-1);
  return last === undefined ? `${root.toString()}.car` : `${root.toString()}_${last}.car`;
}

async function* framesOf(
  resolved: ResolvedPath | AbsentPath,
  last: Uint8Array,
  parameters: CarParameters,
  retrieval: Retrieval,
): AsyncGenerator<Uint8Array> {
  const header = dagCbor.encode({ roots: [resolved.isFound ? resolved.cid : EMPTY_ROOT], version: 1 });
  yield Buffer.concat([varint(header.byteLength), header]);
  for await (const { stop, bytes } of blocksOf(resolved, last, parameters, retrieval)) {
    if (stop.cid.multihash.code !== IDENTITY) yield* frame(stop.cid, bytes);
  }
}

function* frame(cid: CID, bytes: Uint8Array): Generator<Uint8Array> {
  const head = Buffer.concat([varint(cid.bytes.byteLength + bytes.byteLength), cid.bytes]);
  if (bytes.byteLength <= COPIED_BYTES_MAX) yield Buffer.concat([head, bytes]);
  else {
    yield head;
    yield bytes;
  }
}

async function* blocksOf(
  resolved: ResolvedPath | AbsentPath,
  last: Uint8Array,
  parameters: CarParameters,
  retrieval: Retrieval,
): AsyncGenerator<Visit<Stop>> {
  // When the path ends at a field, the block that has it is the last one too.
  const path = resolved.proof.filter((cid) => !resolved.isFound || !cid.equals(resolved.cid));
  yield* walkBlocks(path.map(stopAt), () => [], retrieval);
  if (!resolved.isFound) return;
  const { cid } = resolved;
  const seen = parameters.dups === "n" ? new SeenBlocks() : undefined;
  if (parameters.scope === "all") {
    yield* walkBlocks([{ cid }], (stop, bytes) => linksOf(stop.cid, bytes).map(stopAt), retrieval, { seen });
    return;
  }
  yield { stop: { cid }, bytes: last };
  if (parameters.scope === "block") return;
  for await (const visit of belowEntity(cid, last, parameters, retrieval)) {
    if (seen?.add(visit.stop.cid) !== false) yield visit;
  }
}

/** The rest of a file or of a sharded directory; everything else is one block. */
async function* belowEntity(
  cid: CID,
  block: Uint8Array,
  { entityBytes }: CarParameters,
  retrieval: Retrieval,
): AsyncGenerator<Visit<Stop>> {
  if (cid.code !== DAG_PB || decodeDagPb(cid, block).unixfs === undefined) return;
  const node = decodeUnixfsNode(cid, block);
  if (node.kind === "sharded-directory") yield* walkShards(node, retrieval);
  if (node.kind !== "file") return;
  const range = rangeWithin(entityBytes ?? { from: 0, to: undefined }, node.size);
  if (range !== undefined) yield* walkFile(node, range, retrieval);
}

const stopAt = (cid: CID): Stop => ({ cid });

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
