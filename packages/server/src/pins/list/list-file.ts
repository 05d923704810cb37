/** The lines of a text file, read once, in batches small enough that nobody waits for one. */
export interface ListLines extends AsyncIterable<readonly string[]> {
  /** Known at the end: the last line ends like all others. If not, the file may be half written. */
  readonly isWhole: boolean;
}

/** Lets go what a list does not name any more. */
export type Retire = (options: { readonly signal: AbortSignal }) => Promise<void>;

/** Somebody for whom a file is a list of wishes, which may change at any time. */
export interface ListReader {
  /**
   * Takes up what the list names. Nothing is let go yet.
   *
   * @returns what lets go the rest, to be called when the file has stayed as it is for a while; undefined when the file does not say for
   *   certain what is on the list: it is empty, has lines that are wrong, or ends in the middle of one (R33).
   * @throws whatever the lines throw while they are read, and what keeps the wishes from being taken up: it is tried again.
   */
  read(lines: ListLines, options: { readonly signal: AbortSignal }): Promise<Retire | undefined>;
}
