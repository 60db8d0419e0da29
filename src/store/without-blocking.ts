import { setImmediate } from 'node:timers/promises'

/**
 * Yields the items one by one without blocking the event loop: other waiting work runs regularly in between.
 *
 * @param atOnceFor milliseconds of work on items before other work gets a turn
 */
export async function* withoutBlocking<Item>(items: Iterable<Item>, atOnceFor = 5): AsyncGenerator<Item> {
  let began = performance.now()
  for (const item of items) {
    yield item
    if (performance.now() - began < atOnceFor) continue
    await setImmediate()
    began = performance.now()
  }
}
