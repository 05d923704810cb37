import type { GatewayAnswer } from "../answer.ts";
import type { DirectoryEntry } from "../directory-entry.ts";
import { LISTING_POLICY, LISTING_VERSION, renderListing } from "../pages/listing-page.ts";
import { answerPage } from "../pages/page.ts";
import type { ResolvedPath } from "../resolve-path.ts";
import { shardedEntries } from "../sharded-directory.ts";
import { NOSNIFF, targetHeaders, type Target } from "../target.ts";
import type { DirectoryNode, ShardedNode } from "../unixfs-node.ts";

/** Entries that are shown; a directory may have millions. */
const ENTRIES_MAX = 10_000;

/** A directory as a page for people. */
export async function answerListing(
  target: Target,
  { cid, roots }: ResolvedPath,
  directory: DirectoryNode | ShardedNode,
): Promise<GatewayAnswer> {
  const { request, retrieval } = target;
  return answerPage(
    async () => {
      const { entries, isComplete } = await firstEntries(
        directory.kind === "directory" ? directory.entries : shardedEntries(directory, retrieval),
      );
      return renderListing({ path: request.path, cid, entries, isComplete, site: request.site });
    },
    {
      etag: `"DirIndex-${LISTING_VERSION}_CID-${cid.toString()}"`,
      policy: LISTING_POLICY,
      headers: { ...targetHeaders(target, roots, "page"), ...NOSNIFF },
      request,
    },
  );
}

async function firstEntries(
  all: Iterable<DirectoryEntry> | AsyncIterable<DirectoryEntry>,
): Promise<{ readonly entries: readonly DirectoryEntry[]; readonly isComplete: boolean }> {
  const entries: DirectoryEntry[] = [];
  for await (const entry of all) {
    if (entries.length >= ENTRIES_MAX) return { entries, isComplete: false };
    entries.push(entry);
  }
  return { entries, isComplete: true };
}
