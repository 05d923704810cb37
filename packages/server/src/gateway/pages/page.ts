import { createHash } from "node:crypto";
import type { GatewayAnswer } from "../answer.ts";
import type { ContentRequest } from "../content-request.ts";
import { matchesEtag } from "../etags.ts";

/**
 * The look of every page that is made here: no scripts, nothing from elsewhere, light or dark as the reader's system is, and
 * readable on a phone.
 */
const STYLE = `
:root{color-scheme:light dark;--ground:#f5f7f8;--card:#fff;--ink:#14222b;--soft:#5a6b75;--line:#e1e7ea;--hover:#eef6f6;--accent:#0b7285;--mark:#0b7285;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--ground:#0e1519;--card:#151f25;--ink:#e4ebee;--soft:#93a4ad;--line:#243139;--hover:#1a272e;--accent:#5cc8d7;--mark:#3aa9b9;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
a:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}
code,pre,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.86em}
main,footer{max-width:64rem;margin:0 auto;padding:0 1rem}
main{padding-top:1.5rem}
footer{padding-top:1rem;padding-bottom:2rem;color:var(--soft);font-size:.85rem;display:flex;align-items:center;gap:.5rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden}
.head{padding:1.1rem 1.25rem;border-bottom:1px solid var(--line)}
h1{margin:0;font-size:1.05rem;font-weight:600;overflow-wrap:anywhere}
.facts{margin:.35rem 0 0;color:var(--soft);font-size:.88rem;overflow-wrap:anywhere}
.facts b{color:var(--ink);font-weight:600}
svg{display:block;flex:none}
.note{margin:0;padding:.8rem 1.25rem;color:var(--soft);border-top:1px solid var(--line);font-size:.9rem}
`;

const MARK =
  '<svg width="18" height="18" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M12 22V9M12 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM5 13c0 5 3 9 7 9s7-4 7-9M3 15l2-2 2 2M17 15l2-2 2 2"/></svg>';

/** A finished page. `style` is added to the common one. All texts in `body` are escaped already. */
export interface Page {
  readonly title: string;
  readonly style: string;
  readonly body: string;
}

export function renderPage({ title, style, body }: Page): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="same-origin">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${STYLE}${style}</style>
</head>
<body>
<main>
${body}
</main>
<footer>${MARK}<span>Served by Holdfast from verified blocks</span></footer>
</body>
</html>
`;
}

/**
 * The `Content-Security-Policy` that lets a browser do nothing with a page but show it, whatever a name in it may contain.
 *
 * @param style the page's own.
 */
export function pagePolicy(style: string): string {
  const hash = createHash("sha256").update(`${STYLE}${style}`).digest("base64");
  return `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
}

/** A page as an answer; it is not made when the client has it. */
export async function answerPage(
  make: () => Page | Promise<Page>,
  facts: {
    readonly etag: string;
    /** The page's {@link pagePolicy}. On a 304 too: a browser then applies it to the page that it has. */
    readonly policy: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly request: ContentRequest;
  },
): Promise<GatewayAnswer> {
  const { etag, policy, request } = facts;
  const headers = { ...facts.headers, etag, "content-security-policy": policy };
  if (matchesEtag(request.ifNoneMatch, [etag])) return { status: 304, headers, body: undefined };
  const body = Buffer.from(renderPage(await make()), "utf8");
  return {
    status: 200,
    headers: {
      ...headers,
      "content-type": "text/html; charset=utf-8",
      "content-length": String(body.byteLength),
    },
    body: request.method === "HEAD" ? undefined : body,
  };
}

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Never throws: half a character, which no URL can contain, becomes a replacement character. */
export function encodeSegment(name: string): string {
  return encodeURIComponent(name.toWellFormed());
}
