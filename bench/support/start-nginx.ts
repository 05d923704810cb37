import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Nginx extends AsyncDisposable {
  readonly url: string;
  /** Of the one worker, which does the serving. */
  readonly pid: number;
}

/** Debian's nginx as a cache in front of an upstream, one worker, on loopback; undefined when there is no nginx. */
export async function startNginx(upstreamUrl: string): Promise<Nginx | undefined> {
  if (!hasNginx()) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "holdfast-nginx-"));
  const port = await freePort();
  await writeFile(join(folder, "nginx.conf"), configOf(folder, port, upstreamUrl));
  const child = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-g", "daemon off;"], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  const url = `http://127.0.0.1:${port}`;
  await untilAnswers(url);
  const worker = execFileSync("pgrep", ["-P", String(child.pid)], { encoding: "utf8" });
  return {
    url,
    pid: Number(worker.split("\n")[0]),
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function hasNginx(): boolean {
  try {
    execFileSync("nginx", ["-v"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** As the reference system's: complete answers are kept on disk, served with sendfile. */
function configOf(folder: string, port: number, upstreamUrl: string): string {
  return `user root; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  proxy_cache_path ${folder}/cache keys_zone=content:10m max_size=1g inactive=60m use_temp_path=off;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${upstreamUrl}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache content; proxy_cache_key $uri$args$http_accept; proxy_cache_valid 200 60m;
      proxy_ignore_headers Cache-Control Expires Set-Cookie Vary; proxy_max_temp_file_size 1024m;
    }
  }
}
`;
}

async function untilAnswers(url: string): Promise<void> {
  const deadlineMs = Date.now() + 5_000;
  for (;;) {
    try {
      await (await fetch(url)).arrayBuffer();
      return;
    } catch (err) {
      if (Date.now() > deadlineMs) throw err;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
