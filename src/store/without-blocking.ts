import { setImmediate } from 'node:timers/promises'

/** Items, such as journal entries, handled before other work gets a turn: a few milliseconds. */
const AT_ONCE = 500
/** Milliseconds after which other work gets a turn anyway: an entry may list thousands of tags. */
const AT_ONCE_FOR = 5

/** Yields the items one by one without blocking the event loop: other waiting work runs regularly in between. */
export async function* withoutBlocking<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  let looked = 0
  let began = performance.now()
  for (const item of items) {
    yield item
    looked += 1
    if (looked % AT_ONCE !== 0 && performance.now() - began < AT_ONCE_FOR) continue
    await setImmediate()
    began = performance.now()
  }
}
