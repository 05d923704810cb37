import { expect, test } from "vitest";
import { ConfigError, readConfig } from "./config.ts";

const SECRET = "0123456789abcdef";

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
  } catch (err) {
    if (err instanceof ConfigError) return err.problems;
    throw err;
  }
  return [];
}

test("webhooks are a list of URLs, each once, and need a secret", () => {
  const HOLDFAST_WEBHOOKS =
    "https://a.example/hook?token=x, http://127.0.0.1:8080,https://a.example/hook?token=x";
  expect(readConfig({ HOLDFAST_WEBHOOKS, HOLDFAST_WEBHOOK_SECRET: SECRET })).toMatchObject({
    webhooks: ["https://a.example/hook?token=x", "http://127.0.0.1:8080/"],
    webhookSecret: SECRET,
    webhookNamesFile: undefined,
  });
  expect(problemsOf({ HOLDFAST_WEBHOOKS })).toEqual([
    "HOLDFAST_WEBHOOK_SECRET: must be set, because HOLDFAST_WEBHOOKS is",
  ]);
  expect(readConfig({})).toMatchObject({ webhooks: [], webhookSecret: "" });
});

test.each(["ftp://a.example", "a.example", "https://user:pw@a.example", "https://a.example/#x", "https://"])(
  "%s is no webhook, and is not shown, because it may have a secret",
  (url) => {
    const problems = problemsOf({ HOLDFAST_WEBHOOKS: url, HOLDFAST_WEBHOOK_SECRET: SECRET });
    expect(problems).toEqual([
      "HOLDFAST_WEBHOOKS: the value is not a comma list of http(s) URLs without user and fragment",
    ]);
  },
);

test("16 webhooks are enough, and 15 characters of a secret are not", () => {
  const urls = (count: number) => Array.from({ length: count }, (_, i) => `https://a.example/${i}`).join(",");
  expect(problemsOf({ HOLDFAST_WEBHOOKS: urls(16), HOLDFAST_WEBHOOK_SECRET: SECRET })).toEqual([]);
  expect(problemsOf({ HOLDFAST_WEBHOOKS: urls(17), HOLDFAST_WEBHOOK_SECRET: SECRET })).toEqual([
    "HOLDFAST_WEBHOOKS: the value has more than 16 URLs",
  ]);
  const [problem, ...others] = problemsOf({ HOLDFAST_WEBHOOK_SECRET: SECRET.slice(1) });
  expect(problem).toBe("HOLDFAST_WEBHOOK_SECRET: the value has fewer than 16 characters");
  expect(others).toEqual([]);
});
