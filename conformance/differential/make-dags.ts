import { identities, makeByHand, putBlock } from "./make-nodes.ts";
import type { Place, PlaceKind } from "./place.ts";
import type { Kubo } from "../../packages/server/test/support/start-kubo.ts";
import { Random } from "./random.ts";

const FILES: readonly {
  readonly name: string;
  readonly query: string;
  readonly make: (random: Random) => Uint8Array;
}[] = [
  { name: "empty.txt", query: "cid-version=1", make: () => new Uint8Array() },
  { name: "empty-v0", query: "cid-version=0", make: () => new Uint8Array() },
  { name: "one", query: "cid-version=1", make: () => Buffer.from("x") },
  { name: "hello.txt", query: "cid-version=1", make: () => Buffer.from("hello holdfast\n") },
  { name: "hello-v0.txt", query: "cid-version=0", make: () => Buffer.from("hello from the old days\n") },
  {
    name: "no-raw-leaves.txt",
    query: "cid-version=1&raw-leaves=false",
    make: () => Buffer.from("in a dag-pb leaf\n"),
  },
  {
    name: "page.html",
    query: "cid-version=1",
    make: () => Buffer.from("<!doctype html><title>a page</title><p>hello"),
  },
  {
    name: "sniffed-html",
    query: "cid-version=1",
    make: () => Buffer.from("  <!DOCTYPE html><html><body>hello</body></html>"),
  },
  { name: "data.json", query: "cid-version=1", make: () => Buffer.from('{"a":1,"b":[1,2,3]}') },
  {
    name: "sniffed-json",
    query: "cid-version=1",
    make: () => Buffer.from('{"kind":"json","list":[true,null]}'),
  },
  { name: "picture.png", query: "cid-version=1", make: (random) => png(random, 700) },
  { name: "sniffed-png", query: "cid-version=0", make: (random) => png(random, 900) },
  {
    name: "vector.svg",
    query: "cid-version=1",
    make: () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'),
  },
  { name: "style.css", query: "cid-version=1", make: () => Buffer.from("body { color: teal }\n") },
  { name: "code.js", query: "cid-version=1", make: () => Buffer.from("export const answer = 42;\n") },
  { name: "notes.md", query: "cid-version=1", make: () => Buffer.from("# Notes\n") },
  { name: "binary", query: "cid-version=1", make: (random) => random.bytes(1026) },
  {
    name: "pdf-like",
    query: "cid-version=1",
    make: (random) => Buffer.concat([Buffer.from("%PDF-1.4\n"), random.bytes(600)]),
  },
  { name: "chunk-less.bin", query: "cid-version=1", make: (random) => random.bytes(256 * 1024 - 1) },
  { name: "chunk.bin", query: "cid-version=0", make: (random) => random.bytes(256 * 1024) },
  {
    name: "chunk-more.bin",
    query: "cid-version=1&chunker=size-262144",
    make: (random) => random.bytes(256 * 1024 + 1),
  },
  {
    name: "large.bin",
    query: "cid-version=1&chunker=size-262144",
    make: (random) => random.bytes(1024 * 1024 + 3),
  },
  {
    name: "deep-tree",
    query: "cid-version=1&chunker=size-1024&max-file-links=3",
    make: (random) => random.bytes(20_000),
  },
  {
    name: "deep-tree-v0",
    query: "cid-version=0&chunker=size-1024&max-file-links=4",
    make: (random) => random.bytes(17_001),
  },
  {
    name: "repeated",
    query: "cid-version=1&chunker=size-1024&max-file-links=4",
    make: () => new Uint8Array(12_000).fill(97),
  },
  {
    name: "trickle",
    query: "cid-version=1&chunker=size-512&trickle=true&max-file-links=3",
    make: (random) => random.bytes(9000),
  },
  {
    name: "with-mtime.txt",
    query: "cid-version=1&mtime=1600000000&mode=0600",
    make: () => Buffer.from("changed in 2020\n"),
  },
  {
    name: "with-mtime.bin",
    query: "cid-version=1&mtime=1234567890&mtime-nsecs=500&chunker=size-1024",
    make: (random) => random.bytes(5000),
  },
];

function png(random: Random, bytes: number): Uint8Array {
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), random.bytes(bytes)]);
}

/** Names that a careless gateway decodes once too often, or not at all. */
const ODD_NAMES = [
  "with space.txt",
  "percent%20literal.txt",
  "100%.txt",
  "Ünïcødé 𝛑.txt",
  "łódź.html",
  "plus+and&amp=.txt",
  "question?mark.txt",
  "hash#sign.txt",
  'quo"te.txt',
  "semi;colon.txt",
  "back\\slash.txt",
  "-dash",
  ".hidden",
  "comma,a.txt",
  "<b>bold</b>.txt",
];

type TreeFile = Uint8Array | { readonly symlink: string };

