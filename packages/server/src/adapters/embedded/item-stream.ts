/**
 * Turns a call that gives items by callback into an async iterable. Leaving the loop early aborts the call.
 * What waits unread is bounded by what the call may give, so each call must have a limit of items.
 *
 * @param run starts the call; settles when it is over.
 */
export async function* itemStream<T>(
  run: (onItem: (item: T) => void, signal: AbortSignal) => Promise<unknown>,
  outer: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const left = new AbortController();
  const waiting: T[] = [];
  let wake = Promise.withResolvers<void>();
  let over = false;
  const onItem = (item: T): void => {
    waiting.push(item);
    wake.resolve();
  };
  const running = run(onItem, AbortSignal.any([outer, left.signal])).finally(() => {
    over = true;
    wake.resolve();
  });
  // Its failure is thrown below, after the items that came before it; until then nobody listens.
  running.catch(() => undefined);
  try {
    for (;;) {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) yield item;
      if (over) break;
      await wake.promise;
      wake = Promise.withResolvers<void>();
    }
    await running;
  } finally {
    left.abort();
  }
}
