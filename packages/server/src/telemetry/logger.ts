import { destination, type Logger, type LevelWithSilent, pino } from "pino";

export type { Logger };

/**
 * The one logger; a part gets `logger.child({ part: 'records' })`. Messages are constant, facts are fields.
 * Writes JSON lines to stderr: stdout carries the ready line and what a command was asked to print.
 */
export function createLogger(level: LevelWithSilent): Logger {
  return pino({ level, base: null }, destination({ dest: 2, sync: false }));
}
