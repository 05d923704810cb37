import type { Place } from "./place.ts";
import type { Random } from "./random.ts";
import { type GatewayRequest, OWN } from "./send.ts";

type Pair = readonly [string, string];

const FORMATS = ["raw", "car", "tar", "dag-json", "dag-cbor", "json", "cbor", "ipns-record"] as const;

const MEDIA_TYPES = [
  "application/vnd.ipld.raw",
  "application/vnd.ipld.car",
  "application/vnd.ipld.car; version=1",
  "application/vnd.ipld.car; version=2",
  "application/vnd.ipld.car; order=dfs; dups=y",
  "application/vnd.ipld.car;order=unk;dups=n",
  "application/vnd.ipld.car; order=random",
  "application/vnd.ipld.car; dups=maybe",
  "application/vnd.ipld.car;version=1;order=dfs;dups=y;q=0.5",
  "application/x-tar",
  "application/vnd.ipld.dag-json",
  "application/vnd.ipld.dag-cbor",
  "application/json",
  "application/cbor",
  "application/vnd.ipfs.ipns-record",
] as const;

const OTHER_ACCEPTS = [
  "*/*",
  "text/html",
  "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "application/vnd.ipld.unknown",
  "application/vnd.ipfs.unknown",
  "application/vnd.somebody.else",
  "image/png",
  "text/plain, application/json;q=0.5",
  "application/vnd.ipld.raw;q=0.1, application/vnd.ipld.car;q=0.9",
  "text/html, application/vnd.ipld.car",
  "",
] as const;

const ENTITY_BYTES = [
  "0:*",
  "0:0",
  "0:1000",
  "1024:2047",
  "-5:*",
  "-9999:-3",
  "499:-1000",
  "2200:*",
  "1000000:*",
  "-1:*",
  "5:5",
  ":2000",
  "10000:500",
  "-1000:-2000",
  "a:1",
  "1:b",
  "1:2:3",
  "",
  "*:5",
  "1",
  "1.5:3",
  " 0:5",
] as const;

/** Requests about the places, most of them with several things at once that must not disturb each other. */
export function makeRequest(random: Random, places: readonly Place[]): GatewayRequest {
  const place = placeOf(random, places);
  const query: Pair[] = [];
  const headers: Pair[] = [];
  const path = random.chance(0.05) ? oddPath(random, place) : pathOf(random, place);
  if (random.chance(0.6)) addFormat(random, { query, headers });
  if (random.chance(0.15) || isCar(query, headers)) addCarParameters(random, query);
  if (random.chance(0.3)) headers.push(["Range", rangeOf(random, place.size ?? 1000)]);
  if (random.chance(0.3)) addCondition(random, place, headers);
  if (random.chance(0.15)) addFilename(random, query);
  if (random.chance(0.12)) addOther(random, { query, headers });
  return { method: MALFORMED_ESCAPE.test(path) ? "GET" : methodOf(random), path, query, headers };
}

/** Go's HTTP library answers these itself, and a HEAD with a body, after which nothing on the connection makes sense. */
const MALFORMED_ESCAPE = /%(?![0-9a-f]{2})/i;

/** Half of the time each kind is as likely as any other, however few places it has. */
function placeOf(random: Random, places: readonly Place[]): Place {
  if (random.chance(0.5)) return random.pick(places);
  const wanted = random.pick([...new Set(places.map(({ kind }) => kind))]);
  return random.pick(places.filter(({ kind }) => kind === wanted));
}

function methodOf(random: Random): GatewayRequest["method"] {
  if (random.chance(0.01)) return random.pick(["POST", "PUT", "DELETE"] as const);
  return random.chance(0.25) ? "HEAD" : "GET";
}

function isCar(query: readonly Pair[], headers: readonly Pair[]): boolean {
  return (
    query.some(([, value]) => value === "car") || headers.some(([, value]) => value.includes("ipld.car"))
  );
}

function pathOf(random: Random, { path, kind }: Place): string {
  const isDirectory = ["directory", "index", "sharded"].includes(kind);
  const below = random.next();
  if (below < 0.04) return `${path}/absent`;
  if (below < 0.06) return `${path}/absent/deeper`;
  if (below < 0.07) return `${path}/index.html`;
  return isDirectory ? path + (random.chance(0.75) ? "/" : "") : path + (random.chance(0.08) ? "/" : "");
}

function oddPath(random: Random, { path }: Place): string {
  const [, namespace = "", root = "", ...rest] = path.split("/");
  const tail = rest.length === 0 ? "" : `/${rest.join("/")}`;
  return random.pick([
    `/ipfs${path}`,
    `/ipns${path}`,
    `/${namespace}/${percentEncoded(root)}${tail}`,
    `${path}/%2e%2e`,
    `${path}/./.`,
    `${path}/../x`,
    `${path}//`,
    `/${namespace}//${root}${tail}`,
    `/${namespace}/${root}//x`,
    `${path}/%`,
    `${path}/%zz`,
    `${path}%2Fabsent`,
    `/${namespace}/${[root, ...rest].join("%2F")}`,
    `${path}/%00`,
    `${path}/%ff`,
    `/${namespace}/${root.slice(0, -1)}`,
    `/${namespace}/${root.toUpperCase()}${tail}`,
    `/${namespace}/`,
    `/${namespace}`,
    `/${namespace}/not-a-cid`,
    `/ipld/${root}`,
    `/ipfs/ipfs/${root}/a%20b`,
    `/ipfs/ipns/${root}`,
    `/ipfs/ipfs/ipfs/${root}`,
  ]);
}

