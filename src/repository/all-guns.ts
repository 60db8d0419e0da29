import { setImmediate } from 'node:timers/promises'
import type { Gun } from '../tuf/gun.ts'
import type { Readable } from './trust.ts'

/** Names read at once. */
const PAGE = 1_000

/**
 * All repositories, in byte order of their names; between two of them whatever else waits has its turn.
 *
 * @throws TrustError CORRUPT where some names cannot be read, STORE_UNAVAILABLE: after all that can be
 */
export async function* allGuns(store: Pick<Readable['store'], 'guns'>): AsyncGenerator<Gun> {
  let size = PAGE
  let after: Gun | undefined
  let failure: { readonly error: unknown } | undefined
  for (;;) {
    const page: Gun[] = []
    let wanted = size
    try {
      for await (const gun of store.guns(size, after)) page.push(gun)
    } catch (error) {
      failure ??= { error }
      // Of many that are read at once none comes where one cannot be read: one by one those before it do, and those behind it.
      wanted = size === 1 ? 1 : 0
      size = 1
    }
    for (const gun of page) {
      yield gun
      await setImmediate()
    }
    after = page.at(-1) ?? after
    if (page.length < wanted) break
  }
  if (failure !== undefined) throw failure.error
}
