import fc from "fast-check";
import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { startRelay } from "../../../test/support/start-relay.ts";
import { fetchRelayLimits, parseRelayLimits } from "./relay-limits.ts";

const UNKNOWN = { messageBytesMax: undefined, limitMax: undefined, authRequired: false };
const signal = new AbortController().signal;
const timers = new ManualClock();

test("a relay is asked for its limits", async () => {
  const limitation = { max_message_length: 131_072, max_limit: 500, auth_required: true };
  await using relay = await startRelay({ limitation });
  const limits = await fetchRelayLimits(relay.url, { timers, signal });
  expect(limits).toEqual({ messageBytesMax: 131_072, limitMax: 500, authRequired: true });
  await relay.kill();
  expect(await fetchRelayLimits(relay.url, { timers, signal })).toEqual(UNKNOWN);
});

test("limits that are no numbers of anything are none", () => {
  const limitation = { max_message_length: -1, max_limit: "500", auth_required: "yes" };
  expect(parseRelayLimits(JSON.stringify({ limitation }))).toEqual(UNKNOWN);
  expect(parseRelayLimits('{"limitation":{"max_limit":1e400}}')).toEqual(UNKNOWN);
});

test("any text is a document or says nothing", () => {
  const document = fc.record({ limitation: fc.jsonValue() }).map((one) => JSON.stringify(one));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), document), (text) => {
      expect(Object.keys(parseRelayLimits(text)).sort()).toEqual(Object.keys(UNKNOWN).sort());
    }),
    { seed: 20_261_126 },
  );
});
