import { setImmediate } from 'node:timers/promises'
import type { Gun } from '../tuf/gun.ts'
import type { Readable } from './trust.ts'

/** Names read at once. */
const PAGE = 1_000

/** All repositories, in byte order of their names; between two of them whatever else waits has its turn. */
export async function* allGuns(store: Pick<Readable['store'], 'guns'>): AsyncGenerator<Gun> {
  let after: Gun | undefined
  for (;;) {
    const page = await store.guns(PAGE, after)
    for (const gun of page) {
      yield gun
      await setImmediate()
    }
    after = page.at(-1)
    if (page.length < PAGE || after === undefined) return
  }
}
