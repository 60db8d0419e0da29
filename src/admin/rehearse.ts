import type { World } from './operation.ts'

/**
 * The same world, but nothing is written: what would be committed is forgotten (`--dry-run`). An operation that commits
 * twice does not see its first commit.
 */
export function rehearsing(world: World): World {
  const { trust, rehearsalSigner: signer } = world
  const store = { ...trust.store, commit: async () => trust.store.tail().number + 1 }
  return { ...world, rehearsal: true, trust: { ...trust, store, signer } }
}
