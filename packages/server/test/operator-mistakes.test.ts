import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createName, type NameCreateOptions } from "../src/cli/name-create.ts";
import { readSettingsFile } from "../src/cli/settings-file.ts";
import { readConfig } from "../src/config/config.ts";
import { type Holdfast, startHoldfast } from "../src/holdfast.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { startHttp } from "./support/start-http.ts";

function makeFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "holdfast-mistakes-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function start(env: Readonly<Record<string, string>>): Promise<Holdfast> {
  const config = readConfig({
    HOLDFAST_NETWORK: "offline",
    HOLDFAST_PUBLIC_LISTEN: "127.0.0.1:0",
    HOLDFAST_ADMIN_LISTEN: "127.0.0.1:0",
    ...env,
  });
  return startHoldfast(config, { logger: createLogger("silent"), onFatal: () => undefined });
}

test("a settings file that was named must be there; only the default one may be missing", async () => {
  const folder = makeFolder();
  const file = join(folder, "node.yaml");
  await expect(readSettingsFile(file)).rejects.toMatchObject({
    name: "ConfigError",
    problems: [expect.stringMatching(/^--config: ENOENT.*node\.yaml/)],
  });
  await expect(readSettingsFile(folder)).rejects.toMatchObject({ name: "ConfigError" });
  writeFileSync(file, "network: lan\n");
  expect(await readSettingsFile(file)).toBe("network: lan\n");
});

test("a port that is taken and a data folder that cannot be made are named by their variables", async () => {
  const folder = makeFolder();
  await using first = await start({ HOLDFAST_DATA_DIR: join(folder, "first") });
  const taken = new URL(first.publicUrl).host;
  for (const variable of ["HOLDFAST_PUBLIC_LISTEN", "HOLDFAST_ADMIN_LISTEN"]) {
    await expect(
      start({ HOLDFAST_DATA_DIR: join(folder, "second"), [variable]: taken }),
    ).rejects.toMatchObject({
      name: "ConfigError",
      problems: [expect.stringMatching(new RegExp(`^${variable}: .*EADDRINUSE`))],
    });
  }
  const file = join(folder, "file");
  writeFileSync(file, "");
  await expect(start({ HOLDFAST_DATA_DIR: file })).rejects.toMatchObject({
    name: "ConfigError",
    problems: [expect.stringMatching(/^HOLDFAST_DATA_DIR: EEXIST/)],
  });
});

test("name create: a file that is not to be had, and a node that is none, are messages and no bugs", async () => {
  const folder = makeFolder();
  const create = (options: Partial<NameCreateOptions>): Promise<void> =>
    createName({
      key: join(folder, "site.key"),
      value: "/ipfs/bafkqaaa",
      lifetime: 60_000,
      ttl: 60_000,
      ...options,
    });
  const out = join(folder, "record");
  const cases: readonly (readonly [Partial<NameCreateOptions>, RegExp])[] = [
    [{ put: "nonsense", out }, /^--put: nonsense is not the http:\/\/ URL of a node$/],
    [{ key: join(folder, "nowhere", "k"), out }, /^--key: ENOENT/],
    [{ key: folder, out }, /^--key: EISDIR/],
    [{ out: join(folder, "nowhere", "r") }, /^--out: ENOENT/],
  ];
  for (const [options, message] of cases) {
    // Each is refused before it makes a file; only the last one has made its key by then.
    expect(readdirSync(folder)).toEqual([]);
    await expect(create(options)).rejects.toMatchObject({
      name: "CliError",
      message: expect.stringMatching(message),
    });
  }
  expect(readdirSync(folder)).toEqual(["site.key"]);
});

test("name create: what the node says against a record is shown as a sentence", async () => {
  const folder = makeFolder();
  await using node = await startHttp();
  const create = (sequence: bigint): Promise<void> =>
    createName({
      key: join(folder, "site.key"),
      value: "/ipfs/bafkqaaa",
      sequence,
      lifetime: 60_000_000,
      ttl: 60_000,
      out: join(folder, "record"),
      put: node.url,
    });
  await create(5n);
  await expect(create(4n)).rejects.toMatchObject({
    name: "CliError",
    message: expect.stringMatching(/^the node refused the record: 4\d\d [^{}\n]*sequence 5 wins[^{}\n]*$/),
  });
});
