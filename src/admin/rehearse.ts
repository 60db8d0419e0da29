import type { World } from './operation.ts'

/**
 * The same world, but nothing is written: what would be committed is forgotten (`--dry-run`). An operation that commits
 * twice does not see its first commit.
 */
export function rehearsing(world: World): World {
  const store = {
    ...world.store,
    commit: async () => world.store.tail().number + 1,
  }
  return { ...world, rehearsal: true, store, trust: { ...world.trust, store, signer: world.rehearsalSigner } }
}
