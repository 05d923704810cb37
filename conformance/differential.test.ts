import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kuboAvailable } from "../packages/server/test/support/start-kubo.ts";
import { type Outcome, runRequests, shrink } from "./differential/run-requests.ts";
import { curlOf } from "./differential/send.ts";
import { type Session, startSession } from "./differential/session.ts";

const REQUESTS = 400;
const SEED = 20_260;

describe.skipIf(!kuboAvailable)(
  "our gateway beside that of a real Kubo with the same blocks and records",
  () => {
    let session: Session;
    let outcome: Outcome;

    beforeAll(async () => {
      session = await startSession();
      outcome = await runRequests(session, { count: REQUESTS, seed: SEED });
    }, 300_000);

    afterAll(async () => {
      await session?.[Symbol.asyncDispose]();
    });

    test("answers random requests alike, but for what known-differences.ts gives a reason for", async () => {
      const unexplained = outcome.findings.filter(({ known }) => known === undefined);
      const shown = unexplained.slice(0, 5).map(async (finding) => ({
        ask: curlOf("$GATEWAY", await shrink(session, finding)),
        ...finding.difference,
      }));
      expect(await Promise.all(shown)).toEqual([]);
    });

    test("is asked for every kind of answer", () => {
      const statuses = [...outcome.statuses.keys()].toSorted((a, b) => a - b);
      expect(statuses).toEqual(
        expect.arrayContaining([200, 206, 301, 302, 304, 400, 404, 405, 406, 416, 501]),
      );
    });
  },
);
