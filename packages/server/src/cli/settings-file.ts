import { readFile } from "node:fs/promises";
import { ConfigError } from "../config/config.ts";

const DEFAULT_FILE = "holdfast.yaml";

/**
 * The text of the settings file. The default one may be missing; one that somebody named may not: with a typing error in its
 * path the node would run on the defaults, on another network and with another data folder.
 *
 * @param file undefined: `holdfast.yaml` in the working directory.
 * @throws ConfigError when it cannot be read.
 */
export async function readSettingsFile(file: string | undefined): Promise<string | undefined> {
  try {
    return await readFile(file ?? DEFAULT_FILE, "utf8");
  } catch (err) {
    if (file === undefined && err instanceof Error && "code" in err && err.code === "ENOENT")
      return undefined;
    const reason = err instanceof Error ? err.message : String(err);
    throw new ConfigError([`${file === undefined ? DEFAULT_FILE : "--config"}: ${reason}`]);
  }
}
