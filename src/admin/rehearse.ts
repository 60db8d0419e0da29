import type { JournalEntry } from '../store/store.ts'
import { EMPTY_TAIL, entryOf } from '../store/journal.ts'
import type { World } from './operation.ts'

/**
 * The same world, but nothing is written: what would be committed is checked against the head, and forgotten
 * (`--dry-run`). An operation that commits twice does not see its first commit.
 */
export function rehearsing(world: World): World {
  const store = {
    ...world.store,
    async commit(commit: Parameters<World['store']['commit']>[0]): Promise<JournalEntry> {
      return entryOf(EMPTY_TAIL, commit, commit.time, commit.expected + 1, '', [], [])
    },
  }
  return { ...world, store, trust: { ...world.trust, store, signer: world.rehearsalSigner } }
}
