import { describe, expect, it } from "vitest";
import { WritePolicy } from "./write-policy.ts";

const TOKENS = ["a-long-enough-token-1", "a-long-enough-token-2"];

describe("WritePolicy", () => {
  it("lets everybody write when open, with any header", () => {
    const policy = new WritePolicy({ kind: "open" });
    expect(() => policy.assertMayWrite(undefined)).not.toThrow();
    expect(() => policy.assertMayWrite("Bearer nonsense")).not.toThrow();
  });

  it("lets nobody write when closed, not even with a token", () => {
    const policy = new WritePolicy({ kind: "closed", tokens: TOKENS });
    expect(() => policy.assertMayWrite(`Bearer ${TOKENS[0]}`)).toThrow(
      expect.objectContaining({ code: "WRITES_CLOSED" }),
    );
  });

  it.each(TOKENS)("lets the bearer of %s write", (token) => {
    const policy = new WritePolicy({ kind: "token", tokens: TOKENS });
    expect(() => policy.assertMayWrite(`Bearer ${token}`)).not.toThrow();
    expect(() => policy.assertMayWrite(`bearer  ${token}`)).not.toThrow();
  });

  it.each([
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Bearer a-long-enough-token-",
    "Basic YTpi",
    "Bearer a-long-enough-token-1 x",
  ])("turns away %s", (authorization) => {
    const policy = new WritePolicy({ kind: "token", tokens: TOKENS });
    expect(() => policy.assertMayWrite(authorization)).toThrow(
      expect.objectContaining({ code: "UNAUTHORIZED" }),
    );
  });

  it("lets nobody write when no token is configured", () => {
    expect(() => new WritePolicy({ kind: "token" }).assertMayWrite("Bearer x")).toThrow(/not known/);
  });
});
