import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { coldContent } from "./cold-content.ts";
import { content } from "./content.ts";
import { durablePuts } from "./durable-puts.ts";
import { floods } from "./floods.ts";
import { pinTable } from "./pin-table.ts";
import { pins } from "./pins.ts";
import { push } from "./push.ts";
import { republish } from "./republish.ts";
import { warmRoutingGet } from "./warm-routing-get.ts";

const QUESTIONS = {
  "warm-routing-get": warmRoutingGet,
  "durable-puts": durablePuts,
  content,
  "cold-content": coldContent,
  push,
  republish,
  pins,
  "pin-table": pinTable,
  floods,
};

for (const tool of ["wrk", "taskset"]) {
  try {
    execFileSync("sh", ["-c", `command -v ${tool}`], { stdio: "ignore" });
  } catch {
    process.stderr.write(`make bench needs ${tool} on PATH (Debian: apt-get install wrk util-linux)\n`);
    process.exit(1);
  }
}

const wanted = process.argv.slice(2);
const commit = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
const date = new Date().toISOString().slice(0, 10);
const sections = [
  `# ${date}, commit ${commit}`,
  `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}. Servers on core 0, wrk on core 1.`,
];
for (const [label, ask] of Object.entries(QUESTIONS)) {
  if (wanted.length > 0 && !wanted.includes(label)) continue;
  const section = await ask();
  process.stdout.write(`${section}\n\n`);
  sections.push(section);
}
const folder = fileURLToPath(new URL("results/", import.meta.url));
mkdirSync(folder, { recursive: true });
const file = `${folder}${date}-${commit}${wanted.length > 0 ? `-${wanted.join("-")}` : ""}.md`;
writeFileSync(file, `${sections.join("\n\n")}\n`);
process.stdout.write(`written to ${file}\n`);
process.exit(0);
