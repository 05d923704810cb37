import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startHttp, type TestHttp } from "./support/start-http.ts";

let node: TestHttp;
beforeAll(async () => {
  node = await startHttp();
});
afterAll(async () => node[Symbol.asyncDispose]());

describe("R37, gotcha 15: what is not offered does not exist, with any method", () => {
  const commands = [
    "pin/rm",
    "name/publish",
    "id",
    "config",
    "config/show",
    "shutdown",
    "repo/gc",
    "refs/local",
    "key/list",
  ];
  const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"];
  it.each(commands.flatMap((command) => methods.map((method) => [command, method] as const)))(
    "%s with %s",
    async (command, method) => {
      const response = await fetch(`${node.url}/api/v0/${command}?arg=x`, { method });
      expect(response.status).toBe(404);
      expect(response.headers.get("x-request-id")).not.toBeNull();
      const body = JSON.stringify({ Message: "404 page not found", Code: 0, Type: "error" });
      expect((await response.text()).trim()).toBe(method === "HEAD" ? "" : body);
    },
  );

  it.each([
    "/api/v0",
    "/api/v0/",
    "/api/v0/routing",
    "/api/v0/routing/get/x",
    "/api/v0/routing/../pin/rm",
    "/api/v0//pin/rm",
    "/API/v0/version",
    "/api/v0/version/",
  ])("%s", async (path) => {
    expect((await fetch(node.url + path, { method: "POST" })).status).toBe(404);
  });

  it.each([
    "/metrics",
    "/metrics/prometheus",
    "/ready",
    "/reannounce",
    "/routing-get?arg=x",
    "/ipns-intercept?arg=x",
    "/admin/",
    "/",
  ])("of the admin listener: %s", async (path) => {
    for (const method of ["GET", "POST"]) expect((await fetch(node.url + path, { method })).status).toBe(404);
  });
});

describe("version and health", () => {
  it.each(["GET", "POST"])("version answers %s in Kubo's form", async (method) => {
    const response = await fetch(`${node.url}/api/v0/version?number=true`, { method });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toMatchObject({
      Version: "0.1.0",
      Agent: "holdfast/0.1.0",
      System: expect.any(String) as string,
    });
  });

  it("health is a line of text", async () => {
    const response = await fetch(`${node.url}/health`);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await response.text()).toBe("healthy\n");
    const head = await fetch(`${node.url}/health`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "8"]);
  });

  it("a POST without body and Content-Type is fine, and so is one with any", async () => {
    for (const type of [
      "application/json",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=b",
      "text/plain",
    ]) {
      const response = await fetch(`${node.url}/api/v0/version`, {
        method: "POST",
        body: "x",
        headers: { "Content-Type": type },
      });
      expect(response.status).toBe(200);
    }
  });
});
