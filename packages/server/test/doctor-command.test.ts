import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { examine } from "../src/cli/doctor.ts";
import { NO_STORAGE_LIMIT } from "../src/doctor/kubo-facts.ts";
import { healthyAnswers } from "./support/doctor-facts.ts";
import { createTestName } from "./support/records.ts";

interface Server extends AsyncDisposable {
  readonly url: string;
}

async function startServer(listener: RequestListener): Promise<Server> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Answers as Kubo does, but for the calls that are given. */
function likeKubo(others: Readonly<Record<string, RequestListener>> = {}): RequestListener {
  const { version, repoStat, config, id, peers, commandLine } = healthyAnswers({ Ipns: {} });
  const answers: Readonly<Record<string, string>> = {
    "/api/v0/version": JSON.stringify(version),
    "/api/v0/repo/stat": JSON.stringify(repoStat),
    "/api/v0/config/show": JSON.stringify(config),
    "/api/v0/id": JSON.stringify(id),
    "/api/v0/swarm/peers": JSON.stringify(peers),
    "/debug/pprof/cmdline": commandLine?.join("\0") ?? "",
    "/api/v0/config": JSON.stringify({ Key: "K", Value: 1 }),
  };
  return (request, response) => {
    const path = new URL(request.url ?? "", "http://x").pathname;
    const other = others[path];
    if (other !== undefined) other(request, response);
    else response.end(answers[path] ?? "404");
  };
}

async function run(
  rpc: string,
  options: { apply?: boolean; json?: boolean; callTimeoutMs?: number } = {},
): Promise<{ code: number; text: string }> {
  let text = "";
  const { apply = false, json = false, ...timing } = options;
  const code = await examine({ rpc, apply, json }, (part) => (text += part), timing);
  return { code, text };
}

test("a Kubo with nothing critical is exit 0 and a table", async () => {
  await using server = await startServer(likeKubo());
  const { code, text } = await run(server.url);
  expect(code).toBe(0);
  expect(text).toContain(`Kubo 0.43.0 at ${server.url}: repo 1 GB, StorageMax 10 GB, GC off, peers 1`);
  expect(text).toContain("! advice    ipns-cache");
  expect(text).toContain("--apply would set: ipns-cache");
});

