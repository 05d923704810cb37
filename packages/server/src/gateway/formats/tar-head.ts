const BLOCK_BYTES = 512;
const NAME_BYTES_MAX = 100;
/** What eleven octal digits hold. */
const OCTAL_SIZE_MAX = 0o77777777777;

export type TarEntry = {
  /** Without a slash at its end. */
  readonly path: string;
  /** Permissions. */
  readonly mode: number;
  readonly mtimeMs: number;
} & (
  | { readonly kind: "file"; readonly size: number }
  | { readonly kind: "directory" }
  | { readonly kind: "symlink"; readonly linkTarget: string }
);

const TYPE_FLAG = { file: "0", symlink: "2", directory: "5", pax: "x" } as const;

/**
 * The head of an entry: ustar, with a pax head before it for what ustar cannot say (long or non-ASCII names, huge files).
 *
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06
 */
export function tarHead(entry: TarEntry): Uint8Array {
  const path = entry.kind === "directory" ? `${entry.path}/` : entry.path;
  const linkTarget = entry.kind === "symlink" ? entry.linkTarget : "";
  const size = entry.kind === "file" ? entry.size : 0;
  const pax = [
    ...(fitsUstar(path) ? [] : [paxRecord("path", path)]),
    ...(fitsUstar(linkTarget) ? [] : [paxRecord("linkpath", linkTarget)]),
    ...(size <= OCTAL_SIZE_MAX ? [] : [paxRecord("size", String(size))]),
  ].join("");
  const mtimeS = Math.floor(entry.mtimeMs / 1000);
  const head = ustar({ path, linkTarget, size, mode: entry.mode, mtimeS, flag: TYPE_FLAG[entry.kind] });
  if (pax === "") return head;
  const body = Buffer.from(pax, "utf8");
  const paxHead = ustar({
    path: "PaxHeaders.0/entry",
    linkTarget: "",
    size: body.byteLength,
    mode: 0o644,
    mtimeS: 0,
    flag: TYPE_FLAG.pax,
  });
  return Buffer.concat([paxHead, body, tarPadding(body.byteLength), head]);
}

/** What fills the last block of a file of this size. */
export function tarPadding(size: number): Uint8Array {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** Two empty blocks end an archive. */
export function tarEnd(): Uint8Array {
  return Buffer.alloc(2 * BLOCK_BYTES);
}

function ustar(fields: {
  readonly path: string;
  readonly linkTarget: string;
  readonly size: number;
  readonly mode: number;
  readonly mtimeS: number;
  readonly flag: string;
}): Uint8Array {
  const head = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number): void => {
    const text = Math.min(Math.max(0, value), 8 ** digits - 1).toString(8);
    head.write(`${text.padStart(digits, "0")}\0`, at, "latin1");
  };
  // Readers take the pax head's word for what is cut off here.
  head.write(asciiOf(fields.path), 0, NAME_BYTES_MAX, "latin1");
  octal(fields.mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(fields.size, 124, 11);
  octal(fields.mtimeS, 136, 11);
  head.write("        ", 148, "latin1");
  head.write(fields.flag, 156, "latin1");
  head.write(asciiOf(fields.linkTarget), 157, NAME_BYTES_MAX, "latin1");
  head.write("ustar\u000000", 257, "latin1");
  const checksum = head.reduce((sum, byte) => sum + byte, 0);
  head.write(`${checksum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return head;
}

function fitsUstar(text: string): boolean {
  return text.length <= NAME_BYTES_MAX && /^[\x20-\x7e]*$/.test(text);
}

function asciiOf(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "_");
}

/** `length key=value\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest, "utf8");
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length !== length) length = bytes + String(length).length;
  return `${length}${rest}`;
}
