import { accessSync, constants, statfsSync } from "node:fs";
import { tmpdir } from "node:os";

const SHARED_MEMORY = "/dev/shm";
/** Containers often give it 64 MiB, which a few stores at once fill. */
const BYTES_MIN = 1024 * 1024 * 1024;

/** In memory where there is room for it: for tests of thousands of commits, which would only wait for the disk. */
export const MEMORY_FOLDER = hasRoom(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir();

function hasRoom(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= BYTES_MIN;
  } catch {
    // There is none on this system.
    return false;
  }
}
