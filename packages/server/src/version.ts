import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** Holdfast's version, from the package that this file is in: the same path from source and from the build. */
export const HOLDFAST_VERSION = (require("../package.json") as { version: string }).version;