const answerWith =
  (status: number, body: string, headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (_request, response) => {
    response.writeHead(status, headers).end(body);
  };

test.each<[string, RequestListener, string]>([
  ["a web page", answerWith(200, "<html>"), "not as Kubo does"],
  ["JSON of another service", answerWith(200, "{}"), "is not one that Kubo gives"],
  ["JSON null", answerWith(200, "null"), "is not one that Kubo gives"],
  ["an error page", answerWith(502, "<html>"), "answers 502 to version"],
  ["a redirect", answerWith(302, "", { location: "/elsewhere" }), "no answer"],
  ["a closed door", answerWith(403, "denied"), "give the login"],
  [
    "a cut answer",
    (_request, response) => void response.writeHead(200).write("{", () => response.destroy()),
    "no answer",
  ],
  ["a silent server", () => undefined, "within 0.2 s"],
  ["an endless answer", answerWith(200, `"${"x".repeat(17 * 1024 * 1024)}"`), "answers too much"],
])("instead of Kubo %s: exit 2 and one clear line", async (_what, listener, message) => {
  await using server = await startServer(listener);
  const callTimeoutMs = message.startsWith("within") ? 200 : 10_000;
  const { code, text } = await run(server.url, { callTimeoutMs });
  expect(code).toBe(2);
  expect(text).toContain(message);
  expect(text.trim().split("\n")).toHaveLength(1);
  const { error } = JSON.parse((await run(server.url, { json: true, callTimeoutMs })).text) as {
    error: string;
  };
  expect(error).toContain(message);
});

test("gotcha 16: no limit, 2^64 - 1 bytes, is printed exactly, to people and to machines", async () => {
  const repoStat = '{"RepoSize":1000000000,"StorageMax":18446744073709551615}';
  await using server = await startServer(likeKubo({ "/api/v0/repo/stat": answerWith(200, repoStat) }));
  expect((await run(server.url)).text).toContain("StorageMax 18446744073709551615 B (no limit)");
  const { text } = await run(server.url, { json: true });
  expect(text).toMatch(/"storageMaxBytes": 18446744073709551615,/);
  expect(JSON.parse(text)).toMatchObject({ kubo: { storageMaxBytes: NO_STORAGE_LIMIT } });
});

test("no port, no URL and a broken login are exit 2, and no login is ever printed", async () => {
  // Its port is nobody else's as long as it listens there, and at this address it does not.
  await using elsewhere = await startServer(() => undefined);
  const withLogin = elsewhere.url.replace("//127.0.0.1", "//us:hush@127.0.0.2");
  expect(await run(withLogin)).toEqual({ code: 2, text: expect.stringContaining("ECONNREFUSED") });
  expect((await run(withLogin)).text).not.toContain("hush");
  expect(await run("ftp://127.0.0.1")).toEqual({ code: 2, text: expect.stringContaining("--rpc must be") });
  expect(await run("/ip4/127.0.0.1/tcp/5001")).toMatchObject({ code: 2 });
  const broken = await run("http://us:hush%zz@127.0.0.1:1");
  expect(broken).toEqual({ code: 2, text: expect.stringContaining("%25") });
  expect(broken.text).not.toContain("hush");
});

test("what only some Kubos answer may be missing: peers and command line are then unknown", async () => {
  const refuse = answerWith(500, JSON.stringify({ Message: "this action must be run in online mode" }));
  await using server = await startServer(
    likeKubo({ "/api/v0/swarm/peers": refuse, "/debug/pprof/cmdline": refuse }),
  );
  const { code, text } = await run(server.url, { json: true });
  expect(code).toBe(0);
  expect(JSON.parse(text)).toMatchObject({ kubo: { gcEnabled: null, peerCount: null } });
});

test("a refused setting and one that does not take are said and are exit 1", async () => {
  const refuse = answerWith(500, JSON.stringify({ Message: "disk full", Code: 0, Type: "error" }));
  await using refusing = await startServer(likeKubo({ "/api/v0/config": refuse }));
  const refused = await run(refusing.url, { apply: true });
  expect(refused.code).toBe(1);
  expect(refused.text).toContain("! not set  Ipns.ResolveCacheSize = 16384");
  expect(refused.text).toContain("disk full");
  expect(refused.text).not.toContain("Restart Kubo");

  await using forgetful = await startServer(likeKubo());
  const forgotten = await run(forgetful.url, { apply: true });
  expect(forgotten.code).toBe(1);
  expect(forgotten.text).toContain("still as it was");
});

test("`holdfast doctor` ends with the exit code", async () => {
  const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
  const start = async (url: string): Promise<{ code: unknown; stdout: string }> =>
    new Promise((resolve) => {
      const words = ["--conditions=@holdfast/source", main, "doctor", "--rpc", url];
      execFile(process.execPath, words, (err, stdout) => resolve({ code: err?.code ?? 0, stdout }));
    });
  await using server = await startServer(likeKubo());
  await using other = await startServer(answerWith(404, ""));
  const [well, none] = await Promise.all([start(server.url), start(other.url)]);
  expect(well).toEqual({ code: 0, stdout: expect.stringContaining("✓ ok        rpc-exposed") });
  expect(none).toEqual({ code: 2, stdout: expect.stringContaining("answers 404 to version") });
}, 60_000);

test("`holdfast gc` and `holdfast doctor --name` find the node where HOLDFAST_ADMIN_LISTEN says", async () => {
  const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
  await using node = await startServer(answerWith(418, "{}"));
  const listen = node.url.replace("http://", "");
  const env = { PATH: process.env["PATH"], HOLDFAST_ADMIN_LISTEN: listen };
  for (const words of [["gc"], ["doctor", "--name", createTestName().name.text]]) {
    const said = await new Promise<string>((resolve) => {
      const command = ["--conditions=@holdfast/source", main, ...words];
      execFile(process.execPath, command, { env }, (_err, stdout, stderr) => resolve(stdout + stderr));
    });
    expect(said).toContain("answers 418");
  }
}, 60_000);
