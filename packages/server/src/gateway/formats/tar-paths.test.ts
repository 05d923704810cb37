import fc from "fast-check";
import { expect, test } from "vitest";
import { TarPaths } from "./tar-paths.ts";

test.for([
  [[], "root"],
  [["a"], "root/a"],
  [["a", "b c"], "root/a/b c"],
  [["foobar", "directory", "../file"], "root/foobar/file"],
  [["a", "./b/"], "root/a/b"],
  [["a", "x/../../b"], "root/b"],
] as const)("%j is written to %s", ([names, path]) => {
  expect(new TarPaths("root").add(names, "file")).toBe(path);
});

test.for([
  [["../foo"]],
  [["a", "../../foo"]],
  [["../root/x"]],
  [["a", ".."]],
  [["."]],
  [[""]],
  [["../rootless"]],
  [["nul\0byte"]],
] as const)("%j would leave the root and is refused", ([names]) => {
  expect(() => new TarPaths("root").add(names, "file")).toThrow(
    expect.objectContaining({ code: "CONTENT_UNSUPPORTED" }),
  );
});

test("nothing is written through a symlink of the same archive", () => {
  const paths = new TarPaths("root");
  paths.add(["link"], "symlink");
  for (const names of [["link"], ["link", "passwd"], ["a", "../link/x"]]) {
    expect(() => paths.add(names, "file")).toThrow(/outside the root/);
  }
  expect(paths.add(["link2"], "file")).toBe("root/link2");
});

test("whatever the names, a path lies below the root or is refused", () => {
  const name = fc
    .array(fc.constantFrom("..", ".", "/", "a", "b", "root"), { maxLength: 5 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (names) => {
      const path = pathOrUndefined(names);
      if (path === undefined) return;
      expect(path.startsWith("root/")).toBe(true);
      expect(path.split("/").some((part) => ["", ".", ".."].includes(part))).toBe(false);
    }),
    { numRuns: 3000, seed: 3 },
  );
});

function pathOrUndefined(names: readonly string[]): string | undefined {
  try {
    return new TarPaths("root").add(names, "file");
  } catch {
    // Refused, which is always safe.
    return undefined;
  }
}
