import { resolve } from "node:path";
import { type IpnsName, parseIpnsName } from "@holdfast/core";

/** A Delegated Routing server, and what it is for. */
export interface RouterSetting {
  /** Without `/routing/v1` and without a slash at its end. */
  readonly baseUrl: string;
  readonly reads: boolean;
  readonly writes: boolean;
}

const USES: ReadonlyMap<string, Pick<RouterSetting, "reads" | "writes">> = new Map([
  ["", { reads: true, writes: true }],
  [";read", { reads: true, writes: false }],
  [";write", { reads: false, writes: true }],
  [";read;write", { reads: true, writes: true }],
]);

/** Comma list of `URL`, `URL;read` or `URL;write`, with or without `/routing/v1`; or `none`. */
export function parseRouters(text: string): readonly RouterSetting[] {
  if (text === "none") return [];
  const routers = itemsOf(text).map((item) => {
    const [, base = "", use = ""] = /^([^;]*)(.*)$/s.exec(item) ?? [];
    const uses = USES.get(use.replaceAll(" ", ""));
    const baseUrl = baseUrlOf(base.trim());
    if (uses === undefined || baseUrl === undefined) {
      throw new Error("is not a comma list of http(s) URLs, each with ;read, ;write or neither, or none");
    }
    return { baseUrl, ...uses };
  });
  if (routers.length === 0) throw new Error("is empty; say none for none");
  const urls = new Set(routers.map(({ baseUrl }) => baseUrl));
  if (urls.size < routers.length) throw new Error("names a router twice");
  return routers;
}

function baseUrlOf(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  if (`${url.search}${url.hash}${url.username}${url.password}` !== "") return undefined;
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "").replace(/\/routing\/v1$/, "");
}

/** A file with names, which may change while we run, or the names themselves. */
export type WarmNamesSetting = { readonly file: string } | { readonly names: readonly IpnsName[] };

export const WARM_NAMES_MAX = 10_000;

/** `none`, a comma list of names, or the path of a file with one name a line; a path begins with `/`, `./` or `../`, or ends in `.txt`. */
export function parseWarmNames(text: string): WarmNamesSetting | undefined {
  if (text === "none") return undefined;
  const items = itemsOf(text);
  const names = items.map(nameOf).filter((name) => name !== undefined);
  if (items.length === 0 || names.length < items.length) {
    const isPath = names.length === 0 && /^\.{0,2}\/(?!ipns\/)|\.txt$/.test(text);
    if (!isPath)
      throw new Error("is neither a comma list of IPNS names, nor a path (/…, ./…, ….txt), nor none");
    return { file: resolve(text) };
  }
  if (names.length > WARM_NAMES_MAX) throw new Error(`has more than ${WARM_NAMES_MAX} names`);
  return { names };
}

function nameOf(text: string): IpnsName | undefined {
  try {
    return parseIpnsName(text);
  } catch {
    // It may be a path; the caller says what it must be.
    return undefined;
  }
}

function itemsOf(text: string): readonly string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
