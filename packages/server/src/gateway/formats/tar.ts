import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { GatewayAnswer } from "../answer.ts";
import type { DirectoryEntry } from "../directory-entry.ts";
import { matchesEtag } from "../etags.ts";
import { readFile } from "../read-file.ts";
import { readNode, type ResolvedPath } from "../resolve-path.ts";
import type { Retrieval } from "../retrieval.ts";
import { MEDIA_TYPE_BY_FORMAT } from "../select-format.ts";
import { shardedEntries } from "../sharded-directory.ts";
import { StartedBody } from "../streams.ts";
import { tarEnd, tarHead, tarPadding } from "./tar-head.ts";
import { NOSNIFF, attachmentHeaders, targetHeaders, type Target } from "../target.ts";
import type { UnixfsNode } from "../unixfs-node.ts";
import { TarPaths } from "./tar-paths.ts";

/** Nested deeper than any file system allows. */
const DEPTH_MAX = 512;
/** Entries whose first blocks are read while earlier ones are sent: many small files come one block each. */
const AHEAD_ENTRIES = 12;

/**
 * A file or directory as a TAR, streamed. Its one top entry is named by the CID. Same tree, same bytes: where no time of change
 * is noted, the epoch stands.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` for what is not UnixFS, and for entries that would leave the archive's root
 *   (before the first byte is sent when they come early; later they break the transfer).
 * @see https://specs.ipfs.tech/ipips/ipip-0288/
 */
export async function answerTar(target: Target, { cid, roots }: ResolvedPath): Promise<GatewayAnswer> {
  const { request, retrieval } = target;
  const name = cid.toString();
  const headers = {
    ...targetHeaders(target, roots),
    ...NOSNIFF,
    ...attachmentHeaders(request, `${name}.tar`),
    etag: `W/"${name}.x-tar"`,
    "content-type": MEDIA_TYPE_BY_FORMAT.tar,
    "accept-ranges": "none",
  };
  const node = await readNode(cid, retrieval);
  if (matchesEtag(request.ifNoneMatch, [headers.etag])) return { status: 304, headers, body: undefined };
  if (request.method === "HEAD") return { status: 200, headers, body: undefined };
  const started = await StartedBody.of(archive(name, node, retrieval));
  const body = await started.wholeOrStream(retrieval);
  return { status: 200, headers, body };
}

async function* archive(name: string, node: UnixfsNode, retrieval: Retrieval): AsyncGenerator<Uint8Array> {
  yield* entry(new TarPaths(name), [], node, retrieval);
  yield tarEnd();
}

async function* entry(
  paths: TarPaths,
  names: readonly string[],
  node: UnixfsNode,
  retrieval: Retrieval,
): AsyncGenerator<Uint8Array> {
  const path = paths.add(names, node.kind);
  const facts = { path, mode: node.mode, mtimeMs: node.mtimeMs ?? 0 };
  switch (node.kind) {
    case "file":
      yield tarHead({ ...facts, kind: "file", size: node.size });
      yield* readFile(node, { first: 0, last: node.size - 1 }, retrieval);
      yield tarPadding(node.size);
      return;
    case "symlink":
      yield tarHead({ ...facts, kind: "symlink", linkTarget: node.target });
      return;
    case "directory":
    case "sharded-directory":
      if (names.length >= DEPTH_MAX)
        throw new HoldfastError("CONTENT_UNSUPPORTED", "the directory is nested too deeply");
      yield tarHead({ ...facts, kind: "directory" });
      for await (const child of readAhead(
        node.kind === "directory" ? node.entries : shardedEntries(node, retrieval),
        retrieval,
      )) {
        yield* entry(paths, [...names, child.name], await readNode(child.cid, retrieval), retrieval);
      }
  }
}

/** Passes entries on and starts to read the blocks of those behind them, which are then held when their turn comes. */
async function* readAhead(
  entries: Iterable<DirectoryEntry> | AsyncIterable<DirectoryEntry>,
  retrieval: Retrieval,
): AsyncGenerator<DirectoryEntry> {
  const window: DirectoryEntry[] = [];
  for await (const entryAhead of entries) {
    startReading(entryAhead.cid, retrieval);
    window.push(entryAhead);
    if (window.length <= AHEAD_ENTRIES) continue;
    const [next] = window.splice(0, 1);
    if (next !== undefined) yield next;
  }
  yield* window;
}

function startReading(cid: CID, retrieval: Retrieval): void {
  retrieval.get(cid).catch(() => {
    // It is read again when its turn comes, and fails there.
  });
}
