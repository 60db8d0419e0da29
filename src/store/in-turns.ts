import { setImmediate } from 'node:timers/promises'

/** Journal entries, say, that are looked at in one go, in a few milliseconds; then others have their turn. */
export const AT_ONCE = 500
/** Milliseconds after which others have their turn all the same: an entry may tell of thousands of tags. */
const AT_ONCE_FOR = 5

/** The same, one after the other; between them whatever else waits is served. */
export async function* inTurns<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
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
