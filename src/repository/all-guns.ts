import { withoutBlocking } from '../store/without-blocking.ts'
import type { Gun } from '../tuf/gun.ts'
import type { Readable } from './trust.ts'

/** Names per read. */
const PAGE = 1_000
/**
 * Milliseconds of work on repositories before other work gets a turn. With a turn after each repository, a list would
 * take as long as a search for what ends that runs beside it: a minute instead of seconds for 100,000.
 */
const AT_ONCE_FOR = 1

/**
 * Yields all repositories, in byte order of their names; other waiting work runs in between.
 *
 * @param gone aborted to stop there, with its reason
 * @throws TrustError CORRUPT, STORE_UNAVAILABLE if some names cannot be read, after yielding all others
 */
export async function* allGuns(store: Pick<Readable['store'], 'guns'>, gone?: AbortSignal): AsyncGenerator<Gun> {
  let size = PAGE
  let after: Gun | undefined
  let failure: { readonly error: unknown } | undefined
  for (;;) {
    const page: Gun[] = []
    let isLast: boolean
    try {
      for await (const gun of store.guns(size, after)) page.push(gun)
      isLast = page.length < size
    } catch (error) {
      failure ??= { error }
      // If one name cannot be read, the whole page fails. One by one, the names before and after it can be read.
      isLast = size === 1 && page.length === 0
      size = 1
    }
    for await (const gun of withoutBlocking(page, AT_ONCE_FOR)) {
      gone?.throwIfAborted()
      yield gun
    }
    after = page.at(-1) ?? after
    if (isLast) break
  }
  if (failure !== undefined) throw failure.error
}
