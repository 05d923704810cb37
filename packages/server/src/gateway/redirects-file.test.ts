import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyCharacter } from "../../../core/test/support/any-character.ts";
import {
  applyRedirects,
  parseRedirectsFile,
  REDIRECTS_FILE_BYTES_MAX,
  type RedirectMatch,
  type RedirectRule,
  RedirectsFileError,
} from "./redirects-file.ts";

const parse = (text: string) => parseRedirectsFile(Buffer.from(text));

/** None for a file that is refused; what else is thrown is thrown. */
function rulesOrNone(bytes: Uint8Array): readonly RedirectRule[] {
  try {
    return parseRedirectsFile(bytes);
  } catch (err) {
    if (err instanceof RedirectsFileError) return [];
    throw err;
  }
}

function match(file: string, path: string, queryText = ""): RedirectMatch | undefined {
  const segments = path.split("/").filter((segment) => segment !== "");
  return applyRedirects(parse(file), segments, queryText);
}

describe("a _redirects file", () => {
  test("has a rule a line, with 301 unless it says otherwise", () => {
    const file = "# comment\r\n\r\n/a /b\r\n  /c\thttps://example.org/ 302  \n/d ipfs://bafkqaaa 200";
    expect(parse(file)).toEqual([
      { from: "/a", to: "/b", status: 301 },
      { from: "/c", to: "https://example.org/", status: 302 },
      { from: "/d", to: "ipfs://bafkqaaa", status: 200 },
    ]);
  });

  test.each([200, 301, 302, 303, 307, 308, 404, 410, 451])("may use the status %i", (status) => {
    expect(parse(`/a /b ${status}`)).toEqual([{ from: "/a", to: "/b", status }]);
  });

  test.each([
    ["/a", "missing 'to' path"],
    ["/a /b 301 more", "must match format"],
    ["a /b", "must begin with '/'"],
    ["/*/b /c", "asterisk"],
    ["/** /c", "asterisk"],
    ["/:x/:x /c", "same placeholder twice"],
    ["/a /b 301!", "forced redirects"],
    ["/a /b 42", "not supported"],
    ["/a /b 0301", "not supported"],
    ["/a /b 304", "not supported"],
    ["/a b", "invalid URL scheme"],
    ["/a javascript:alert(1)", "invalid URL scheme"],
    ["/a ftp://example.org/", "invalid URL scheme"],
    ["/a%zz /b", "not a URL path"],
    ["/a /b%2", "not a URL"],
    ["/a\u0001 /b", "not a URL path"],
  ])("is refused as a whole for the line %j", (line, why) => {
    expect(() => parse(`/fine /here\n${line}\n`)).toThrow(why);
    expect(() => parse(`/fine /here\n${line}\n`)).toThrow(RedirectsFileError);
  });

  test("may have 64 KiB and not one byte more (gotcha 23)", () => {
    const line = "/from /to 301\n";
    const full = line
      .repeat(Math.ceil(REDIRECTS_FILE_BYTES_MAX / line.length))
      .slice(0, REDIRECTS_FILE_BYTES_MAX);
    const exact = `${full.slice(0, full.lastIndexOf("\n"))}\n#`.padEnd(REDIRECTS_FILE_BYTES_MAX, "x");
    expect(parse(exact).length).toBeGreaterThan(4_000);
    expect(() => parse(`${exact}x`)).toThrow("redirects file size cannot exceed 65536 bytes");
  });

  test("is read or refused with a reason, whatever its bytes", () => {
    const line = fc.array(
      fc.oneof(
        fc.constantFrom("/", "/a", "/:p", "/*", "301", "301!", " ", "#", "https://x/", "%41", "%"),
        fc.string(),
      ),
      { maxLength: 6 },
    );
    const text = fc
      .array(
        line.map((parts) => parts.join("")),
        { maxLength: 8 },
      )
      .map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(
        fc.oneof(
          text.map((each) => Buffer.from(each)),
          fc.uint8Array(),
        ),
        (bytes) => {
          for (const { from, to } of rulesOrNone(bytes)) {
            expect(from).toMatch(/^\//);
            expect(to).toMatch(/^\/|^(?:https?|ip[fn]s):\/\//i);
          }
        },
      ),
      { numRuns: 2_000, seed: 290 },
    );
  });
});

describe("rules", () => {
  // The examples of the specification, and what boxo answers to them.
  test.each([
    ["/home /index.html 301", "/home", { kind: "redirect", status: 301, location: "/index.html" }],
    ["/home /index.html", "/home/", { kind: "redirect", status: 301, location: "/index.html" }],
    ["/home/ /index.html", "/home", { kind: "redirect", status: 301, location: "/index.html" }],
    [
      "/posts/:month/:date/:year/:slug /articles/:year/:month/:date/:slug",
      "/posts/06/15/2022/hello-world",
      { kind: "redirect", status: 301, location: "/articles/2022/06/15/hello-world" },
    ],
    [
      "/posts/* /articles/:splat 302",
      "/posts/2022/01/x",
      { kind: "redirect", status: 302, location: "/articles/2022/01/x" },
    ],
    [
      "/:a/* /x/:splat/:a 308",
      "/one/two/three",
      { kind: "redirect", status: 308, location: "/x/two/three/one" },
    ],
    ["/* /index.html 200", "/any/thing", { kind: "page", status: 200, path: "/index.html" }],
    ["/gone/* /410.html?why#now 410", "/gone/x", { kind: "page", status: 410, path: "/410.html" }],
    [
      "/x/* https://example.org:8080/:splat 307",
      "/x/a",
      { kind: "redirect", status: 307, location: "https://example.org:8080/a" },
    ],
    ["/ą/* /ę/:splat", "/ą/ó", { kind: "redirect", status: 301, location: "/%C4%99/%C3%B3" }],
    ["/%C4%85 /b", "/ą", { kind: "redirect", status: 301, location: "/b" }],
  ] as const)("%j applied to %s gives %j", (file, path, expected) => {
    expect(match(file, path)).toEqual(expected);
  });

  test.each([
    ["/home /x", "/"],
    ["/ /x", "/"],
    ["/* /x", "/"],
    ["/home /x", "/home/more"],
    ["/home /x", "/Home"],
    ["/posts/* /x", "/posts"],
    ["/posts/:a /x", "/posts"],
    ["/posts/:a /x", "/posts/a/b"],
    ["", "/home"],
  ])("%j does not apply to %s", (file, path) => {
    expect(match(file, path)).toBeUndefined();
  });

  test("are tried in the order of the file, and the first that matches counts", () => {
    const file = "/a/b /first\n/a/* /second\n/a/c /third";
    expect(match(file, "/a/b")).toMatchObject({ location: "/first" });
    expect(match(file, "/a/c")).toMatchObject({ location: "/second" });
  });

  test("fill in each placeholder once: what comes from the request is none", () => {
    expect(match("/:a/:ab /x/:ab/:a/:unknown", "/:ab/:a")).toMatchObject({ location: "/x/:a/:ab/:unknown" });
  });

  test("keep what comes from the request within the path of the target", () => {
    const attacks = applyRedirects(
      parse("/r/* /to/:splat"),
      ["r", "\\evil.example", "a?b#c", "%2F", "ä b"],
      "",
    );
    expect(attacks).toMatchObject({ location: "/to/%5Cevil.example/a%3Fb%23c/%252F/%C3%A4%20b" });
  });

  test("add the request's parameters to those of a redirect's target, which come first", () => {
    expect(match("/a /b?x=1#top", "/a", "?y=2&x=3")).toMatchObject({ location: "/b?x=1&x=3&y=2#top" });
    expect(match("/a /b", "/a", "?q=a%20b%26c")).toMatchObject({ location: "/b?q=a+b%26c" });
    expect(match("/a /b?x=1", "/a", "?")).toMatchObject({ location: "/b?x=1" });
  });

  test("never lead to another host than the file says, whatever the path", () => {
    const rules = parse("/keep/* /x/:splat\n/host/* https://example.org/:splat 302\n/:a/:b /:b/:a 303");
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, unit: anyCharacter }), { minLength: 1, maxLength: 4 }),
        (segments) => {
          const names = segments.filter(
            (segment) => !/[/]/.test(segment) && segment !== "." && segment !== "..",
          );
          for (const first of ["keep", "host"]) {
            const found = applyRedirects(rules, [first, ...names], "");
            if (found?.kind !== "redirect") continue;
            const origin = new URL(found.location, "http://site.example").origin;
            expect(origin).toBe(first === "keep" ? "http://site.example" : "https://example.org");
          }
        },
      ),
      { numRuns: 500, seed: 290 },
    );
  });
});
