import { escapeHtml, pagePolicy, renderPage } from "./pages/page.ts";

const STYLE = `
.error{padding:2.25rem 1.5rem 1.75rem}
.status{margin:0;font-size:3rem;line-height:1;font-weight:700;letter-spacing:-.02em;color:var(--mark)}
.error.ours .status{color:var(--bad)}
.error h1{margin:.5rem 0 0;font-size:1.35rem}
.error p{margin:.9rem 0 0;max-width:44rem}
.why{margin:1.1rem 0 0;padding:.75rem .9rem;background:var(--ground);border:1px solid var(--line);border-radius:8px;white-space:pre-wrap;overflow-wrap:anywhere}
.soft{color:var(--soft);font-size:.85rem}
@media(max-width:40rem){main{padding:.75rem .5rem 0}.error{padding:1.5rem 1.1rem 1.25rem}}
`;

/** What a status means for somebody who followed a link, and what can be done. */
const WORDS: Readonly<Record<number, { readonly title: string; readonly help: string }>> = {
  400: {
    title: "This address is not right",
    help: "A part of it is not what it should be. Was it copied completely?",
  },
  404: {
    title: "Nothing was found here",
    help: "The path leads to nothing in this content, or nobody who is reachable has the content or the name any more.",
  },
  405: {
    title: "This can only be read",
    help: "Content is addressed by what it is: it cannot be changed here.",
  },
  406: {
    title: "Not available in this form",
    help: "The content exists, but it cannot be shown in the form that was asked for. <code>?format=raw</code> gives the block as it is.",
  },
  410: { title: "Not offered here", help: "This gateway does not offer this content." },
  412: {
    title: "Not held here",
    help: "The request allowed only what is already held here, and this is not.",
  },
  422: { title: "This page cannot be shown", help: "The content has no page where one should be." },
  429: { title: "Too many requests", help: "Please wait a moment, then try again." },
  451: {
    title: "Not available for legal reasons",
    help: "This gateway is not allowed to offer this content.",
  },
  500: {
    title: "Something went wrong here",
    help: "This is our fault. If it stays, the number below helps to find the reason.",
  },
  501: {
    title: "Not possible here",
    help: "A field inside a document cannot be shown alone. Get the whole document and read it there.",
  },
  502: {
    title: "Nobody could give it",
    help: "Peers were asked, but none gave a valid answer. Trying again later may help.",
  },
  503: {
    title: "Not available at the moment",
    help: "A part of this gateway, or the network, is away. Trying again in a moment may help.",
  },
  504: {
    title: "It took too long",
    help: "Peers that may have the content did not answer in time. Trying again may help: what has arrived is kept.",
  },
};

const OTHERS = { title: "This did not work", help: "The reason is below." };

export interface ErrorPage {
  readonly status: number;
  /** For people; escaped here. */
  readonly message: string;
  readonly requestId: string;
}

/** An error as a page for people who followed a link. Pure; without scripts. */
export function renderErrorPage({ status, message, requestId }: ErrorPage): string {
  const { title, help } = WORDS[status] ?? OTHERS;
  return renderPage({
    title: `${status} ${title}`,
    style: STYLE,
    body: `<div class="card error${status >= 500 ? " ours" : ""}">
<p class="status">${status}</p>
<h1>${title}</h1>
<p>${help}</p>
<pre class="why">${escapeHtml(message)}</pre>
<p class="soft">Request <code>${escapeHtml(requestId)}</code></p>
</div>`,
  });
}

/** The `Content-Security-Policy` to send with {@link renderErrorPage}. */
export const ERROR_PAGE_POLICY = pagePolicy(STYLE);
