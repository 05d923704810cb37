import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { isHoldfastError } from "@holdfast/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { createTestName } from "../../test/support/records.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { DEFAULT_RATES, Limits, type LimitsOptions, TokenBucket } from "./limits.ts";

function requestFrom(address: string, forwardedFor?: string): IncomingMessage {
  const socket = new Socket();
  Object.defineProperty(socket, "remoteAddress", { value: address });
  const request = new IncomingMessage(socket);
  if (forwardedFor !== undefined) request.headers["x-forwarded-for"] = forwardedFor;
  return request;
}

function createLimits(options: Partial<LimitsOptions> = {}) {
  const clock = new ManualClock(1_000_000);
  const metrics = new Metrics();
  const limits = new Limits(
    { clock, metrics },
    { rateLimits: true, trustedProxies: [], rates: DEFAULT_RATES, ...options },
  );
  return { clock, metrics, limits };
}

function refusalOf(act: () => void): { readonly code: string; readonly retryAfterS: unknown } | undefined {
  try {
    act();
  } catch (err) {
    if (!isHoldfastError(err)) throw err;
    return { code: err.code, retryAfterS: err.details["retryAfterS"] };
  }
  return undefined;
}

describe("TokenBucket", () => {
  it("gives a burst, then the rate", () => {
    const bucket = new TokenBucket({ perSecond: 2, burst: 3 }, 0);
    expect([0, 0, 0, 0].map((nowMs) => bucket.take(nowMs))).toEqual([true, true, true, false]);
    expect(bucket.waitS(0)).toBe(0.5);
    expect([499, 500, 500].map((nowMs) => bucket.take(nowMs))).toEqual([false, true, false]);
  });

  it("pays debts before it gives again, and owes at most a burst", () => {
    const bucket = new TokenBucket({ perSecond: 1, burst: 2 }, 0);
    for (let i = 0; i < 100; i++) bucket.charge(0);
    expect(bucket.has(2_900)).toBe(false);
    expect(bucket.has(3_001)).toBe(true);
  });

  it("never gives more than burst + rate × time, however the clock moves", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -2_000, max: 2_000 }), { maxLength: 200 }), (steps) => {
        const bucket = new TokenBucket({ perSecond: 5, burst: 7 }, 0);
        let nowMs = 0;
        let gainedMs = 0;
        let taken = 0;
        for (const step of steps) {
          nowMs += step;
          gainedMs += Math.max(0, step);
          if (bucket.take(nowMs)) taken++;
        }
        expect(taken).toBeLessThanOrEqual(7 + (gainedMs * 5) / 1000 + 1e-9);
      }),
      { seed: 3 },
    );
  });
});

describe("Limits", () => {
  it("lets a client read 1,000 at once and 300 a second after that, and others meanwhile", () => {
    const { limits, clock } = createLimits();
    const client = requestFrom("192.0.2.1");
    const take = (): number => {
      let count = 0;
      while (limits.takeRead(client, clock.nowMs())) count++;
      return count;
    };
    expect(take()).toBe(1000);
    expect(limits.takeRead(requestFrom("192.0.2.2"), clock.nowMs())).toBe(true);
    expect(take()).toBe(0);
    void clock.advance(1000);
    expect(limits.takeRead(requestFrom("192.0.2.1"), clock.nowMs() + 1000)).toBe(true);
  });

  it("lets a client put 30 records a minute and says when the next may come", () => {
    const { limits, metrics } = createLimits();
    const client = requestFrom("192.0.2.1");
    for (let i = 0; i < 30; i++) limits.admitRecordWrite(client, createTestName().name);
    const refusal = refusalOf(() => limits.admitRecordWrite(client, createTestName().name));
    expect(refusal).toEqual({ code: "RATE_LIMITED", retryAfterS: 2 });
    expect(limits.refusals).toEqual({ clients: 1, names: 0, node: 0 });
    expect(metrics.http.rateLimited).toBe(1);
  });

  it("limits a name to a burst of 5 stored records, whoever puts them", () => {
    const { limits } = createLimits();
    const { name } = createTestName();
    for (let i = 0; i < 5; i++) {
      limits.admitRecordWrite(requestFrom(`192.0.2.${i}`), name);
      limits.chargeRecordWrite(name);
    }
    expect(refusalOf(() => limits.admitRecordWrite(requestFrom("192.0.2.9"), name))?.code).toBe(
      "RATE_LIMITED",
    );
    expect(
      refusalOf(() => limits.admitRecordWrite(requestFrom("192.0.2.9"), createTestName().name)),
    ).toBeUndefined();
  });

  it("R1: refused records of many clients do not lock the owner of the name out", () => {
    const { limits } = createLimits();
    const { name } = createTestName();
    for (let i = 0; i < 1000; i++) limits.admitRecordWrite(requestFrom(`198.51.${i >> 8}.${i & 255}`), name);
    expect(refusalOf(() => limits.admitRecordWrite(requestFrom("192.0.2.1"), name))).toBeUndefined();
  });

  it("limits the node to 100 stored records at once", () => {
    const { limits } = createLimits();
    for (let i = 0; i < 100; i++) limits.chargeRecordWrite(createTestName().name);
    const refusal = refusalOf(() => limits.admitRecordWrite(requestFrom("192.0.2.1"), createTestName().name));
    expect(refusal).toEqual({ code: "RATE_LIMITED", retryAfterS: 1 });
    expect(limits.refusals.node).toBe(1);
  });

  it("lifts every rate when they are off", () => {
    const { limits, clock } = createLimits({ rateLimits: false });
    const client = requestFrom("192.0.2.1");
    const { name } = createTestName();
    for (let i = 0; i < 2000; i++) {
      expect(limits.takeRead(client, clock.nowMs()) && limits.takeFreshRead(client)).toBe(true);
      limits.admitRecordWrite(client, name);
      limits.chargeRecordWrite(name);
    }
  });

  it("R36: counts the client behind a trusted proxy, not the proxy, and believes nobody else's X-Forwarded-For", () => {
    const { limits } = createLimits({ trustedProxies: ["10.0.0.0/8", "::1"] });
    const keyOf = (address: string, forwardedFor?: string): string =>
      limits.clientOf(requestFrom(address, forwardedFor)).key;
    expect(keyOf("10.1.2.3", "192.0.2.7")).toBe("192.0.2.7");
    expect(keyOf("::ffff:10.1.2.3", "6.6.6.6, 192.0.2.7, 10.9.9.9")).toBe("192.0.2.7");
    expect(keyOf("192.0.2.1", "203.0.113.5")).toBe("192.0.2.1");
    expect(keyOf("10.1.2.3")).toBe("10.1.2.3");
    expect(keyOf("10.1.2.3", "garbage")).toBe("10.1.2.3");
    expect(keyOf("::1", "2001:db8:0:1:2:3:4:5")).toBe("2001:db8:0:1::/64");
  });

  it("puts a whole IPv6 /64 into one bucket", () => {
    const { limits } = createLimits();
    const keyOf = (address: string): string => limits.clientOf(requestFrom(address)).key;
    expect(keyOf("2001:db8::1")).toBe(keyOf("2001:db8:0:0:ffff::2"));
    expect(keyOf("2001:db8::1")).not.toBe(keyOf("2001:db8:0:1::1"));
    expect(keyOf("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
  });

  it.each(["10.0.0.0/33", "nonsense", "10.0.0.1/", "::/129"])("refuses %s as a trusted proxy", (entry) => {
    expect(() => createLimits({ trustedProxies: [entry] })).toThrow(/not an address/);
  });
});
