import { type Command, InvalidArgumentError } from "commander";
import { CliError } from "./cli-error.ts";
import { adminUrlOf } from "./node-client.ts";

const EXIT_CODES = `
Exit code: 0 done, and pinned where that was asked; 1 not pinned, dead, unknown or refused; 2 no node answered.
The admin listener is found by --admin, else HOLDFAST_ADMIN_LISTEN, else at 127.0.0.1:9081. With --json each line is JSON.`;

interface Shared {
  readonly admin?: string;
  readonly json: boolean;
}

const write = (text: string): void => void process.stdout.write(text);

function wholeNumber(text: string): bigint {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("not a whole number above 0");
  return BigInt(text);
}

/** What is done with these options is a module of its own, loaded when it is needed. */
function withShared(command: Command): Command {
  return command
    .option("--admin <url>", "the node's admin listener")
    .option("--json", "print JSON", false)
    .addHelpText("after", EXIT_CODES);
}

function resolved<T extends Shared>(options: T): Omit<T, "admin"> & { readonly admin: string } {
  return { ...options, admin: adminUrlOf(options.admin) };
}

/** Adds `pin add|rm|ls|status|retry|follow|unfollow`. */
export function addPinCommands(program: Command): void {
  const pin = program.command("pin").description("what a node keeps: pins, and names whose content is kept");

  withShared(pin.command("add").description("have roots pinned, with everything below them"))
    .argument("<cid...>")
    .option("--name <name>", "a name for people")
    .option("--wait", "until they are pinned, or given up", false)
    .action(async (cids: string[], options: Shared & { readonly name?: string; readonly wait: boolean }) => {
      const { addPins } = await import("./pin-add.ts");
      const interrupted = new AbortController();
      process.once("SIGINT", () => interrupted.abort());
      const terminal = {
        write,
        note: (text: string) => void process.stderr.write(text),
        isPerson: process.stderr.isTTY && !options.json,
      };
      process.exitCode = await addPins(cids, resolved(options), terminal, interrupted.signal);
    });

  withShared(pin.command("rm").description("take back what `pin add` asked for; what others want stays"))
    .argument("<cid>")
    .option("--unowned", "also what was written here, or asked for by pin/add, without a token", false)
    .action(async (cid: string, options: Shared & { readonly unowned: boolean }) => {
      const { removePin } = await import("./pin-add.ts");
      process.exitCode = await removePin(cid, resolved(options), write);
    });

  withShared(pin.command("ls").description("list pins, oldest first"))
    .option("--state <state>", "queued, stored, pinned, provided or dead")
    .option("--source <source>", "whose wish it was first: add, nostr, pin-list, follow, …")
    .action(async (options: Shared & { readonly state?: string; readonly source?: string }) => {
      const { listPins } = await import("./pin-show.ts");
      process.exitCode = await listPins(resolved(options), write);
    });

  withShared(pin.command("status").description("how far a pin is, who wants it, why it failed"))
    .argument("<cid>")
    .action(async (cid: string, options: Shared) => {
      const { showPin } = await import("./pin-show.ts");
      process.exitCode = await showPin(cid, resolved(options), write);
    });

  withShared(pin.command("retry").description("try a pin again now that failed or is dead"))
    .argument("[cid]")
    .option("--all-dead", "all that are dead", false)
    .action(async (cid: string | undefined, options: Shared & { readonly allDead: boolean }) => {
      if ((cid === undefined) !== options.allDead) throw new CliError("give a CID, or --all-dead");
      const { retryPins } = await import("./pin-show.ts");
      process.exitCode = await retryPins(cid, resolved(options), write);
    });

  withShared(
    pin.command("follow").description("pin what a name points to as it changes; without a name: list them"),
  )
    .argument("[name]")
    .option("--keep <n>", "how many versions stay", wholeNumber)
    .action(async (name: string | undefined, options: Shared & { readonly keep?: bigint }) => {
      const { followName, listFollowed } = await import("./pin-follow.ts");
      const known = resolved(options);
      process.exitCode = await (name === undefined
        ? listFollowed(known, write)
        : followName(name, known, write));
    });

  withShared(pin.command("unfollow").description("end that, and release what was kept for the name"))
    .argument("<name>")
    .action(async (name: string, options: Shared) => {
      const { unfollowName } = await import("./pin-follow.ts");
      process.exitCode = await unfollowName(name, resolved(options), write);
    });
}
