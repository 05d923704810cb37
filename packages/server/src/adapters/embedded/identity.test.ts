import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../test/support/start-embedded.ts";
import { loadIdentity } from "./identity.ts";

describe("loadIdentity", () => {
  it("makes a key once, in a folder that it makes too, and gives the same one afterwards", async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "made", "node.key");
    const first = await loadIdentity(file);
    expect((await loadIdentity(file)).equals(first)).toBe(true);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder.path, "made"))).toEqual(["node.key"]);
  });

  it("replaces what a crash left of a key that was never finished", async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "node.key");
    await writeFile(`${file}.tmp`, "half a", { mode: 0o644 });
    await loadIdentity(file);
    expect(await readdir(folder.path)).toEqual(["node.key"]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it("fails on a damaged key instead of becoming somebody else", async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "node.key");
    for (const damaged of ["", "not a key"]) {
      await writeFile(file, damaged);
      await expect(loadIdentity(file)).rejects.toThrow("does not hold a libp2p private key");
    }
  });
});
