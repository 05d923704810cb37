import type { Config } from "./config/config.ts";
import { StartCheck, type Warning } from "./doctor/start-check.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";

/** Looks in the background at the Kubo that we stand in front of, and says loudly what would lose data (R34). */
export function startKuboCheck(
  { backend, network, kuboRpcUrl, kuboRpcAuthorization }: Config,
  logger: Logger,
  stack: AsyncDisposableStack,
): () => readonly Warning[] {
  if (backend !== "kubo" || network === "offline") return () => [];
  const log = logger.child({ part: "doctor" });
  const check = new StartCheck(
    {
      timers: systemClock,
      onFound: ({ id, severity, is, why, mend }) => {
        log[severity === "critical" ? "error" : "warn"](
          { id, is, why, mend },
          "Kubo is set up so that it hurts",
        );
      },
    },
    { rpcUrl: kuboRpcUrl, authorization: kuboRpcAuthorization },
  );
  stack.use(check);
  return () => check.warnings();
}
