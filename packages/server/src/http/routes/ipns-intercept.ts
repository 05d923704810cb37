import type { FastifyInstance } from "fastify";
import type { Records } from "../../records/records.ts";
import { currentOf } from "../put-record.ts";
import { readRecordBody } from "../record-body.ts";
import { nameArg } from "../request-facts.ts";

/**
 * `POST /ipns-intercept?arg=`: where the proxy of the reference system mirrors the bodies of `routing/put`. Validated and
 * stored like any put; the proxy throws the answer away.
 */
export function ipnsInterceptRoute({ records }: { readonly records: Pick<Records, "publish"> }) {
  return (app: FastifyInstance): void => {
    app.post("/ipns-intercept", async (request, reply) => {
      const name = nameArg(request);
      const recordBytes = await readRecordBody(request.raw);
      currentOf(await records.publish(name, recordBytes, { origin: "client" }));
      return reply.header("Content-Type", "text/plain; charset=utf-8").send("OK\n");
    });
  };
}
