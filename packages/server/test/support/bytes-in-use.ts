import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/**
 * What this process still holds on to. Not what it has from the system: that depends on when garbage happens to be collected, which a
 * busy machine puts off.
 */
export function bytesInUse(): number {
  collectGarbage();
  // The buffers that the first one found unused are counted off when the next one begins.
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
