/**
 * House rules that no linter checks for us: who may import whom, how long a file may get, and that the documents name
 * what the code has. Needs no tool but Node.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { SETTINGS } from "./packages/server/src/config/settings.ts";
import { Metrics } from "./packages/server/src/telemetry/metrics.ts";

const ROOMS = ["records", "content", "gateway", "pins", "announce"];
const FILE_LINES_MAX = 400;
const SERVER = "packages/server/src";

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Every static and dynamic import in our sources, types included; `to` is a path for ours, a bare specifier otherwise. */
function importsIn(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  const found = [
    ...text.matchAll(/^(?:import|export)\b[^;'"]*?['"]([^'"]+)['"]/gm),
    ...text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g),
  ];
  return found.map(([, specifier = ""]) => ({
    from: file,
    to: specifier.startsWith(".") ? normalize(join(dirname(file), specifier)) : specifier,
  }));
}

/** The first folder under packages/server/src, e.g. 'records' or 'adapters'; '' for the files beside them. */
function roomOf(path: string): string | undefined {
  if (!path.startsWith(`${SERVER}/`)) return undefined;
  const parts = path.slice(SERVER.length + 1).split("/");
  return parts.length === 1 ? "" : parts[0];
}

const adapterOf = (path: string): string | undefined =>
  path.startsWith(`${SERVER}/adapters/`) ? path.slice(SERVER.length + 10).split("/")[0] : undefined;

/** What each folder of the server may import beside itself and core. What is not listed may import nothing of ours. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  config: [],
  telemetry: [],
  records: ["telemetry"],
  content: ["telemetry"],
  gateway: ["telemetry"],
  // What is pinned are DAGs: the walk over them and the stores of their blocks have their home in content.
  pins: ["telemetry", "content"],
  announce: ["telemetry"],
  doctor: [],
  http: ["telemetry", "config", ...ROOMS],
  adapters: ["telemetry", ...ROOMS],
  // The composition root, and the commands that start it or use its parts.
  "": ["telemetry", "config", "http", "adapters", "doctor", ...ROOMS],
  cli: ["telemetry", "config", "http", "adapters", "doctor", "", ...ROOMS],
};

/** What several adapters stand on: threads, requests to HTTP servers, files with secrets. */
const SHARED_ADAPTERS: ReadonlySet<string> = new Set([
  "threads",
  "concurrency",
  "http-client",
  "secret-file",
]);

/** A thread is a process of its own inside ours: its entry file composes the adapters it runs. */
const isThreadRoot = (path: string): boolean => path.endsWith("-thread.ts");

const FORBIDDEN: Record<string, (i: Import) => boolean> = {
  "core imports only core and isomorphic packages": (i) =>
    i.from.startsWith("packages/core/") &&
    (i.to.startsWith("node:") ||
      i.to.startsWith("@holdfast/") ||
      (i.to.startsWith("packages/") && !i.to.startsWith("packages/core/"))),
  "imports between the server's folders point inward": (i) => {
    const [from, to] = [roomOf(i.from), roomOf(i.to)];
    return from !== undefined && to !== undefined && to !== from && !(ALLOWED[from]?.includes(to) ?? false);
  },
  "an adapter imports no other adapter": (i) => {
    const [from, to] = [adapterOf(i.from), adapterOf(i.to)];
    const shared = (to !== undefined && SHARED_ADAPTERS.has(to)) || isThreadRoot(i.from);
    return from !== undefined && to !== undefined && to !== from && !shared;
  },
};

const sources = globSync("packages/*/src/**/*.ts").filter((f) => !f.endsWith(".test.ts"));
const imports = sources.flatMap(importsIn);

test("the scan sees our sources", () => {
  expect(sources.length).toBeGreaterThan(40);
  expect(imports).toContainEqual({
    from: `${SERVER}/records/records.ts`,
    to: `${SERVER}/records/record-store.ts`,
  });
});

test.each(Object.entries(FORBIDDEN))("%s", (_rule, isForbidden) => {
  expect(imports.filter(isForbidden).map((i) => `${i.from} → ${i.to}`)).toEqual([]);
});

test(`no source file is longer than ${FILE_LINES_MAX} lines`, () => {
  expect(sources.filter((f) => readFileSync(f, "utf8").split("\n").length > FILE_LINES_MAX)).toEqual([]);
});

test("docs/CONFIGURATION.md has a row for each setting and no other", () => {
  const rows = [...readFileSync("docs/CONFIGURATION.md", "utf8").matchAll(/^\| `(HOLDFAST_[A-Z_]+)`/gm)];
  const variables = Object.values(SETTINGS).map((setting) => setting.variable as string);
  expect(new Set(rows.map(([, variable]) => variable))).toEqual(new Set(variables));
});

test("docs/METRICS.md has a row for each counter and no other", () => {
  const rows = [...readFileSync("docs/METRICS.md", "utf8").matchAll(/^\| `([a-z]+\.[a-zA-Z]+)`/gm)];
  const counters = Object.entries(new Metrics()).flatMap(([room, counts]) =>
    Object.keys(counts as object).map((counter) => `${room}.${counter}`),
  );
  expect(new Set(rows.map(([, counter]) => counter))).toEqual(new Set(counters));
});

test("docs/HTTP-API.md explains each error code", () => {
  const codes = [...readFileSync("packages/core/src/errors.ts", "utf8").matchAll(/^\s*\| "([A-Z_]+)"/gm)];
  const documented = readFileSync("docs/HTTP-API.md", "utf8");
  expect(codes.length).toBeGreaterThan(10);
  expect(codes.map(([, code]) => code).filter((code) => !documented.includes(`\`${code}\``))).toEqual([]);
});

test("no TODO without an issue number", () => {
  const loose = sources.filter((f) => /TODO(?!\(#\d+\))/.test(readFileSync(f, "utf8")));
  expect(loose).toEqual([]);
});

test("tests wait with `until`, whose patience outlasts a busy machine", () => {
  const impatient = globSync(["e2e/**/*.ts", "conformance/**/*.ts", "packages/*/{src,test}/**/*.ts"]).filter(
    (f) =>
      !f.endsWith("test/support/until.ts") &&
      /\bvi\.wait(For|Until)\(|\bexpect\.poll\(/.test(readFileSync(f, "utf8")),
  );
  expect(impatient).toEqual([]);
});
