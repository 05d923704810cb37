import type { CID } from "multiformats/cid";
import { documentFormatOf } from "../codecs.ts";
import type { Site } from "../content-request.ts";
import { linkOf } from "../ipld.ts";
import { cidHref } from "./breadcrumbs.ts";
import { humanBytes } from "./human.ts";
import { escapeHtml, type Page, pagePolicy } from "./page.ts";

/** Part of the preview's ETag: changed together with its form. */
export const DAG_PAGE_VERSION = "2";

/** Values that are shown; a block can hold hundreds of thousands. */
const VALUES_MAX = 2_000;
const TEXT_LENGTH_MAX = 2_000;
const BYTES_SHOWN_MAX = 64;
const DEPTH_MAX = 64;

const STYLE = `
.tree{padding:.75rem 1.25rem 1rem;overflow-x:auto}
dl{margin:0;display:grid;grid-template-columns:max-content 1fr;gap:.15rem .9rem}
dl dl{border-left:1px solid var(--line);padding-left:.9rem;margin:.1rem 0 .35rem}
dt{color:var(--soft)}
dd{margin:0;min-width:0;overflow-wrap:anywhere;white-space:pre-wrap}
dt,dd{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.86rem}
.wide{grid-column:1/-1}
.gets{margin:.7rem 0 0;font-size:.9rem;display:flex;flex-wrap:wrap;gap:.4rem}
.gets a{border:1px solid var(--line);border-radius:999px;padding:.15rem .75rem}
.gets a:hover{background:var(--hover);text-decoration:none}
.soft{color:var(--soft)}
`;

export const DAG_PAGE_POLICY = pagePolicy(STYLE);

export interface DagPage {
  /** As it is shown, decoded. */
  readonly path: string;
  readonly cid: CID;
  readonly blockBytes: number;
  /** The decoded block. */
  readonly document: unknown;
  readonly site: Site | undefined;
}

/** A document as a tree in which links can be followed. */
export function renderDagPage({ path, cid, blockBytes, document, site }: DagPage): Page {
  const format = documentFormatOf(cid.code) ?? "";
  const tree = new Tree(site);
  const body = `<div class="card">
<header class="head">
<h1>${escapeHtml(path)}</h1>
<p class="facts"><b>${format}</b> (0x${cid.code.toString(16)}) · <b>${humanBytes(blockBytes)}</b> · <code translate="no">${cid.toString()}</code></p>
<p class="gets"><a href="?format=raw" rel="nofollow">Raw block</a><a href="?format=${format}" rel="nofollow">${format.toUpperCase()}</a><a href="?format=car" rel="nofollow">CAR with all it links to</a></p>
</header>
<div class="tree">${tree.render(document)}</div>
${tree.isComplete ? "" : '<p class="note">The document is larger than what is shown here.</p>'}
</div>`;
  return { title: path, style: STYLE, body };
}

class Tree {
  readonly #site: Site | undefined;
  #valuesLeft = VALUES_MAX;
  isComplete = true;

  constructor(site: Site | undefined) {
    this.#site = site;
  }

  render(value: unknown, depth = 0): string {
    if (this.#valuesLeft <= 0 || depth > DEPTH_MAX) return this.#cut();
    this.#valuesLeft--;
    const link = linkOf(value);
    if (link !== undefined) {
      const text = link.toString();
      return `<a class="ipfs-hash" translate="no" ${cidHref(text, this.#site)}>${text}</a>`;
    }
    if (value instanceof Uint8Array) return this.#bytes(value);
    if (Array.isArray(value)) return this.#fields(value.entries(), depth, "[ ]");
    if (typeof value === "object" && value !== null) return this.#fields(Object.entries(value), depth, "{ }");
    return this.#scalar(value);
  }

  #fields(fields: Iterable<readonly [number | string, unknown]>, depth: number, empty: string): string {
    const rows: string[] = [];
    for (const [key, value] of fields) {
      if (this.#valuesLeft <= 0) {
        rows.push(`<dd class="wide">${this.#cut()}</dd>`);
        break;
      }
      rows.push(
        `<dt>${escapeHtml(this.#shortened(String(key)))}</dt><dd>${this.render(value, depth + 1)}</dd>`,
      );
    }
    return rows.length === 0 ? `<span class="soft">${empty}</span>` : `<dl>${rows.join("")}</dl>`;
  }

  #scalar(value: unknown): string {
    if (typeof value === "string") return escapeHtml(JSON.stringify(this.#shortened(value)));
    return `<span class="soft">${escapeHtml(String(value))}</span>`;
  }

  #bytes(bytes: Uint8Array): string {
    const shown = Buffer.from(bytes.subarray(0, BYTES_SHOWN_MAX)).toString("hex");
    if (bytes.byteLength > BYTES_SHOWN_MAX) this.isComplete = false;
    return `<span class="soft">${bytes.byteLength} bytes</span> ${shown}${bytes.byteLength > BYTES_SHOWN_MAX ? "…" : ""}`;
  }

  #shortened(text: string): string {
    if (text.length <= TEXT_LENGTH_MAX) return text;
    this.isComplete = false;
    return `${text.slice(0, TEXT_LENGTH_MAX)}…`;
  }

  #cut(): string {
    this.isComplete = false;
    return '<span class="soft">…</span>';
  }
}