/** Makes the same DAGs each time in a Kubo, and says what there is to ask for. Some of their blocks are removed again. */
export async function makeDags(kubo: Kubo): Promise<Place[]> {
  const random = new Random(0xda65);
  const files = await makeFiles(kubo, random);
  const site = await makeTrees(kubo, random);
  const documents = await makeDocuments(kubo, { file: files[3]?.cid ?? "", directory: site.directory });
  return [
    ...files,
    ...site.places,
    ...(await makeByHand(kubo)),
    ...documents,
    ...identities(),
    ...(await otherSpellings(kubo, [files[3]?.cid ?? "", files[22]?.cid ?? "", site.directory])),
    ...(await makeIncomplete(kubo, random)),
  ];
}

async function makeFiles(kubo: Kubo, random: Random): Promise<Place[]> {
  const places: Place[] = [];
  for (const { query, make } of FILES) {
    const bytes = make(random);
    const cid = await kubo.add(bytes, `${query}&pin=false`);
    places.push({ path: `/ipfs/${cid}`, kind: "file", cid, size: bytes.byteLength });
  }
  return places;
}

async function makeTrees(kubo: Kubo, random: Random): Promise<{ places: Place[]; directory: string }> {
  const everything = Object.fromEntries(FILES.slice(0, 19).map(({ name, make }) => [name, make(random)]));
  const odd = Object.fromEntries(ODD_NAMES.map((name) => [name, Buffer.from(`called ${name}\n`)]));
  const site: Record<string, TreeFile> = {
    "index.html": Buffer.from("<!doctype html><title>home</title>hello"),
    "about/index.html": Buffer.from("<h1>about</h1>"),
    "about/team/names.txt": Buffer.from("one\ntwo\n"),
    "img/logo.png": png(random, 100),
    link: { symlink: "about/index.html" },
    "link-up": { symlink: "../outside" },
    "empty/.keep": new Uint8Array(),
  };
  const many = Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => [`entry-${i}.txt`, Buffer.from(`the content of ${i}\n`)]),
  );
  const [v0, v1] = ["cid-version=0", "cid-version=1"];
  const places = [
    ...(await addTree(kubo, everything, v1)),
    ...(await addTree(kubo, { ...odd, "sub/deeper/file.txt": Buffer.from("deep\n") }, v1)),
    ...(await addTree(kubo, odd, v0)),
    ...(await addTree(kubo, many, `${v1}&max-directory-links=8&max-hamt-fanout=8`)),
    ...(await addTree(
      kubo,
      { ...many, "index.html": Buffer.from("<p>sharded home</p>") },
      `${v0}&max-directory-links=8&max-hamt-fanout=16`,
    )),
    ...(await addTree(
      kubo,
      { "dated.txt": Buffer.from("dated\n"), "index.html": Buffer.from("<p>dated") },
      `${v1}&mtime=1500000000&mode=0755`,
    )),
  ];
  const sitePlaces = [...(await addTree(kubo, site, v1)), ...(await addTree(kubo, site, v0))];
  return { places: [...places, ...sitePlaces], directory: sitePlaces[0]?.cid ?? "" };
}

/** Adds a tree wrapped in a directory: a place for the root, each directory and each file. */
async function addTree(
  kubo: Kubo,
  tree: Readonly<Record<string, TreeFile>>,
  query: string,
): Promise<Place[]> {
  const form = new FormData();
  for (const [name, file] of Object.entries(tree)) {
    const [bytes, type] =
      file instanceof Uint8Array
        ? [Uint8Array.from(file), "application/octet-stream"]
        : [Buffer.from(file.symlink), "application/symlink"];
    const filename = name.split("/").map(encodeURIComponent).join("%2F");
    form.append("file", new Blob([bytes], { type }), filename);
  }
  const answer = await kubo.rpc(`add?wrap-with-directory=true&pin=false&${query}`, form);
  const added = (await answer.text())
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { Name: string; Hash: string });
  const root = added.find(({ Name }) => Name === "")?.Hash ?? "";
  if (root === "") throw new Error("Kubo did not name the root of a tree");
  return added.map(({ Name, Hash }) => {
    const file = tree[Name];
    const path = [`/ipfs/${root}`, ...(Name === "" ? [] : Name.split("/").map(encodeURIComponent))].join("/");
    if (file instanceof Uint8Array) return { path, kind: "file", cid: Hash, size: file.byteLength };
    if (file !== undefined) return { path, kind: "symlink", cid: Hash };
    const below = Name === "" ? "" : `${Name}/`;
    const isSharded = Name === "" && query.includes("max-hamt");
    const plain: PlaceKind = isSharded ? "sharded" : "directory";
    return { path, kind: tree[`${below}index.html`] === undefined ? plain : "index", cid: Hash };
  });
}

