import { compareAnswers, type Difference } from "./compare.ts";
import type { Compared, KnownDifference } from "./known/known-difference.ts";
import { explanationOf } from "./known-differences.ts";
import { makeRequest } from "./make-requests.ts";
import { Random } from "./random.ts";
import type { Exchange, GatewayClient, GatewayRequest } from "./send.ts";
import type { Session } from "./session.ts";

export interface Finding {
  readonly request: GatewayRequest;
  readonly difference: Difference;
  /** Undefined: nobody has said that it may be so. */
  readonly known: KnownDifference | undefined;
}

export interface Outcome {
  readonly requestCount: number;
  readonly findings: readonly Finding[];
  /** How often Kubo gave each status: that the requests reach every kind of answer. */
  readonly statuses: ReadonlyMap<number, number>;
}

/** Asks both gateways the same `count` questions and gives every difference. */
export async function runRequests(
  session: Session,
  options: { readonly count: number; readonly seed: number },
): Promise<Outcome> {
  const random = new Random(options.seed);
  const findings: Finding[] = [];
  const statuses = new Map<number, number>();
  for (let i = 0; i < options.count; i++) {
    const request = makeRequest(random, session.places);
    const compared = await askBoth(session, request);
    statuses.set(compared.kubo.status, (statuses.get(compared.kubo.status) ?? 0) + 1);
    findings.push(...findingsOf(compared));
  }
  return { requestCount: options.count, findings, statuses };
}

async function askBoth({ kubo, ours }: Session, request: GatewayRequest): Promise<Compared> {
  const startedAtMs = performance.now();
  const [kuboAnswer, oursAnswer] = await Promise.all([kubo.send(request), ours.send(request)]);
  const oursAgain = await ours.send(request);
  return {
    request,
    kubo: kuboAnswer,
    ours: oursAnswer,
    oursAgain,
    tookS: (performance.now() - startedAtMs) / 1000,
    kuboError: await errorOf(kubo, request, kuboAnswer),
    oursError: await errorOf(ours, request, oursAnswer),
  };
}

async function errorOf(
  gateway: GatewayClient,
  request: GatewayRequest,
  { status, body }: Exchange,
): Promise<string> {
  if (status < 400) return "";
  const told =
    request.method === "HEAD" ? await gateway.send({ ...request, method: "GET" }) : { status, body };
  return told.status < 400 ? "" : told.body.toString("utf8");
}

function findingsOf(compared: Compared): Finding[] {
  const { request, kubo, ours, oursAgain } = compared;
  const later = compareAnswers(request, ours, oursAgain).map((one) => ({
    ...one,
    kind: `again:${one.kind}`,
  }));
  return [...compareAnswers(request, kubo, ours), ...later].map((difference) => ({
    request,
    difference,
    known: explanationOf(difference, compared),
  }));
}

/** A smaller request that shows the same kind of unexplained difference: parts are left out while it stays. */
export async function shrink(session: Session, { request, difference }: Finding): Promise<GatewayRequest> {
  let smallest = request;
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (const candidate of smallerThan(smallest)) {
      const again = findingsOf(await askBoth(session, candidate));
      const isSame = again.some(
        (one) => one.known === undefined && kindOf(one.difference) === kindOf(difference),
      );
      if (!isSame) continue;
      smallest = candidate;
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

/** Findings of one kind are reported once: what differs, and whether each side says anything about it. */
export function kindOf({ kind, kubo, ours }: Difference): string {
  if (kind === "status") return `status ${kubo.slice(0, 3)} → ${ours.slice(0, 3)}`;
  const said = (text: string): string =>
    text.startsWith("(") ? text : kind === "header:cache-control" ? text : "…";
  return `${kind} ${said(kubo)} → ${said(ours)}`;
}

function* smallerThan(request: GatewayRequest): Generator<GatewayRequest> {
  for (const at of request.query.keys()) yield { ...request, query: request.query.toSpliced(at, 1) };
  for (const at of request.headers.keys()) yield { ...request, headers: request.headers.toSpliced(at, 1) };
  if (request.method === "HEAD") yield { ...request, method: "GET" };
}
