import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export async function startBare(
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | string,
): Promise<{ readonly url: string; readonly pid: number } & AsyncDisposable> {
  const file = fileURLToPath(new URL("bare-server.ts", import.meta.url));
  const folder = await mkdtemp(join(tmpdir(), "holdfast-bare-"));
  const bodyFile = join(folder, "body");
  await writeFile(bodyFile, body);
  const child = spawn(process.execPath, [file, JSON.stringify(headers), bodyFile], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [url] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return {
    url,
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}
