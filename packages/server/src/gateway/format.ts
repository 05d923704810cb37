import { HoldfastError } from "@holdfast/core";

/** Representations that are made here. `default` is the file, the directory's index or its listing. */
export type Format = "default" | "raw";

const MEDIA_TYPE_BY_FORMAT: Readonly<Record<string, string>> = {
  raw: "application/vnd.ipld.raw",
  car: "application/vnd.ipld.car",
  tar: "application/x-tar",
  "dag-json": "application/vnd.ipld.dag-json",
  "dag-cbor": "application/vnd.ipld.dag-cbor",
  json: "application/json",
  cbor: "application/cbor",
  "ipns-record": "application/vnd.ipfs.ipns-record",
};

/** What begins with these selects a format; `text/html`, an asterisk and the like do not. */
const FORMAT_TYPE_PREFIXES = [
  "application/vnd.ipld",
  "application/vnd.ipfs",
  "application/x-tar",
  "application/json",
  "application/cbor",
];

/**
 * Chooses the representation: `?format=` beats `Accept`, of which the first listed type that names a format counts (boxo's
 * rule; quality values are ignored). An unknown `?format=` is ignored.
 *
 * @throws HoldfastError `NOT_ACCEPTABLE` for a format that is known but not made here, `INVALID_ARGUMENT` for an unknown
 *   `application/vnd.…` type.
 * @see protocols.md §4.3
 */
export function selectFormat(query: URLSearchParams, accept: string | undefined): Format {
  const wanted = query.get("format");
  if (wanted !== null && Object.hasOwn(MEDIA_TYPE_BY_FORMAT, wanted)) return offered(wanted);
  const type = (accept ?? "")
    .split(",")
    .map((item) => item.split(";", 1).join("").trim().toLowerCase())
    .find((item) => FORMAT_TYPE_PREFIXES.some((prefix) => item.startsWith(prefix)));
  if (type === undefined) return "default";
  const [format] = Object.entries(MEDIA_TYPE_BY_FORMAT).find(([, mediaType]) => mediaType === type) ?? [];
  if (format === undefined) throw new HoldfastError("INVALID_ARGUMENT", `unknown media type "${type}"`);
  // A file that is JSON is asked for with `Accept: application/json` by many clients: its own bytes are the answer.
  return format === "json" || format === "cbor" ? "default" : offered(format);
}

function offered(format: string): Format {
  if (format === "raw") return "raw";
  throw new HoldfastError(
    "NOT_ACCEPTABLE",
    `the format "${format}" is not offered; try ?format=raw for the block`,
  );
}
