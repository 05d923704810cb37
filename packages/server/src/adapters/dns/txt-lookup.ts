/** A way to ask for the TXT records of a name. */
export interface TxtLookup {
  /**
   * One text for each record, its strings joined; none when the name does not exist or has none.
   *
   * @returns `ttlMs`: undefined when the way does not tell.
   * @throws HoldfastError `UPSTREAM_TIMEOUT`, `BACKEND_UNAVAILABLE`; the signal's reason when it aborts.
   */
  lookUp(
    name: string,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly texts: readonly string[]; readonly ttlMs: number | undefined }>;
}
