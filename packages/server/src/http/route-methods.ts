/**
 * Which methods each path is offered with: the router only knows "no such route", and a wrong method on a known path has
 * to say 405 with `Allow`.
 */
export class RouteMethods {
  readonly #routes: { readonly segments: readonly string[]; readonly methods: Set<string> }[] = [];

  /** @param pattern as the router has it: literal segments, `:param`, and `*` at the end. */
  add(pattern: string, method: string | readonly string[]): void {
    const methods = typeof method === "string" ? [method] : method;
    const segments = segmentsOf(pattern);
    const known = this.#routes.find((route) => route.segments.join("/") === segments.join("/"));
    if (known === undefined) this.#routes.push({ segments, methods: new Set(methods) });
    else for (const each of methods) known.methods.add(each);
  }

  /** The methods of the path in this URL, sorted; empty when no route has it. */
  of(url: string): readonly string[] {
    const [path = ""] = url.split("?");
    const segments = segmentsOf(path);
    const methods = new Set<string>();
    for (const route of this.#routes) {
      if (isMatch(route.segments, segments)) for (const method of route.methods) methods.add(method);
    }
    return [...methods].toSorted();
  }
}

/** A slash at the end makes it another path, with an empty segment: the router does not know that one either. */
function segmentsOf(path: string): string[] {
  return path.split("/").slice(1);
}

function isMatch(pattern: readonly string[], segments: readonly string[]): boolean {
  const isOpenEnded = pattern.at(-1) === "*";
  if (isOpenEnded ? segments.length < pattern.length - 1 : segments.length !== pattern.length) return false;
  return segments.every((segment, i) => {
    const expected = pattern[i];
    if (expected === undefined || expected === "*") return true;
    return expected.startsWith(":") ? segment !== "" : expected === segment;
  });
}
