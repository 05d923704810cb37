import type { FastifyInstance } from "fastify";
import type { AnnounceStatus } from "../../announce/announce-status.ts";
import { sendJsonLine } from "../json-line.ts";

export interface AdminAnnounceParts {
  /** Absent: nothing is announced or read here. */
  readonly announce?: { status(): AnnounceStatus };
}

/** `GET /admin/announce`: each relay, what is read from it, what waits to be announced. */
export function adminAnnounceRoute({ announce }: AdminAnnounceParts) {
  return (app: FastifyInstance): void => {
    app.get("/admin/announce", (_request, reply) => {
      void reply.header("Cache-Control", "no-store");
      return sendJsonLine(reply, announce === undefined ? { relays: [] } : viewStatus(announce.status()));
    });
  };
}

function viewStatus({ pubkey, authors, totals, outgoing, relays }: AnnounceStatus) {
  const { listed, isOpen, denied } = authors;
  return {
    pubkey: pubkey ?? null,
    authors: { listed, open: isOpen, denied },
    announced: { cids: totals.cids, names: totals.names },
    outgoing: outgoing === undefined ? null : { waiting: outgoing.waiting, walk: viewWalk(outgoing.walk) },
    relays: relays.map((relay) => ({
      url: relay.url,
      connected: relay.isConnected,
      since: timeOf(relay.sinceMs),
      caught_up: relay.isCaughtUp,
      read_from: relay.readFromS === undefined ? null : timeOf(relay.readFromS * 1000),
      last_event: relay.lastEventAtMs === undefined ? null : timeOf(relay.lastEventAtMs),
      problem: relay.problem ?? null,
      connects: relay.connects,
      events: relay.events,
      frames_dropped: relay.framesDropped,
    })),
  };
}

function viewWalk(walk: NonNullable<AnnounceStatus["outgoing"]>["walk"]) {
  if (walk === undefined) return null;
  return { started: timeOf(walk.startedAtMs), pages: walk.pages, cids: walk.cids };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
