/**
 * Whether the network is asked for a name: when nothing is held (`if-absent`), before answering although something is held
 * (`first`), or not at all (`never`).
 */
export type Ask = "if-absent" | "first" | "never";