function percentEncoded(text: string): string {
  return text.replace(/^./, (character) => `%${character.charCodeAt(0).toString(16)}`);
}

function addFormat(random: Random, { query, headers }: { query: Pair[]; headers: Pair[] }): void {
  const way = random.next();
  if (way < 0.4) query.push(["format", random.pick(FORMATS)]);
  else if (way < 0.43) query.push(["format", random.pick(["", "unknown", "RAW", "html"])]);
  if (way >= 0.4 || random.chance(0.15)) {
    headers.push(["Accept", random.chance(0.6) ? random.pick(MEDIA_TYPES) : random.pick(OTHER_ACCEPTS)]);
  }
}

function addCarParameters(random: Random, query: Pair[]): void {
  if (random.chance(0.4))
    query.push(["dag-scope", random.pick(["block", "entity", "all", "all", "block", "everything", ""])]);
  if (random.chance(0.3)) query.push(["entity-bytes", random.pick(ENTITY_BYTES).replace(" ", "%20")]);
  if (random.chance(0.15)) query.push(["car-order", random.pick(["dfs", "unk", "random", ""])]);
  if (random.chance(0.2)) query.push(["car-dups", random.pick(["y", "n", "maybe", ""])]);
  if (random.chance(0.1)) query.push(["car-version", random.pick(["1", "2", "", "one"])]);
}

function rangeOf(random: Random, size: number): string {
  const at = (): number => random.below(Math.max(1, size));
  const [a = 0, b = 0] = [at(), at()].toSorted((x, y) => x - y);
  return random.pick([
    `bytes=${a}-${b}`,
    `bytes=${a}-${b}`,
    `bytes=${a}-`,
    `bytes=-${1 + at()}`,
    "bytes=0-0",
    "bytes=0-",
    "bytes=-1",
    `bytes=-${size + 10}`,
    `bytes=${a}-${size + 100}`,
    `bytes=${size}-`,
    `bytes=${size + 50}-${size + 60}`,
    `bytes=0-1,${a}-${b}`,
    `bytes=${b}-${b},0-0`,
    `bytes=0-0,${size + 50}-`,
    `bytes=${b}-${a - 1}`,
    "bytes=-0",
    "bytes=",
    "bytes=a-b",
    "bytes=1",
    "items=0-5",
    "bytes 0-5",
    " bytes=0-5",
    "bytes= 0-5 , 7-8",
  ]);
}

function addCondition(random: Random, { cid = "bafkqaaa" }: Place, headers: Pair[]): void {
  const way = random.next();
  if (way < 0.6) {
    headers.push([
      "If-None-Match",
      random.pick([
        OWN,
        `W/${OWN}`,
        `"wrong", ${OWN}`,
        `${OWN}, "wrong"`,
        `"${cid}"`,
        `W/"${cid}"`,
        `"${cid}.raw"`,
        `"${cid}.car"`,
        `"${cid}.dag-json", "${cid}.dag-cbor"`,
        `"DirIndex-unknown_CID-${cid}"`,
        '"wrong"',
        "*",
        cid,
        `"${cid}`,
        "",
      ]),
    ]);
  }
  if (way >= 0.5 && way < 0.8) {
    headers.push([
      "If-Modified-Since",
      random.pick([
        OWN,
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 01 Jan 2100 00:00:00 GMT",
        "never",
        "Tue, 14 Jul 2015 00:00:00 GMT",
      ]),
    ]);
  }
  if (way >= 0.75) {
    headers.push([
      "If-Range",
      random.pick([OWN, `W/${OWN}`, `"${cid}"`, '"wrong"', "Sun, 13 Sep 2020 12:26:40 GMT", "*"]),
    ]);
    if (!headers.some(([name]) => name === "Range")) headers.push(["Range", "bytes=0-3"]);
  }
}

function addFilename(random: Random, query: Pair[]): void {
  if (random.chance(0.8)) {
    query.push([
      "filename",
      random.pick([
        "name.txt",
        "test%D1%82.jpg",
        "a%22b.html",
        "page.html",
        "data.json",
        "..%2Fup.txt",
        "",
        "no-extension",
        "with+plus%20space.bin",
        "semi%3Bcolon.css",
      ]),
    ]);
  }
  if (random.chance(0.5)) query.push(["download", random.pick(["true", "false", "1", "TRUE", ""])]);
}

function addOther(random: Random, { query, headers }: { query: Pair[]; headers: Pair[] }): void {
  switch (random.below(8)) {
    case 0:
      headers.push([
        "Cache-Control",
        random.pick([
          "only-if-cached",
          "only-if-cached",
          "no-cache",
          "max-age=0",
          "only-if-cached, max-age=0",
        ]),
      ]);
      return;
    case 1:
      headers.push(["Service-Worker", random.pick(["script", "script", "other"])]);
      return;
    case 2:
      query.push([
        "uri",
        random.pick([
          "ipfs%3A%2F%2Fbafkqaaa",
          "ipns%3A%2F%2Fexample.com%2Fa%3Fb%3Dc",
          "ipfs://bafkqaaa/x%20y",
          "https%3A%2F%2Fexample.com",
          "ipfs%3Abafkqaaa",
          "",
          "IPFS%3A%2F%2Fbafkqaaa",
        ]),
      ]);
      return;
    case 3:
      query.push(["unknown", "value%20x"], ["empty", ""]);
      return;
    case 4:
      query.push(["go-get", "1"]);
      return;
    case 5:
      headers.push(["X-Forwarded-Proto", "https"]);
      return;
    case 6:
      headers.push(["Accept-Encoding", "gzip, br"]);
      return;
    default:
      headers.push(["Origin", "https://app.example"]);
  }
}
