import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The stories run the built product, as a user does; a stale build would test yesterday's code. */
export function setup(): void {
  execFileSync("npm", ["run", "--silent", "build"], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    stdio: "inherit",
  });
}
