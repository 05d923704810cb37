import type { CID } from "multiformats/cid";
import { RAW } from "../codecs.ts";
import { typeOfName } from "../content-type.ts";

/** A hint at what an entry is; only reading it would tell. */
export type FileKind = "folder" | "file" | "text" | "image" | "audio" | "video" | "archive" | "code";

const ARCHIVE = /zip|tar|gzip|bzip2|car$/;
const CODE = /javascript|json|xml|css|wasm|yaml/;

/** What the name and the codec let one expect: a block without links is no folder, and folders seldom have an extension. */
export function kindOfEntry(name: string, cid: CID): FileKind {
  const type = typeOfName(name);
  if (type === undefined) return cid.code === RAW || name.includes(".") ? "file" : "folder";
  if (type.startsWith("image/")) return "image";
  if (type.startsWith("audio/")) return "audio";
  if (type.startsWith("video/")) return "video";
  if (ARCHIVE.test(type)) return "archive";
  if (CODE.test(type)) return "code";
  return type.startsWith("text/") || type === "application/pdf" ? "text" : "file";
}

const SHEET = "M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8zM14 3v5h5";

/** Drawn with a stroke of the current colour on a square of 24. */
export const ICON_PATHS: Readonly<Record<FileKind | "up", string>> = {
  up: "M9 10l-5 5 5 5M4 15h11a5 5 0 0 0 5-5V4",
  folder: "M3 7a2 2 0 0 1 2-2h4l2 3h8a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z",
  file: SHEET,
  text: `${SHEET}M9 13h6M9 17h4`,
  image:
    "M5 4h14a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2zM3 16l5-5 4 4 3-3 6 6M15.5 8.5h.01",
  audio: "M9 18V5l11-2v13M6 21a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM17 19a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  video: "M4 5h11a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2zM17 10l5-3v10l-5-3",
  archive: "M4 8h16v11a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2zM3 4h18v4H3zM10 12h4",
  code: "M8 8l-4 4 4 4M16 8l4 4-4 4M13 6l-2 12",
};
