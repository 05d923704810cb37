/** Extension → media type, for what the web uses. Text says its charset; HTML does not, so that its own `meta` counts. */
const TYPE_BY_EXTENSION: Readonly<Record<string, string>> = {
  aac: "audio/aac",
  apng: "image/apng",
  avif: "image/avif",
  bin: "application/octet-stream",
  bmp: "image/bmp",
  bz2: "application/x-bzip2",
  car: "application/vnd.ipld.car",
  cjs: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  csv: "text/csv; charset=utf-8",
  doc: "application/msword",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  epub: "application/epub+zip",
  flac: "audio/flac",
  gif: "image/gif",
  glb: "model/gltf-binary",
  gltf: "model/gltf+json",
  gz: "application/gzip",
  htm: "text/html",
  html: "text/html",
  ico: "image/vnd.microsoft.icon",
  ics: "text/calendar; charset=utf-8",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  jsonld: "application/ld+json",
  jxl: "image/jxl",
  m3u8: "application/vnd.apple.mpegurl",
  m4a: "audio/mp4",
  m4v: "video/mp4",
  map: "application/json",
  md: "text/markdown; charset=utf-8",
  mid: "audio/midi",
  mjs: "text/javascript; charset=utf-8",
  mkv: "video/x-matroska",
  mov: "video/quicktime",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  mpeg: "video/mpeg",
  mpg: "video/mpeg",
  oga: "audio/ogg",
  ogg: "audio/ogg",
  ogv: "video/ogg",
  opus: "audio/ogg",
  otf: "font/otf",
  pdf: "application/pdf",
  png: "image/png",
  rss: "application/rss+xml",
  rtf: "application/rtf",
  svg: "image/svg+xml",
  tar: "application/x-tar",
  tif: "image/tiff",
  tiff: "image/tiff",
  ts: "video/mp2t",
  ttf: "font/ttf",
  txt: "text/plain; charset=utf-8",
  vtt: "text/vtt; charset=utf-8",
  wasm: "application/wasm",
  wav: "audio/wav",
  weba: "audio/webm",
  webm: "video/webm",
  webmanifest: "application/manifest+json",
  webp: "image/webp",
  woff: "font/woff",
  woff2: "font/woff2",
  xhtml: "application/xhtml+xml",
  xml: "text/xml; charset=utf-8",
  yaml: "application/yaml",
  yml: "application/yaml",
  zip: "application/zip",
};

/** As much of a file as its type is guessed from. */
export const SNIFF_BYTES = 512;

/** For bytes of which nothing is known. */
export const UNKNOWN_TYPE = "application/octet-stream";

/** The type that a file name's extension says, or undefined. */
export function typeOfName(name: string): string | undefined {
  const [, extension] = /\.([a-z0-9]{1,11})$/i.exec(name) ?? [];
  const type = extension?.toLowerCase();
  return type !== undefined && Object.hasOwn(TYPE_BY_EXTENSION, type) ? TYPE_BY_EXTENSION[type] : undefined;
}

/** Bytes at an offset → type. A `?` matches any byte. */
const SIGNATURES: readonly { readonly at: number; readonly magic: string; readonly type: string }[] = [
  { at: 0, magic: "\x89PNG\r\n\x1a\n", type: "image/png" },
  { at: 0, magic: "\xff\xd8\xff", type: "image/jpeg" },
  { at: 0, magic: "GIF87a", type: "image/gif" },
  { at: 0, magic: "GIF89a", type: "image/gif" },
  { at: 0, magic: "RIFF????WEBP", type: "image/webp" },
  { at: 0, magic: "RIFF????WAVE", type: "audio/wav" },
  { at: 0, magic: "\x00\x00\x01\x00", type: "image/vnd.microsoft.icon" },
  { at: 0, magic: "%PDF-", type: "application/pdf" },
  { at: 4, magic: "ftypavif", type: "image/avif" },
  { at: 4, magic: "ftypM4A ", type: "audio/mp4" },
  { at: 4, magic: "ftypqt  ", type: "video/quicktime" },
  { at: 4, magic: "ftyp", type: "video/mp4" },
  { at: 0, magic: "\x1a\x45\xdf\xa3", type: "video/webm" },
  { at: 0, magic: "OggS\x00", type: "application/ogg" },
  { at: 0, magic: "ID3", type: "audio/mpeg" },
  { at: 0, magic: "fLaC", type: "audio/flac" },
  { at: 0, magic: "PK\x03\x04", type: "application/zip" },
  { at: 0, magic: "\x1f\x8b\x08", type: "application/gzip" },
  { at: 0, magic: "\x00asm", type: "application/wasm" },
  { at: 0, magic: "wOFF", type: "font/woff" },
  { at: 0, magic: "wOF2", type: "font/woff2" },
];

/**
 * Guesses the type from the first {@link SNIFF_BYTES} of a file, after the rules of mimesniff for what the web shows; and JSON,
 * which clients want named. Fewer bytes are a whole file.
 */
export function sniffType(head: Uint8Array): string {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, SNIFF_BYTES)).toString(
    "latin1",
  );
  const signature = SIGNATURES.find(({ at, magic }) => hasMagic(text, at, magic));
  if (signature !== undefined) return signature.type;
  // eslint-disable-next-line no-control-regex -- control characters are what tells binary from text
  if (/[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]/.test(text)) return UNKNOWN_TYPE;
  if (looksLikeJson(text, head.byteLength < SNIFF_BYTES)) return "application/json";
  const start = text
    .replace(/^\xef\xbb\xbf/, "")
    .trimStart()
    .toLowerCase();
  if (
    /^<(?:!doctype html|html|head|body|script|iframe|h1|div|font|table|a|style|title|b|br|p|!--)[\s>]/.test(
      start,
    )
  ) {
    return "text/html";
  }
  if (/^<svg[\s>]/.test(start)) return "image/svg+xml";
  if (start.startsWith("<?xml")) return /<svg[\s>]/.test(start) ? "image/svg+xml" : "text/xml; charset=utf-8";
  return "text/plain; charset=utf-8";
}

function hasMagic(text: string, at: number, magic: string): boolean {
  if (text.length < at + magic.length) return false;
  for (let i = 0; i < magic.length; i++) {
    if (magic[i] !== "?" && magic[i] !== text[at + i]) return false;
  }
  return true;
}

/** One JSON token with the white space before it: `1` opens, `2` closes. */
const JSON_TOKEN =
  /\s*(?:([{[])|([}\]])|[,:]|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|true|false|null)/iy;
/** The end of the head may cut a token. */
const CUT_JSON_TOKEN = /^\s*(?:"(?:[^"\\]|\\.)*\\?|-?[\d.e+-]*|[a-z]{0,4})$/i;

/** Whether the text is, or could be the beginning of, one JSON object or list. Nothing else of JSON can be told from text. */
function looksLikeJson(text: string, isWhole: boolean): boolean {
  if (!/^\s*[{[]/.test(text)) return false;
  if (isWhole) return isJson(text);
  let depth = 0;
  JSON_TOKEN.lastIndex = 0;
  for (let at = 0; at < text.length; at = JSON_TOKEN.lastIndex) {
    const [token, opens, closes] = JSON_TOKEN.exec(text) ?? [];
    if (token === undefined) return CUT_JSON_TOKEN.test(text.slice(at));
    // It is over, and something follows: lines of JSON, or a program.
    if (depth === 0 && at > 0) return false;
    if (opens !== undefined) depth++;
    if (closes !== undefined) depth--;
  }
  return true;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // That it is not JSON is the answer.
    return false;
  }
}
