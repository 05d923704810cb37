import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";

/** Whether Debian's Chromium is there; with `TEST_REQUIRE_SERVERS=1` its absence is an error, otherwise the tests are skipped. */
export const browserAvailable: boolean = findBrowser();

function findBrowser(): boolean {
  if (existsSync(CHROMIUM)) return true;
  const problem = `no ${CHROMIUM} (Debian: apt-get install chromium)`;
  if (process.env["TEST_REQUIRE_SERVERS"] === "1") throw new Error(problem);
  process.stderr.write(`SKIPPED, tests with a real browser: ${problem}\n`);
  return false;
}

/** Headless, and told to leave the internet alone. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    timeout: 75_000,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
