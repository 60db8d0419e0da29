import { commitTime } from '../store/journal.ts'
import type { Store } from '../store/store.ts'
import type { World } from './operation.ts'

/**
 * Returns the same world, except that it writes nothing: it discards commits (`--dry-run`). An operation that commits
 * twice does not see its first commit.
 */
export function rehearsing(world: World): World {
  const { trust, rehearsalSigner: signer } = world
  const store = { ...trust.store, commit: forgetting(trust.store) }
  return { ...world, rehearsal: true, trust: { ...trust, store, signer } }
}

/** @returns a commit that, like the store's, refuses if the clock went back */
function forgetting(store: Store): Store['commit'] {
  let accepted = false
  return async ({ kind, time }) => {
    const tail = store.tail()
    accepted ||= kind === 'clock'
    if (!accepted) commitTime(tail, time)
    return tail.number + 1
  }
}
