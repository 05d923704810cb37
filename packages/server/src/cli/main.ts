#!/usr/bin/env node
import { Command, InvalidArgumentError, Option } from "commander";
import { CliError } from "./cli-error.ts";
import { parseDuration } from "./duration.ts";
import { adminUrlOf } from "./node-client.ts";
import { addPinCommands } from "./pin-commands.ts";
import { HOLDFAST_VERSION } from "../version.ts";

type DoctorCommandOptions = import("./doctor.ts").DoctorOptions &
  Omit<import("./doctor-name.ts").DoctorNameOptions, "name" | "node"> & {
    readonly name?: string;
    readonly node?: string;
  };
type GcCommandOptions = Omit<import("./gc.ts").GcOptions, "admin"> & { readonly admin?: string };

const ADMIN_LISTENER = "the node's admin listener; default: HOLDFAST_ADMIN_LISTEN, else 127.0.0.1:9081";

function duration(text: string): number {
  try {
    return parseDuration(text);
  } catch (err) {
    throw new InvalidArgumentError(err instanceof Error ? err.message : String(err));
  }
}

/** The help shows the default as it would be written. */
function durationOption(flags: string, description: string, fallback: string): Option {
  return new Option(flags, description).argParser(duration).default(parseDuration(fallback), fallback);
}

function wholeNumber(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw new InvalidArgumentError("not a whole number");
  return BigInt(text);
}

const program = new Command("holdfast")
  .description("Caching node for IPFS and IPNS")
  .version(HOLDFAST_VERSION, "-V, --version", "print the version")
  .configureHelp({ showGlobalOptions: true });

program
  .command("serve")
  .description("run the node (settings: docs/CONFIGURATION.md)")
  .option("--config <file>", "settings file; default: holdfast.yaml, if there is one")
  .action(async (options: { config?: string }) => {
    const { serve } = await import("./serve.ts");
    await serve(options);
  });

const name = program.command("name").description("IPNS names");

name
  .command("create")
  .description("sign a record for a name; makes the key on first use")
  .requiredOption("--key <file>", "private key file (libp2p protobuf, as `ipfs key export` writes it)")
  .requiredOption("--value <path>", "what the name shall point to, e.g. /ipfs/bafy…")
  .option(
    "--sequence <n>",
    "the record's sequence; default: one above the node's with --put, else 0",
    wholeNumber,
  )
  .addOption(durationOption("--lifetime <duration>", "how long the record is valid", "48h"))
  .addOption(durationOption("--ttl <duration>", "how long it may be cached", "60s"))
  .option("--out <file>", "where to write the record; default: {name}.ipns-record")
  .option("--put <url>", "put it to this node, e.g. http://127.0.0.1:9080")
  .action(async (options: import("./name-create.ts").NameCreateOptions) => {
    const { createName } = await import("./name-create.ts");
    await createName(options);
  });

name
  .command("inspect")
  .description("what a node knows about a name, or what is in a record file and whether it is valid")
  .argument("[name]", "in any spelling; may be left out for a record that embeds its key")
  .option("--url <url>", "the node", "http://127.0.0.1:9080")
  .option("--history", "also the records that were current before", false)
  .option("--at <instant>", "as of then: RFC 3339, or milliseconds since 1970")
  .option("--json", "print JSON", false)
  .option("--record <file>", "decode and validate this record instead of asking a node; - for standard input")
  .action(async (text: string | undefined, options: import("./name-inspect.ts").NameInspectOptions) => {
    const { inspectName } = await import("./name-inspect.ts");
    process.exitCode = await inspectName(text, options, (part) => process.stdout.write(part));
  });

program
  .command("doctor")
  .description(
    "look at a Kubo: what is wrong, why it hurts, how to mend it; or at a name: who says what, who wins",
  )
  .option("--rpc <url>", "Kubo's RPC; with a login: http://user:password@host:port", "http://127.0.0.1:5001")
  .option("--apply", "set what loses no data and opens nothing; the rest is printed only", false)
  .option("--name <name>", "compare what a node's memory, disk and each router say of this name")
  .option("--node <url>", `with --name: ${ADMIN_LISTENER}`)
  .option("--json", "print JSON", false)
  .addHelpText(
    "after",
    "\nExit code: 0 nothing critical, or all agree on the name; 1 something critical, or they do not; 2 no answer.",
  )
  .action(async (options: DoctorCommandOptions) => {
    const { name: examined } = options;
    if (examined !== undefined) {
      const { examineName } = await import("./doctor-name.ts");
      const node = adminUrlOf(options.node);
      process.exitCode = await examineName({ ...options, node, name: examined }, (text) =>
        process.stdout.write(text),
      );
      return;
    }
    const { examine } = await import("./doctor.ts");
    process.exitCode = await examine(options, (text) => process.stdout.write(text));
  });

program
  .command("gc")
  .description("find what nothing needs in a node's vault; deletes nothing unless --delete is given")
  .option("--admin <url>", ADMIN_LISTENER)
  .option("--delete", "delete it", false)
  .option("--json", "print JSON", false)
  .addHelpText("after", "\nExit code: 0 done, 1 refused, cancelled or broken off, 2 no answer.")
  .action(async (options: GcCommandOptions) => {
    const { collectGarbage } = await import("./gc.ts");
    const interrupted = new AbortController();
    process.once("SIGINT", () => interrupted.abort());
    process.exitCode = await collectGarbage(
      { ...options, admin: adminUrlOf(options.admin) },
      (text) => process.stdout.write(text),
      interrupted.signal,
    );
  });

addPinCommands(program);

try {
  await program.parseAsync();
} catch (err) {
  // What a person typed or configured wrong is a message, not a stack trace; a bug shows itself.
  const expected = err instanceof Error && ["ConfigError", "HoldfastError", "CliError"].includes(err.name);
  process.stderr.write(
    `holdfast: ${expected ? err.message : err instanceof Error ? err.stack : String(err)}\n`,
  );
  process.exitCode = err instanceof CliError ? err.exitCode : 1;
}
