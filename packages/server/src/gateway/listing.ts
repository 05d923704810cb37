import type { CID } from "multiformats/cid";
import type { DirectoryEntry } from "./unixfs-node.ts";

/** Part of the listing's ETag: changed together with its form. */
export const LISTING_VERSION = "1";

/** Entries that are shown; a directory may have millions. */
export const LISTING_ENTRIES_MAX = 10_000;

/** A directory as a page: escaped, without scripts. Links are relative to the directory's own URL. */
export function renderListing(
  path: string,
  cid: CID,
  entries: readonly DirectoryEntry[],
  options: { readonly isComplete: boolean },
): string {
  const title = escapeHtml(`Index of ${path}`);
  const rows = entries.map(({ name, dagBytes }) => {
    // `./` keeps a name with a colon from being read as a scheme.
    const link = `<a href="./${encodeURIComponent(name)}">${escapeHtml(name)}</a>`;
    return `<tr><td>${link}</td><td>${dagBytes ?? ""}</td></tr>`;
  });
  const end = options.isComplete ? "" : `<p>Only the first ${entries.length} entries are shown.</p>\n`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title></head>
<body>
<h1>${title}</h1>
<p>${escapeHtml(cid.toString())}</p>
<table>
<tr><td><a href="../">..</a></td><td></td></tr>
${rows.join("\n")}
</table>
${end}</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
