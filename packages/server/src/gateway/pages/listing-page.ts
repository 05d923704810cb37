import type { CID } from "multiformats/cid";
import type { Site } from "../content-request.ts";
import type { DirectoryEntry } from "../directory-entry.ts";
import { displayPath, locationText, type RequestPath } from "../request-path.ts";
import { breadcrumbs, cidHref } from "./breadcrumbs.ts";
import { type FileKind, ICON_PATHS, kindOfEntry } from "./file-kind.ts";
import { counted, humanBytes, shortCid } from "./human.ts";
import { encodeSegment, escapeHtml, type Page, pagePolicy } from "./page.ts";

/** Part of the listing's ETag: changed together with its form. */
export const LISTING_VERSION = "3";

const STYLE = `
table{width:100%;border-collapse:collapse}
td{padding:.5rem .5rem;border-top:1px solid var(--line);vertical-align:middle}
tr:first-child td{border-top:0}
tr:hover td{background:var(--hover)}
td:first-child{padding-left:1.25rem;width:2.75rem;color:var(--mark)}
td:last-child{padding-right:1.25rem}
.name{overflow-wrap:anywhere}
.cid,.size{white-space:nowrap;text-align:right;color:var(--soft);font-variant-numeric:tabular-nums}
.cid a{color:var(--soft);font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.82rem}
.size{font-size:.9rem;width:6rem}
.empty{padding:2.5rem 1.25rem;text-align:center;color:var(--soft)}
@media(max-width:40rem){.cid{display:none}.size{width:4.5rem}main{padding:.75rem .5rem 0}}
`;

export const LISTING_POLICY = pagePolicy(STYLE);

/** As people sort: `9` before `10`, capitals beside small letters. */
const BY_NAME = new Intl.Collator("en", { numeric: true });

export interface Listing {
  readonly path: RequestPath;
  readonly cid: CID;
  readonly entries: readonly DirectoryEntry[];
  /** False when the directory has more than are shown. */
  readonly isComplete: boolean;
  readonly site: Site | undefined;
}

/** A directory as a page. Everything in it that comes from the directory is escaped. */
export function renderListing({ path, cid, entries, isComplete, site }: Listing): Page {
  // As it stands in the address bar: on a subdomain it does not begin with the content path.
  const base = locationText(path.encoded.endsWith("/") ? path.encoded : `${path.encoded}/`);
  const sorted = entries.toSorted((a, b) => BY_NAME.compare(a.name, b.name));
  const parent =
    path.segments.length === 0 ? [] : [row("up", `<a href="${escapeHtml(base)}..">..</a>`, "", "")];
  const rows = [...parent, ...sorted.map((entry) => entryRow(entry, base, site))];
  const text = cid.toString();
  // The root's own CID stands in the path already.
  const isInPath = path.segments.length === 0 && path.root === text;
  const cidOfPage = isInPath ? "" : ` · <code translate="no">${text}</code>`;
  const title = `Index of ${displayPath(path)}`;
  return {
    title,
    style: STYLE,
    body: `${icons()}
<div class="card">
<header class="head">
<h1>Index of ${breadcrumbs(path, site)}</h1>
<p class="facts">${facts(entries, isComplete)}${cidOfPage}</p>
</header>
${rows.length > 0 ? `<table>\n${rows.join("\n")}\n</table>` : ""}
${entries.length === 0 ? '<p class="empty">This directory is empty.</p>' : ""}
${isComplete ? "" : `<p class="note">Only the first ${entries.length.toLocaleString("en")} entries are shown; the directory has more. Every entry can be reached by its name.</p>`}
</div>`,
  };
}

function facts(entries: readonly DirectoryEntry[], isComplete: boolean): string {
  const bytes = entries.reduce((sum, { dagBytes = 0 }) => sum + dagBytes, 0);
  const count = counted(entries.length, "entry", "entries");
  if (!isComplete) return `more than <b>${count}</b>`;
  return `<b>${count}</b> · <b title="${bytes} bytes with all metadata">${humanBytes(bytes)}</b>`;
}

function entryRow({ name, cid, dagBytes }: DirectoryEntry, base: string, site: Site | undefined): string {
  const text = cid.toString();
  const link = `<a href="${escapeHtml(base)}${encodeSegment(name)}">${escapeHtml(name)}</a>`;
  const hash = `<a class="ipfs-hash" translate="no" ${cidHref(text, site, name)}>${shortCid(text)}</a>`;
  const size =
    dagBytes === undefined
      ? ""
      : `<span title="${dagBytes} bytes with all metadata">${humanBytes(dagBytes)}</span>`;
  return row(kindOfEntry(name, cid), link, `<span title="${text}">${hash}</span>`, size);
}

function row(icon: FileKind | "up", name: string, cid: string, size: string): string {
  return (
    `<tr><td><svg width="20" height="20" role="img" aria-label="${icon}"><use href="#${icon}"/></svg></td>` +
    `<td class="name">${name}</td><td class="cid">${cid}</td><td class="size">${size}</td></tr>`
  );
}

/** Drawn once, used by each row. */
function icons(): string {
  const symbols = Object.entries(ICON_PATHS).map(
    ([name, path]) =>
      `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"><path d="${path}"/></symbol>`,
  );
  return `<svg width="0" height="0" aria-hidden="true">${symbols.join("")}</svg>`;
}
