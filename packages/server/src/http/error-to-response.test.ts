import { HoldfastError } from "@holdfast/core";
import { describe, expect, it } from "vitest";
import { errorToResponse, STATUS_BY_CODE } from "./error-to-response.ts";

const request = (url: string, accept?: string) => ({ url, accept, requestId: "r-1" });

describe("errorToResponse", () => {
  it("answers under /api/v0 in Kubo's form", () => {
    const answer = errorToResponse(
      new HoldfastError("RECORD_NOT_FOUND", "routing: not found"),
      request("/api/v0/routing/get?arg=x"),
    );
    expect(answer.status).toBe(404);
    expect(answer.headers["Content-Type"]).toBe("application/json");
    expect(JSON.parse(answer.body)).toEqual({ Message: "routing: not found", Code: 0, Type: "error" });
  });

  it.each([
    ["INVALID_NAME", 1],
    ["RATE_LIMITED", 3],
    ["UNAUTHORIZED", 4],
    ["WRITES_CLOSED", 4],
    ["OVERLOADED", 0],
  ] as const)("gives %s Kubo's code %d", (code, expected) => {
    const { body } = errorToResponse(new HoldfastError(code, "no"), request("/api/v0/x"));
    expect(JSON.parse(body)).toMatchObject({ Code: expected });
  });

  it("tells what is stored when a record lost, exactly", () => {
    const details = { sequence: 9_007_199_254_740_993n, extra: "AAEC" };
    const { body } = errorToResponse(
      new HoldfastError("RECORD_SUPERSEDED", "no", { details }),
      request("/api/v0/routing/put"),
    );
    expect(JSON.parse(body)).toMatchObject({ Sequence: "9007199254740993", Extra: "AAEC" });
  });

  it("uses plain text for delegated routing, JSON for pins, and HTML for a browser at the gateway only", () => {
    const err = new HoldfastError("INVALID_CID", "not <a> CID");
    const forms = ["/routing/v1/providers/x", "/pins", "/ipfs/x", "/api/v0/x", "/ipfsx"].map(
      (url) => errorToResponse(err, request(url, "text/html")).headers["Content-Type"],
    );
    expect(forms).toEqual([
      "text/plain; charset=utf-8",
      "application/json",
      "text/html; charset=utf-8",
      "application/json",
      "text/plain; charset=utf-8",
    ]);
    expect(errorToResponse(err, request("/ipfs/x", "text/html")).body).not.toContain("<a>");
    expect(errorToResponse(err, request("/ipns/x", "*/*")).headers["Content-Type"]).toBe(
      "text/plain; charset=utf-8",
    );
  });

  it("says nothing of a failure that nobody foresaw but the request's id, and never lets it be cached (P7)", () => {
    const answer = errorToResponse(new Error("ENOENT /home/secret/db.sqlite"), request("/api/v0/x"));
    expect(answer).toMatchObject({ status: 500, unexpected: true });
    expect(answer.headers).toMatchObject({ "X-Request-Id": "r-1", "Cache-Control": "no-store" });
    expect(JSON.stringify(answer)).not.toContain("secret");
  });

  it("gives every 429 and 503 a Retry-After of whole seconds", () => {
    const codes = (Object.keys(STATUS_BY_CODE) as (keyof typeof STATUS_BY_CODE)[]).filter((code) =>
      [429, 503].includes(STATUS_BY_CODE[code]),
    );
    expect(codes.length).toBeGreaterThan(3);
    for (const code of codes) {
      expect(errorToResponse(new HoldfastError(code, "no"), request("/")).headers["Retry-After"]).toBe("1");
    }
    const details = { retryAfterS: 1.2 };
    expect(
      errorToResponse(new HoldfastError("OVERLOADED", "no", { details }), request("/")).headers[
        "Retry-After"
      ],
    ).toBe("2");
  });

  it("puts the framework's client errors into our words", () => {
    const err = Object.assign(new Error("Unsupported Media Type: /secret"), { statusCode: 415 });
    expect(errorToResponse(err, request("/api/v0/x"))).toMatchObject({ status: 400, unexpected: false });
  });
});
