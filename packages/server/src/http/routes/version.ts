import { arch, platform } from "node:process";
import type { FastifyInstance } from "fastify";
import { sendJsonLine } from "../json-line.ts";

/** `GET`, `POST /api/v0/version`: clients probe whether a node lives with it. Asks nobody. */
export function versionRoute(version: string) {
  const answer = {
    Version: version,
    Commit: "",
    Repo: "",
    System: `${arch === "x64" ? "amd64" : arch}/${platform}`,
    Golang: "",
    Agent: `holdfast/${version}`,
  };
  return (app: FastifyInstance): void => {
    app.route({
      method: ["GET", "POST"],
      url: "/api/v0/version",
      handler: (_request, reply) => {
        void sendJsonLine(reply.header("Cache-Control", "no-store"), answer);
      },
    });
  };
}
