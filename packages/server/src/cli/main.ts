#!/usr/bin/env node
import { Command, InvalidArgumentError } from "commander";
import { parseDuration } from "./duration.ts";

function duration(text: string): number {
  try {
    return parseDuration(text);
  } catch (err) {
    throw new InvalidArgumentError(err instanceof Error ? err.message : String(err));
  }
}

function wholeNumber(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw new InvalidArgumentError("not a whole number");
  return BigInt(text);
}

const program = new Command("holdfast")
  .description("Caching node for IPFS and IPNS")
  .configureHelp({ showGlobalOptions: true });

program
  .command("serve")
  .description("run the node (settings: docs/CONFIGURATION.md)")
  .option("--config <file>", "settings file", "holdfast.yaml")
  .action(async (options: { config: string }) => {
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
  .option("--lifetime <duration>", "how long the record is valid", duration, parseDuration("48h"))
  .option("--ttl <duration>", "how long it may be cached", duration, parseDuration("60s"))
  .option("--out <file>", "where to write the record; default: {name}.ipns-record")
  .option("--put <url>", "put it to this node, e.g. http://127.0.0.1:9080")
  .action(async (options: import("./name-create.ts").NameCreateOptions) => {
    const { createName } = await import("./name-create.ts");
    await createName(options);
  });

program
  .command("doctor")
  .description("look at a Kubo: what is wrong, why it hurts, how to mend it")
  .option("--rpc <url>", "Kubo's RPC; with a login: http://user:password@host:port", "http://127.0.0.1:5001")
  .option("--apply", "set what loses no data and opens nothing; the rest is printed only", false)
  .option("--json", "print JSON", false)
  .addHelpText("after", "\nExit code: 0 nothing critical, 1 something critical, 2 no answer from Kubo.")
  .action(async (options: import("./doctor.ts").DoctorOptions) => {
    const { examine } = await import("./doctor.ts");
    process.exitCode = await examine(options, (text) => process.stdout.write(text));
  });

try {
  await program.parseAsync();
} catch (err) {
  // What a person typed or configured wrong is a message, not a stack trace; a bug shows itself.
  const expected = err instanceof Error && ["ConfigError", "HoldfastError", "CliError"].includes(err.name);
  process.stderr.write(
    `holdfast: ${expected ? err.message : err instanceof Error ? err.stack : String(err)}\n`,
  );
  process.exitCode = 1;
}
