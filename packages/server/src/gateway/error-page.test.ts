import { expect, test } from "vitest";
import { ERROR_PAGE_POLICY, renderErrorPage } from "./error-page.ts";

test("says what happened in words, with the reason escaped and the number to ask about", () => {
  const page = renderErrorPage({
    status: 404,
    message: `no link named "<script>" under x`,
    requestId: "r-1",
  });
  expect(page).toContain("404");
  expect(page).toContain("Nothing was found here");
  expect(page).toContain("no link named &#34;&#60;script&#62;&#34; under x");
  expect(page).toContain("r-1");
  expect(page).not.toContain("<script");
});

test("has words for every status that a gateway gives, and for others too", () => {
  for (const status of [400, 404, 405, 406, 410, 412, 416, 418, 422, 429, 451, 500, 501, 502, 503, 504]) {
    const page = renderErrorPage({ status, message: "why", requestId: "r" });
    expect(page).toContain(`<p class="status">${status}</p>`);
    expect(page).not.toContain("undefined");
  }
});

test("needs nothing but its own style", () => {
  const page = renderErrorPage({ status: 500, message: "", requestId: "" });
  expect(page).not.toMatch(/<script|<link[^>]*href="http|style="|onclick/);
  expect(ERROR_PAGE_POLICY).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; /);
});