async function makeDocuments(
  kubo: Kubo,
  linked: { readonly file: string; readonly directory: string },
): Promise<Place[]> {
  const inner = { "/": linked.file };
  const leaf = await putDag(kubo, { leaf: true, number: 7 }, "dag-cbor");
  const document = {
    title: "a document",
    list: [1, { "/": leaf }, "three"],
    nested: { deeper: { file: inner, scalar: 5, bytes: { "/": { bytes: "AAECAw" } } } },
    site: { "/": linked.directory },
    "odd key/ü": "x",
    nothing: null,
  };
  const places: Place[] = [];
  for (const codec of ["dag-cbor", "dag-json"] as const) {
    const cid = await putDag(kubo, document, codec);
    const path = `/ipfs/${cid}`;
    places.push(
      { path, kind: codec, cid },
      { path: `${path}/list/1`, kind: "dag-cbor", cid: leaf },
      { path: `${path}/nested/deeper/file`, kind: "file", cid: linked.file, size: 15 },
      { path: `${path}/site`, kind: "index", cid: linked.directory },
      { path: `${path}/site/img/logo.png`, kind: "file" },
      { path: `${path}/list/1/number`, kind: "field" },
      { path: `${path}/nested`, kind: "field" },
      { path: `${path}/list`, kind: "field" },
      { path: `${path}/nested/deeper/scalar`, kind: "field" },
      { path: `${path}/nested/absent`, kind: "missing" },
      { path: `${path}/list/9`, kind: "missing" },
      { path: `${path}/nothing`, kind: "field" },
    );
  }
  const json = await putBlock(kubo, Buffer.from('{"plain": ["json", 1.5]}'), "json");
  const cbor = await putBlock(kubo, Buffer.from("a164746578746163", "hex"), "cbor");
  places.push(
    { path: `/ipfs/${json}`, kind: "json", cid: json },
    { path: `/ipfs/${cbor}`, kind: "cbor", cid: cbor },
  );
  return places;
}

/** The same content by CIDs that are written otherwise. */
async function otherSpellings(kubo: Kubo, cids: readonly string[]): Promise<Place[]> {
  const places: Place[] = [];
  for (const cid of cids) {
    for (const base of ["base16", "base36", "base58btc", "base64url", "base32upper"]) {
      const { Formatted } = await kubo.json<{ Formatted: string }>(`cid/format?arg=${cid}&b=${base}`);
      places.push({ path: `/ipfs/${Formatted}`, kind: "file", cid });
    }
  }
  return places;
}

/** DAGs of which some blocks are held nowhere. */
async function makeIncomplete(kubo: Kubo, random: Random): Promise<Place[]> {
  const bytes = random.bytes(8 * 1024);
  const file = await kubo.add(bytes, "cid-version=1&chunker=size-1024&pin=false");
  const fileBlocks = await linksOf(kubo, file);
  await removeBlocks(kubo, fileBlocks.slice(4, 5));
  const tree = await addTree(
    kubo,
    {
      "here.txt": Buffer.from("here\n"),
      "gone.txt": Buffer.from("gone for good\n"),
      "sub/far.txt": Buffer.from("far\n"),
    },
    "cid-version=1",
  );
  const gone = tree.find(({ path }) => path.endsWith("/gone.txt"));
  await removeBlocks(kubo, [gone?.cid ?? ""]);
  const many = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`lost-${i}.txt`, Buffer.from(`lost content ${i}\n`)]),
  );
  const shards = await addTree(kubo, many, "cid-version=1&max-directory-links=8&max-hamt-fanout=8");
  const root = shards.find(({ kind }) => kind === "sharded")?.cid ?? "";
  await removeBlocks(kubo, (await linksOf(kubo, root)).slice(2, 3));
  const absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
  return [
    { path: `/ipfs/${file}`, kind: "file", cid: file, size: bytes.byteLength },
    ...tree,
    ...shards.filter((_, index) => index % 4 === 0),
    { path: `/ipfs/${root}`, kind: "sharded", cid: root },
    { path: `/ipfs/${absent}`, kind: "missing" },
    { path: `/ipfs/${absent}/a/b`, kind: "missing" },
    { path: "/ipfs/QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR", kind: "missing" },
  ];
}

async function linksOf(kubo: Kubo, cid: string): Promise<string[]> {
  const { Links } = await kubo.json<{ Links: { Hash: { "/": string } }[] }>(
    `dag/get?arg=${cid}&output-codec=dag-json`,
  );
  return Links.map(({ Hash }) => Hash["/"]);
}

async function removeBlocks(kubo: Kubo, cids: readonly string[]): Promise<void> {
  for (const cid of cids) await (await kubo.rpc(`block/rm?arg=${cid}`)).text();
}

async function putDag(kubo: Kubo, value: unknown, codec: string): Promise<string> {
  const bytes = Buffer.from(JSON.stringify(value));
  const { Cid } = await kubo.json<{ Cid: { "/": string } }>(
    `dag/put?input-codec=dag-json&store-codec=${codec}`,
    { bytes },
  );
  return Cid["/"];
}
